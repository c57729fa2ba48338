"""A reader of `/metrics` that costs next to nothing itself: a blocking socket and a buffer."""

import asyncio
import socket
import time

_OPENMETRICS = "application/openmetrics-text;version=1.0.0"
_BUFFER_BYTES = 1 << 20
_PAUSE_SECONDS = 0.1
_UNCOUNTED = 3


async def scrape_ms(port: int, *, gzip: bool, runs: int) -> tuple[float, ...]:
    """Milliseconds of each of several scrapes, a tenth of a second apart.

    Some go before that are not counted, where there are to be more than a few.
    """
    uncounted = _UNCOUNTED if runs > _UNCOUNTED else 0
    taken = []
    for _ in range(runs + uncounted):
        taken.append(await asyncio.to_thread(time_scrape, port, gzip=gzip))
        await asyncio.sleep(_PAUSE_SECONDS)
    return tuple(taken[uncounted:])


def time_scrape(port: int, *, gzip: bool) -> float:
    """Milliseconds from sending a request to the end of its answer, which is thrown away."""
    buffer = bytearray(_BUFFER_BYTES)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        connection.sendall(_request("/metrics", accept=_OPENMETRICS, gzip=gzip))
        received = connection.recv_into(buffer)
        _check(bytes(buffer[:received]))
        while connection.recv_into(buffer):
            pass
        return (time.perf_counter() - began) * 1e3


def read_metrics(
    port: int, *, gzip: bool = False, accept: str = _OPENMETRICS, family: str = ""
) -> bytes:
    """The body of a scrape, as it is sent; of one family alone, where one is named."""
    path = f"/metrics?name[]={family}" if family else "/metrics"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_request(path, accept=accept, gzip=gzip))
        pieces = []
        while piece := connection.recv(_BUFFER_BYTES):
            pieces.append(piece)
    answer = b"".join(pieces)
    _check(answer)
    return answer.partition(b"\r\n\r\n")[2]


def _request(path: str, *, accept: str, gzip: bool) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        f"Accept: {accept}",
        *(["Accept-Encoding: gzip"] if gzip else []),
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _check(answer: bytes) -> None:
    """An error is quick to answer, and must not pass for a scrape."""
    status = answer.partition(b"\r\n")[0]
    if b" 200 " not in status:
        raise ConnectionError(f"not a scrape: {status.decode(errors='replace')}")
