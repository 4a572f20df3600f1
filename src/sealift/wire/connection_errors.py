"""How a connection fails."""

import os

from ..errors import TransportError

__all__ = ["CannotConnectError", "ConnectionLostError", "StaleConnectionError", "refusal"]


class CannotConnectError(TransportError):
    """No connection could be opened, so no request was sent."""


class ConnectionLostError(Exception):
    """The peer has closed the connection while a request was sent; it may have responded before."""


class StaleConnectionError(TransportError):
    """A keep-alive connection was closed before any byte of the response arrived."""


def refusal(error: OSError) -> str:
    """Say why an address does not accept a connection."""
    unknown = isinstance(error, TimeoutError) or error.errno is None
    return "no response" if unknown else os.strerror(error.errno or 0).lower()
