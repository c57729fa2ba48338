"""A file that is written completely or not at all."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.backfill import open_output, write_elsewhere
from exporter.errors import ConfigurationError, ExporterError, OutputError


def test_a_file_appears_once_it_is_complete(tmp_path: Path) -> None:
    """Another program may be waiting for it."""
    path = tmp_path / "past.om"

    def pieces() -> Iterator[bytes]:
        yield b"one\n"
        assert not path.exists()
        yield b"two\n"

    with open_output(path) as write:
        write(pieces())
    assert path.read_bytes() == b"one\ntwo\n"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_file_stays_if_nothing_is_written(tmp_path: Path) -> None:
    """A failure must not lose the previous file."""
    path = tmp_path / "past.om"
    path.write_bytes(b"old")
    with open_output(path):
        pass
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_no_file_behind(tmp_path: Path) -> None:
    """Promtool rejects a partial document, which has no EOF."""

    def pieces() -> Iterator[bytes]:
        yield b"one\n"
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(ExporterError, match="No space left on device"),
        open_output(tmp_path / "past.om") as write,
    ):
        write(pieces())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["none/past.om", ""])
def test_a_path_that_cannot_be_written_is_rejected_at_once(tmp_path: Path, name: str) -> None:
    """Reading a large account takes more than an hour."""
    with pytest.raises(ConfigurationError, match="--output"), open_output(tmp_path / name):
        pytest.fail("entered")


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    """Users of the link expect the new file behind it."""
    (tmp_path / "link.om").symlink_to(tmp_path / "past.om")
    with open_output(tmp_path / "link.om") as write:
        write([b"new"])
    assert (tmp_path / "link.om").is_symlink()
    assert (tmp_path / "past.om").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    """A shell's process substitution is a pipe."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_output(path) as write:
            write([b"through"])
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert path.is_fifo()


def test_a_file_is_created_for_its_owner_alone(tmp_path: Path) -> None:
    """It lists users at risk, so its mode is 0600 from the start, whatever the umask."""
    previous = os.umask(0)
    try:
        with open_output(tmp_path / "past.om") as write:
            modes = [stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()]
            write([b"one\n"])
    finally:
        os.umask(previous)
    assert modes == [0o600]
    assert stat.S_IMODE((tmp_path / "past.om").stat().st_mode) == 0o600


def test_a_full_device_is_an_output_error(tmp_path: Path) -> None:
    """Content larger than a buffer, and smaller content, which fails when it is flushed."""
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    for size in (10, 1_000_000):
        with pytest.raises(OutputError, match="No space left"), open_output(link) as write:
            write([bytes(size)])


def test_the_document_is_written_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder for temporary files may be full."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write_elsewhere(lambda: [b"one\n"])
    assert path.parent == tmp_path
    assert path.read_bytes() == b"one\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
