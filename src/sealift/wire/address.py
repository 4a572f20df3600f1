"""`Address`, what a host name resolves to."""

import socket
from typing import Any

from ..frozen_dataclass import dataclass

__all__ = ["Address"]


@dataclass(frozen=True, slots=True)
class Address:
    """An address to connect a socket to, as returned by `socket.getaddrinfo`."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]
