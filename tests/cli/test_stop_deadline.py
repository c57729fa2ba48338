"""The end of a process that does not end by itself."""

import subprocess
import sys


def test_a_process_that_hangs_while_stopping_is_ended() -> None:
    """A loop that hangs on a disk hears no signal; a supervisor would have to kill it."""
    code = (
        "import threading; from exporter.cli.running import stop_deadline\n"
        "with stop_deadline(0.1) as start:\n"
        "    start(); start(); threading.Event().wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"ending at once" in done.stderr


def test_a_process_that_stops_in_time_is_left_alone() -> None:
    """Its status is its own."""
    code = (
        "from exporter.cli.running import stop_deadline\n"
        "with stop_deadline(60.0) as start:\n"
        "    start()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
