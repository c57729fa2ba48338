"""How the process gives memory back. Decides nothing about what is kept in it."""

import ctypes
import gc
import sys

_M_MMAP_THRESHOLD = -3  # <malloc.h>
_LARGE_BYTES = 2**20


def return_large_blocks() -> bool:
    """Have blocks of a mebibyte and more go back to the system when they are freed.

    glibc does so by itself from 128 KiB, but raises that bound, up to 32 MiB, to whatever it
    sees freed. Then the tables of a hundred thousand users, each outgrown by the next, leave
    holes that are never closed: a sixth of the memory. Once set, the bound stays. False where
    there is no such setting. Source: mallopt(3).
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES) == 1


def spare_collector() -> None:
    """Let the garbage collector pass over what is there already: modules, and all that was loaded.

    None of it is garbage, and looking through it held the loop for 50 ms now and then.
    """
    gc.collect()
    gc.freeze()
