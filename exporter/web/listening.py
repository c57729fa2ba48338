"""The sockets a server listens on."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address

from exporter.errors import ListenError
from exporter.settings import ListenAddress

_BACKLOG = 128


@contextmanager
def open_listeners(listen: ListenAddress) -> Iterator[tuple[socket.socket, ...]]:
    """Listen on every address that `listen` means, all on one port, until the block ends.

    A name may mean several addresses (localhost usually two). Port 0 becomes a free one. Raises
    ListenError if the address is taken, is not one of this machine or cannot be resolved.
    """
    with ExitStack() as opened:
        try:
            sockets = _open_all(listen, opened)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ListenError(f"cannot listen on {listen}: {reason}") from error
        yield sockets


def _open_all(listen: ListenAddress, opened: ExitStack) -> tuple[socket.socket, ...]:
    if not listen.host:
        return (opened.enter_context(_open_everywhere(listen.port)),)
    port = listen.port
    sockets: list[socket.socket] = []
    for family, host in _addresses(listen.host):
        sockets.append(opened.enter_context(_open(family, host, port)))
        port = bound_port(sockets[0])
    return tuple(sockets)


def bound_port(listener: socket.socket) -> int:
    """Return the port a socket listens on."""
    port: int = listener.getsockname()[1]
    return port


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can connect to the socket."""
    host: str = listener.getsockname()[0]
    return ip_address(host.partition("%")[0]).is_loopback


def _open_everywhere(port: int) -> socket.socket:
    """Listen on every interface, by IPv6 and IPv4 where the machine has both."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
            )
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
    return socket.create_server(("0.0.0.0", port), backlog=_BACKLOG)  # noqa: S104  # asked for


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Return what a host name means, each address once, in the resolver's order."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(address[0])) for family, *_, address in found))


def _open(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
