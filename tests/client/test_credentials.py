import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.cloudflare.client import TokenSource
from exporter.errors import ConfigurationError

SECRET = "s3cr3t-T0ken_with-forty-characters-in-it"


def write(path: Path, text: str) -> None:
    """Replace a file's content so that its signature surely changes."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 1, before + 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Make a file that holds the token `first`."""
    path = tmp_path / "api-token"
    write(path, "first\n")
    return path


def test_a_literal_token_is_used_without_the_space_around_it() -> None:
    """A line feed comes along when a secret is piped into a variable."""
    assert TokenSource.from_literal(" abc\n").current() == "abc"


def test_a_files_token_is_used_without_the_space_around_it(path: Path) -> None:
    """Editors end files with a line feed."""
    write(path, "  abc \r\n")

    assert TokenSource.from_file(path).current() == "abc"


def test_a_changed_file_is_read_again(path: Path) -> None:
    """Tokens are rotated while the exporter runs."""
    source = TokenSource.from_file(path)
    assert source.current() == "first"
    write(path, "second")

    assert source.current() == "second"


def test_a_file_that_looks_unchanged_is_read_again_when_told(path: Path) -> None:
    """A quick rewrite may keep time and size; the API's refusal tells."""
    source = TokenSource.from_file(path)
    status = path.stat()
    path.write_text("other\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source.current() == "first"

    source.reread()

    assert source.current() == "other"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n\t",
        b"two words",
        b"two\nlines",
        b"a\r\nX-Injected: yes",
        b"nul\x00byte",
        "naïve".encode(),
        b"\xff\xfe\x00",
        b"x" * 5000,
    ],
)
def test_a_file_without_a_usable_token_is_refused_by_its_path(
    tmp_path: Path, content: bytes
) -> None:
    """Whatever stands in the file goes into a header; the message must not repeat it."""
    path = tmp_path / "api-token"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        TokenSource.from_file(path)
    assert str(path) in str(caught.value)
    assert not content.strip() or content.decode("latin-1").strip() not in str(caught.value)


@pytest.mark.parametrize("make", ["missing", "directory"])
def test_a_file_that_cannot_be_read_is_refused_by_its_path(tmp_path: Path, make: str) -> None:
    """The operator must learn which file."""
    path = tmp_path / "nowhere" if make == "missing" else tmp_path

    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        TokenSource.from_file(path)
    assert str(path) in str(caught.value)


def test_a_named_pipe_is_rejected_instead_of_waiting_for_a_writer(tmp_path: Path) -> None:
    """Opening a pipe without a writer blocks, and its content can be read only once."""
    path = tmp_path / "api-token"
    os.mkfifo(path)

    with pytest.raises(ConfigurationError) as caught:
        TokenSource.from_file(path)
    assert str(caught.value) == f"{path}: cannot be read: not a regular file"


@pytest.mark.parametrize("text", ["", "  ", "two words", "a\r\nb", "ключ"])
def test_a_literal_that_cannot_be_a_token_is_refused(text: str) -> None:
    """A header must carry the token and nothing else."""
    with pytest.raises(ConfigurationError) as caught:
        TokenSource.from_literal(text)
    assert not text.strip() or text not in str(caught.value)


def test_the_last_good_token_is_used_while_the_file_is_bad(path: Path) -> None:
    """A rotation may leave the file empty or gone for a moment; that is no reason to stop."""
    source = TokenSource.from_file(path)
    write(path, "")
    with capture_logs() as events:
        assert source.current() == "first"
        path.unlink()
        assert source.current() == "first"
    write(path, "second")

    assert source.current() == "second"
    warnings = [event for event in events if event["log_level"] == "warning"]
    assert [event["event"] for event in warnings] == ["token_file.read_failed"]
    assert str(path) in warnings[0]["problem"]


def test_a_source_does_not_show_its_token(path: Path) -> None:
    """A repr ends in logs and tracebacks."""
    write(path, SECRET)
    file, literal = TokenSource.from_file(path), TokenSource.from_literal(SECRET)

    assert SECRET not in repr([file, literal])
    assert str(path) in repr(file)
