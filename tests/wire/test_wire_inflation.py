import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cloudflare.wire import PIECE_BYTES, Inflater
from exporter.errors import BadResponseError

AMPLE = 10**9


def inflate(data: bytes, *, encoding: str = "gzip", step: int = 1000, limit: int = AMPLE) -> bytes:
    """Inflate a body that arrives `step` bytes at a time."""
    inflater = Inflater(encoding, limit=limit)
    read = b"".join(
        piece
        for start in range(0, len(data), step)
        for piece in inflater.feed(data[start : start + step])
    )
    inflater.finish()
    return read


@given(st.binary(max_size=300), st.integers(1, 2000), st.integers(1, 50))
def test_what_was_compressed_comes_out(data: bytes, repeats: int, step: int) -> None:
    """However it was cut on the way, and however well it was compressed."""
    body = data * repeats

    assert inflate(gzip.compress(body, 1), step=step) == body


@given(st.binary(max_size=300), st.integers(1, 500), st.integers(1, 50))
def test_a_plain_body_passes_through(data: bytes, repeats: int, step: int) -> None:
    """A server may ignore what we accept."""
    assert inflate(data * repeats, encoding="", step=step) == data * repeats


@pytest.mark.parametrize("encoding", ["gzip", " GZIP ", "x-gzip"])
def test_gzip_has_several_spellings(encoding: str) -> None:
    """Codings are compared without case, and `x-gzip` means the same (RFC 9110, 8.4.1.3)."""
    assert inflate(gzip.compress(b"hello", mtime=0), encoding=encoding) == b"hello"


def test_several_members_are_one_body() -> None:
    """RFC 1952 allows it, and some proxies do it."""
    assert (
        inflate(gzip.compress(b"a", mtime=0) + gzip.compress(b"") + gzip.compress(b"b"), step=1)
        == b"ab"
    )


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_pieces_are_small_however_much_arrives(encoding: str) -> None:
    """One piece must not hold up the event loop."""
    body = b"x" * 1_000_000
    data = gzip.compress(body, mtime=0) if encoding == "gzip" else body
    sizes = [len(piece) for piece in Inflater(encoding, limit=AMPLE).feed(data)]

    assert max(sizes) <= PIECE_BYTES
    assert sum(sizes) == len(body)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_body_may_reach_its_bound_but_not_pass_it(encoding: str) -> None:
    """The bound is of what comes out."""
    body = b"x" * 100_000
    data = gzip.compress(body, mtime=0) if encoding == "gzip" else body

    assert inflate(data, encoding=encoding, limit=100_000) == body
    with pytest.raises(BadResponseError, match="body: longer"):
        inflate(data, encoding=encoding, limit=99_999)


def test_a_gzip_bomb_does_not_go_off() -> None:
    """A thousandfold inflation stops at the bound, not when memory is gone."""
    bomb = gzip.compress(bytes(50_000_000))
    inflater = Inflater("gzip", limit=100_000)
    pieces: list[bytes] = []
    with pytest.raises(BadResponseError, match="body: longer"):
        pieces.extend(inflater.feed(bomb))
    assert sum(map(len, pieces)) <= 100_000


@given(st.data())
def test_a_gzip_body_cut_short_is_noticed(data: st.DataObject) -> None:
    """Its last eight bytes, checksum and length, are part of it."""
    body = gzip.compress(b"some text that goes on for a while" * 20)
    length = data.draw(st.integers(1, len(body) - 1))

    with pytest.raises(BadResponseError) as caught:
        inflate(body[:length], step=7)
    assert caught.value.field == "body"


@pytest.mark.parametrize(
    "data",
    [
        b"<html>not gzip at all</html>",
        zlib.compress(b"another wrapper"),
        gzip.compress(b"hello", mtime=0)[:-5] + b"\x00" * 5,
        gzip.compress(b"hello", mtime=0) + b"trailing garbage",
    ],
)
def test_damaged_gzip_is_noticed(data: bytes) -> None:
    """What does not inflate is not half right."""
    with pytest.raises(BadResponseError) as caught:
        inflate(data)
    assert caught.value.field == "body"


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
def test_an_encoding_we_did_not_ask_for_is_refused(encoding: str) -> None:
    """Its bytes are not JSON; the message had better say why."""
    with pytest.raises(BadResponseError) as caught:
        inflate(b"x", encoding=encoding)
    assert caught.value.field == "content-encoding"


@pytest.mark.parametrize("encoding", ["", "gzip", "br"])
def test_no_bytes_at_all_are_a_whole_body(encoding: str) -> None:
    """A 204 has none, whatever its headers say."""
    assert inflate(b"", encoding=encoding) == b""
