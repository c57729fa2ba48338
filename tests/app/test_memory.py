"""How the process gives memory back."""

import subprocess
import sys

_PROGRAM = """
from exporter.app.memory import return_large_blocks

def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

assert return_large_blocks()
bytearray(30 * 2**20)  # freed at once: glibc would keep blocks as large as this from now on
tables = [bytearray(b"x" * 2**21) for _ in range(20)]
fences = []
before = resident()
while tables:
    tables.pop(0)
    fences.append(bytearray(1000))  # behind each, so that the end of the heap stays in use
print((before - resident()) * 4096)
"""


def test_memory_of_large_blocks_goes_back_to_the_system() -> None:
    """Else each table that users outgrow leaves a hole, and a process grows to twice its need."""
    printed = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True
    ).stdout

    assert int(printed) > 30 * 2**20
