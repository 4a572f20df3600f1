"""Encode request heads, rejecting request smuggling, and parse simple response heads.

A head is a start line and header fields. Request heads, and the common response heads, are validated by one regular
expression: h11 checks each header separately, which is measurably slow for small objects. h11 parses all other
responses; of the request, it needs only what determines the framing of the response.
"""

import re
from typing import TYPE_CHECKING

from ..errors import InvalidConfig
from ..types import KiB
from .message import Request, Response

if TYPE_CHECKING:
    import h11

__all__ = ["MAX_HEAD_BYTES", "closes", "encode_request", "parse_simple_head", "response_framing"]

MAX_HEAD_BYTES = 64 * KiB

# https://www.rfc-editor.org/rfc/rfc9110#section-5.5 and #section-5.6.2, restricted to ASCII.
_NAME = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"(?:[!-~](?:[ -~\t]*[!-~])?)?"
_HEAD = re.compile(rf"{_NAME} /[!-~]* HTTP/1\.1\r\n(?:{_NAME}: {_VALUE}\r\n)+\r\n")

# Stricter than https://www.rfc-editor.org/rfc/rfc9112#section-4 and #section-5: no folded lines, ASCII only. A colon
# ends a name and a line break ends a value, so parsing is unambiguous.
_FIELDS = re.compile(rb"HTTP/1\.1 (20[0146]) [ -~]*\r\n((?:%b:[ -~\t]*\r\n)+)\r\n" % _NAME.encode())
_FIELD = re.compile(rb"([^:]+):[ \t]*([^\r]*)\r\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
# Besides Content-Length, these determine where a body ends and whether the connection can be reused.
_FRAMING_HEADERS = frozenset({b"transfer-encoding", b"connection", b"upgrade"})


def parse_simple_head(data: memoryview) -> tuple[Response, int] | None:
    r"""Parse the head of a 200, 201 or 206 with one Content-Length, or of a 204, that leaves the connection reusable.

    Args:
        data: Data received so far, starting with the head.

    Returns:
        The response and the size of its head in bytes; None: the head is incomplete, or h11 has to parse it.

    Example:
        >>> parse_simple_head(memoryview(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))[1]
        38
        >>> parse_simple_head(memoryview(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
    """
    found = _FIELDS.match(data[:MAX_HEAD_BYTES])
    if found is None:
        return None
    headers = [(name.lower(), value.rstrip(b" \t")) for name, value in _FIELD.findall(found[2])]
    fields = dict(headers)
    if not _FRAMING_HEADERS.isdisjoint(fields):
        connections = [value.lower() for name, value in headers if name in _FRAMING_HEADERS]
        if connections != [b"keep-alive"] or b"connection" not in fields:
            return None
    status, length = int(found[1]), fields.get(b"content-length")
    if status == 204:  # has no body
        return (Response(status, headers), found.end()) if length is None else None
    if length is None or not _LENGTH.fullmatch(length):
        return None
    if len(fields) < len(headers) and [name for name, _ in headers].count(b"content-length") > 1:
        return None
    return Response(status, headers), found.end()


def encode_request(request: Request, length: int | None = None) -> bytes:
    """Encode a request's head.

    Args:
        request: The request.
        length: Size of the body in bytes; None: no body.

    Raises:
        InvalidConfig: The method, target or a header is not valid in HTTP. The message does not repeat the value.
    """
    headers = list(request.headers)
    names = [name.lower() for name, _ in headers]
    if "host" not in names:
        # First, as RFC 9112 section 3.2 recommends.
        headers.insert(0, ("Host", request.origin.netloc))
        names.append("host")
    stated = [value for name, (_, value) in zip(names, headers, strict=False) if name == "content-length"]
    if "transfer-encoding" in names or stated not in ([], [str(length or 0)]):
        raise InvalidConfig("the request headers contradict the length of the body")
    if not stated and (length is not None or request.method in {"POST", "PUT"}):
        headers.append(("Content-Length", str(length or 0)))
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    head = f"{request.method} {request.target} HTTP/1.1\r\n{fields}\r\n"
    # The line count must match, so that no value contains a line break. Host and Content-Length must not be repeated.
    lines, names = len(headers) + 2, [name.lower() for name, _ in headers]
    valid = head.count("\r") == head.count("\n") == lines and _HEAD.fullmatch(head)
    if not valid or names.count("host") != 1 or names.count("content-length") > 1:
        raise InvalidConfig(
            f"a request to {request.origin.address} has an invalid method, target or header",
            hint="percent-encode the target; header values must be ASCII without line breaks",
        )
    return head.encode("ascii")


def closes(request: Request) -> bool:
    """Whether a request asks the server to close the connection after the response."""
    return any(name.lower() == "connection" and "close" in value.lower() for name, value in request.headers)


def response_framing(request: Request, body: memoryview | None, *, sent: bool) -> "h11.Connection":
    """Create the h11 connection that parses the response to a request.

    Args:
        request: The request.
        body: Its body.
        sent: Whether the body was sent completely; otherwise the connection cannot be reused.
    """
    import h11  # noqa: PLC0415 - most responses are parsed without it

    length = 0 if body is None else len(body)
    framing = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    headers = [("Host", "host"), ("Content-Length", str(length))]
    if closes(request):
        headers.append(("Connection", "close"))
    framing.send(h11.Request(method=request.method, target="/", headers=headers))
    if sent:
        if body is not None and length:
            framing.send_with_data_passthrough(h11.Data(data=body))  # type: ignore[arg-type]  # takes any bytes-like
        framing.send(h11.EndOfMessage())
    return framing
