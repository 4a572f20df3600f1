"""What follows when a socket is connected: the tunnel of a proxy, and TLS. Blocking; runs on a lane."""

import socket
import ssl
from typing import TYPE_CHECKING

from ..errors import TransportError
from .message import Origin
from .tls import handshake_error
from .tls_stream import Stream, TLSStream

if TYPE_CHECKING:
    from .proxy import Proxy

__all__ = ["shake_hands"]


def shake_hands(
    sock: socket.socket,
    origin: Origin,
    context: ssl.SSLContext | None,
    deadline: float,
    timeout: float,
    *,
    proxy: "Proxy | None" = None,
    proxy_context: ssl.SSLContext | None = None,
) -> Stream:
    """Make a connected socket ready for requests to a server.

    Args:
        sock: The socket.
        origin: The server.
        context: TLS settings for it; None: no TLS.
        deadline: Monotonic time at which it must be done.
        timeout: The seconds until then when the connection was begun, for errors.
        proxy: The proxy that the socket is connected to. None: it is connected to the server.
        proxy_context: TLS settings for the proxy; None: no TLS.

    Returns:
        What to send requests to and to receive responses from.

    Raises:
        TransportError: A handshake failed or took too long, or the proxy has refused to connect.
    """
    stream: Stream = sock
    if proxy is not None:
        if proxy_context is not None:
            stream = _secured(stream, proxy.origin, proxy_context, deadline, timeout)
        if context is not None:
            proxy.open_tunnel(stream, origin, deadline, timeout)
    return stream if context is None else _secured(stream, origin, context, deadline, timeout)


def _secured(sock: Stream, origin: Origin, context: ssl.SSLContext, deadline: float, timeout: float) -> TLSStream:
    stream = TLSStream(sock, context, origin.host)
    try:
        stream.do_handshake(deadline)
    except TimeoutError:
        cause = f"the TLS handshake with {origin.address} took longer than {timeout:g} s"
        raise TransportError(cause, retryable=True) from None
    except OSError as error:  # includes ssl.SSLError and the errors of a connection closed early
        raise handshake_error(error, origin) from None
    return stream
