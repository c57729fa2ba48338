"""Check the health of the exporter in this container: exit status 0 healthy, 1 unhealthy.

Imports nothing of the exporter, so that it starts in milliseconds and cannot fail with it. The
request has no TLS and no password: an exporter that requires a password answers 401, and one with
TLS closes the connection. Both show that it is not stuck. The container is unhealthy if nothing
listens, nothing answers, or the answer is 503.
"""

# ruff: noqa: INP001 (a script of the image, never imported)

import os
import socket
import sys

_SECONDS = 4.0
"""Less than the timeout of the image's health check."""

_UNHEALTHY = b"HTTP/1.1 503"


def main() -> int:
    """Check the address in RISK_EXPORTER_LISTEN, as the image and its users set it."""
    host, _, port = os.environ.get("RISK_EXPORTER_LISTEN", ":10876").rpartition(":")
    address = (host.strip("[]") or "127.0.0.1", int(port))
    try:
        answer = _ask(address)
    except OSError as error:
        sys.stderr.write(f"{address[0]}:{address[1]}: {error}\n")
        return 1
    return 1 if answer == _UNHEALTHY else 0


def _ask(address: tuple[str, int]) -> bytes:
    """Return the beginning of the answer; empty if the connection is closed."""
    request = f"GET /-/healthy HTTP/1.1\r\nHost: {address[0]}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(address, _SECONDS) as connection:
        try:
            connection.sendall(request.encode("ascii"))
            return connection.recv(len(_UNHEALTHY))
        except ConnectionError:
            return b""


if __name__ == "__main__":
    sys.exit(main())
