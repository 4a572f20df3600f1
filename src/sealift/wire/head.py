"""Requests' heads, written by h11; a request that could smuggle another one is refused here."""

import h11

from ..errors import InvalidConfig
from ..types import KiB
from .message import Request

__all__ = ["LARGEST_HEAD", "encode"]

LARGEST_HEAD = 64 * KiB


def encode(request: Request, length: int | None = None) -> tuple[h11.Connection, bytes]:
    """The bytes of a request's head, and the h11 connection that will frame its body and its reply.

    Args:
        request: What to ask.
        length: Bytes of the body; None: there is none.

    Raises:
        InvalidConfig: The method, target or a header cannot be sent as it is. The message does not repeat the value.
    """
    headers = list(request.headers)
    given = {name.lower(): value for name, value in headers}
    if "host" not in given:
        # First, as RFC 9112 section 3.2 asks.
        headers.insert(0, ("Host", request.origin.netloc))
    if "transfer-encoding" in given or given.get("content-length", str(length or 0)) != str(length or 0):
        raise InvalidConfig("the headers of a request contradict the length of its body")
    if "content-length" not in given and (length is not None or request.method in {"POST", "PUT"}):
        headers.append(("Content-Length", str(length or 0)))
    framing = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
    try:
        head = framing.send(h11.Request(method=request.method, target=request.target, headers=headers))
        if not length:
            framing.send(h11.EndOfMessage())
    except (h11.LocalProtocolError, UnicodeError):
        head = None  # what h11 says repeats the value, which may be secret
    if head is None or not request.target.startswith("/"):
        raise InvalidConfig(
            f"a request to {request.origin.address} has a method, target or header that HTTP cannot carry",
            hint="percent-encode the target; header values must be ASCII without line breaks",
        )
    return framing, head
