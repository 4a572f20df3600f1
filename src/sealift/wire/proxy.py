"""`Proxy`: connections through an HTTP proxy; imported only if a proxy applies.

A request to an http origin is forwarded: its target is an absolute URL. An https origin is reached through a tunnel,
which CONNECT opens, so the proxy sees nothing of the requests.
"""

import time
from base64 import b64encode
from dataclasses import field
from functools import partial
from typing import Self
from urllib.parse import unquote, urlsplit

from ..config.user_agent import OWN_USER_AGENT
from ..errors import InvalidConfig, TransportError
from ..frozen_dataclass import dataclass
from ..types import KiB
from .head_codec import response_framing
from .message import Origin, Request, Response
from .response_reader import ResponseReader
from .tls_stream import Stream

__all__ = ["Proxy"]

_SCRATCH = 4 * KiB


class _Timed:
    """A stream that is received from until a deadline."""

    transferring = False

    def __init__(self, stream: Stream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def receive_into(self, view: memoryview) -> int:
        self._stream.settimeout(max(self._deadline - time.monotonic(), 0.001))
        return self._stream.recv_into(view)

    def splice_into(self, pipe: int, limit: int) -> None:
        """Not used: only a head is read."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Args:
        origin: Where it is; with the scheme "https", connections to the proxy use TLS.
        authorization: Value of its Proxy-Authorization header; "": it asks for no credentials.

    Example:
        >>> Proxy.of("http://user:password@proxy:3128")
        Proxy(origin=Origin(scheme='http', host='proxy', port=3128))
    """

    origin: Origin
    authorization: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """The proxy with this URL, which may contain credentials.

        Raises:
            InvalidConfig: It is not the URL of an HTTP proxy. The message does not repeat it.
        """
        scheme = url.partition(":")[0]
        if scheme.startswith("socks"):
            raise InvalidConfig(
                f"the proxy URL begins with {scheme}://, but SOCKS proxies are not supported",
                hint="set HTTP_PROXY and HTTPS_PROXY to an http:// proxy, or add the host to NO_PROXY",
            )
        try:
            origin, split = Origin.of(url), urlsplit(url)
        except ValueError:  # includes InvalidConfig
            raise InvalidConfig("the proxy URL is not valid", hint="write it as http://host:port") from None
        if split.username is None:
            return cls(origin)
        # https://www.rfc-editor.org/rfc/rfc7617#section-2
        pair = f"{unquote(split.username)}:{unquote(split.password or '')}".encode()
        return cls(origin, f"Basic {b64encode(pair).decode()}")

    @property
    def name(self) -> str:
        """For messages: without the credentials."""
        return f"the proxy {self.origin.address}"

    def forwarded(self, request: bytes, origin: Origin) -> bytes:
        """Rewrite a request for the proxy: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2.

        Args:
            request: The encoded head, perhaps with a body.
            origin: The server, without TLS.
        """
        method, _, rest = request.partition(b" ")
        line, _, rest = rest.partition(b"\r\n")
        url = f"{origin.scheme}://{origin.netloc}".encode("ascii")
        return b"".join([method, b" ", url, line, b"\r\n", self._credentials(), rest])

    def open_tunnel(self, stream: Stream, origin: Origin, deadline: float, timeout: float) -> None:
        """Have the proxy connect to a server: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6. Blocks.

        Args:
            stream: The connection to the proxy; afterwards, the one to the server.
            origin: The server.
            deadline: Monotonic time at which it must be done.
            timeout: The seconds until then when the connection was begun, for errors.

        Raises:
            TransportError: The proxy has refused, has closed the connection, or has taken too long.
        """
        to = origin.address.encode("ascii")
        agent = OWN_USER_AGENT.encode("ascii")
        head = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: %b\r\n%b\r\n" % (to, to, agent, self._credentials())
        framing = partial(response_framing, Request("CONNECT", origin, "/"), None, sent=True)
        reader = ResponseReader(_Timed(stream, deadline), self.name, framing, memoryview(bytearray(_SCRATCH)))
        try:
            stream.sendall(head)
            response = reader.read_head()
        except TimeoutError:
            cause = f"connecting to {origin.address} through {self.name} took longer than {timeout:g} s"
            raise TransportError(cause, retryable=True) from None
        except OSError:  # includes ssl.SSLError
            cause = f"{self.name} closed the connection, which was to lead to {origin.address}"
            raise TransportError(cause, retryable=True) from None
        stream.settimeout(None)
        if response.status // 100 != 2:
            raise self.refused(origin, response)

    def refused(self, origin: Origin, response: Response) -> TransportError:
        """The error for a request that the proxy has refused.

        Args:
            origin: The server.
            response: The proxy's response.
        """
        return TransportError(
            f"{self.name} refused to connect to {origin.address}: {response.status}",
            hint="check the credentials in the proxy URL" if response.status in {401, 407} else None,
            status=response.status,
            retryable=response.is_transient,
            retry_after=response.retry_after,
        )

    def _credentials(self) -> bytes:
        return f"Proxy-Authorization: {self.authorization}\r\n".encode("ascii") if self.authorization else b""
