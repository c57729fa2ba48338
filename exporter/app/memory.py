"""Settings of the allocator and the garbage collector that keep a service small and responsive."""

import ctypes
import gc
import sys

_M_MMAP_THRESHOLD = -3  # <malloc.h>
_LARGE_BYTES = 2**20


def return_large_blocks() -> bool:
    """Make glibc return blocks of a mebibyte and more to the system when they are freed.

    By default glibc does so from 128 KiB, but raises this threshold, up to 32 MiB, to the size of
    any block that is freed. The tables of a hundred thousand users, each replaced by a larger one,
    then leave holes that make up a sixth of the memory. A threshold that is set stays. Return
    False if the C library has no such setting. Source: mallopt(3).
    """
    mallopt = _libc_function("mallopt")
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES) == 1


def freeze_start() -> None:
    """Exempt all present objects from garbage collection, and return free memory to the system.

    Call it when the modules and the stored state are loaded. None of these objects is garbage,
    and traversing them would block the event loop for up to 50 ms at a time.
    """
    gc.collect()
    gc.freeze()
    malloc_trim = _libc_function("malloc_trim")  # malloc_trim(3)
    if malloc_trim is not None:
        malloc_trim(0)


def _libc_function(name: str) -> "ctypes._NamedFuncPointer | None":
    """Return a function of the C library, or None if it does not have it, as musl and macOS."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
