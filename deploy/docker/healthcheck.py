"""Ask the exporter in this container whether it lives: exit status 0 yes, 1 no.

Imports nothing of the exporter, so that it starts in milliseconds and cannot fail with it. It
asks for liveness alone: no password it does not know, no certificate it cannot check or show
makes a container unhealthy.
"""

# ruff: noqa: INP001 (a script of the image, imported by nobody)

import os
import socket
import ssl
import sys

_SECONDS = 2.0
"""For each of two attempts; together less than what the image gives the whole check."""

_ALIVE = (b"HTTP/1.1 200 ", b"HTTP/1.1 401 ")
"""401: somebody is there and asks for a password."""


def main() -> int:
    """Check the address in RISK_EXPORTER_LISTEN, as the image and its users set it."""
    host, _, port = os.environ.get("RISK_EXPORTER_LISTEN", ":10876").rpartition(":")
    address = (host.strip("[]") or "127.0.0.1", int(port))
    try:
        alive = _answers(address) or _answers_behind_tls(address)
    except OSError as error:
        print(f"{address[0]}:{address[1]}: {error}", file=sys.stderr)
        return 1
    return 0 if alive else 1


def _answers(address: tuple[str, int]) -> bool:
    with socket.create_connection(address, _SECONDS) as connection:
        return _is_alive(connection, address[0])


def _answers_behind_tls(address: tuple[str, int]) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(address, _SECONDS) as plain:
        try:
            with context.wrap_socket(plain) as connection:
                return _is_alive(connection, address[0])
        except ssl.SSLError as error:
            # A server that demands our certificate and refuses us is there all the same.
            return "ALERT" in (error.reason or "")


def _is_alive(connection: socket.socket, host: str) -> bool:
    request = f"GET /-/healthy HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    connection.sendall(request.encode("ascii"))
    try:
        return connection.recv(len(_ALIVE[0])) in _ALIVE
    except ConnectionResetError:
        return False  # how some servers meet a plain request where they expect TLS


if __name__ == "__main__":
    sys.exit(main())
