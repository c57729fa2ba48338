"""Ask the exporter in this container whether it lives: exit status 0 yes, 1 no.

Imports nothing of the exporter, so that it starts in milliseconds and cannot fail with it. It
asks in the clear and without a password: an exporter that wants one says so, one that speaks
TLS hangs up, and either shows that it is not stuck. What makes a container unhealthy is nobody
there, silence, or an exporter that says it is.
"""

# ruff: noqa: INP001 (a script of the image, imported by nobody)

import os
import socket
import sys

_SECONDS = 4.0
"""Less than what the image gives the whole check."""

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
    """Return the beginning of the answer; nothing where the other side hangs up."""
    request = f"GET /-/healthy HTTP/1.1\r\nHost: {address[0]}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(address, _SECONDS) as connection:
        try:
            connection.sendall(request.encode("ascii"))
            return connection.recv(len(_UNHEALTHY))
        except ConnectionError:
            return b""


if __name__ == "__main__":
    sys.exit(main())
