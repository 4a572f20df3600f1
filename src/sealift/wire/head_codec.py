"""Encode request heads, rejecting request smuggling, and parse simple response heads.

A head is a start line and header fields. Request heads are validated by one regular expression, and common response
heads are split into lines: h11 checks each header separately, which is measurably slow for small objects. h11 parses
all other responses; of the request, it needs only what determines the framing of the response.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import InvalidConfig
from ..types import KiB
from .message import Origin, Request, Response

if TYPE_CHECKING:
    import h11

__all__ = [
    "MAX_HEAD_BYTES",
    "check_value",
    "closes",
    "encode_request",
    "format_head",
    "parse_simple_head",
    "response_framing",
]

MAX_HEAD_BYTES = 64 * KiB

# https://www.rfc-editor.org/rfc/rfc9110#section-5.5 and #section-5.6.2, restricted to ASCII.
_NAME = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"(?:[!-~](?:[ -~\t]*[!-~])?)?"
_HEAD = re.compile(rf"{_NAME} /[!-~]* HTTP/1\.1\r\n(?:{_NAME}: {_VALUE}\r\n)+\r\n")
_HEADER_VALUE = re.compile(_VALUE)

# Stricter than https://www.rfc-editor.org/rfc/rfc9112#section-4 and #section-5: no folded lines, ASCII only. A colon
# ends a name and a line break ends a value, so parsing is unambiguous.
_STATUS = {b"HTTP/1.1 %d " % status: status for status in (200, 201, 204, 206)}
_VALUE_BYTES = bytes(range(0x20, 0x7F)) + b"\t"
_FIELD_NAME = re.compile(_NAME.encode())
# Longer heads, and longer numbers in a Content-Length, are left to h11.
_SIMPLE_BYTES = 8 * KiB
_MOST_DIGITS = 18
# These must not be repeated: they determine where a body ends and whether the connection can be reused.
_ONCE = frozenset({b"content-length", b"connection"})


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
    received = bytes(data[:_SIMPLE_BYTES])
    end = received.find(b"\r\n\r\n")
    head = received[: max(end, 0)]
    first, *lines = head.split(b"\r\n")
    status = _STATUS.get(first[:13])
    # Each control character is part of one of the line breaks.
    if status is None or head.translate(None, _VALUE_BYTES) != b"\r\n" * len(lines):
        return None
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or (lower := _lower_name(name)) is None:
            return None
        headers.append((lower, value.strip(b" \t")))
    fields = dict(headers)
    repeated = len(fields) < len(headers)
    if repeated and any([name for name, _ in headers].count(name) > 1 for name in _ONCE):
        return None
    if b"transfer-encoding" in fields or b"upgrade" in fields:
        return None
    if fields.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    length = fields.get(b"content-length")
    if status == 204:  # has no body
        if length is not None:
            return None
    elif length is None or not length.isdigit() or len(length) > _MOST_DIGITS:
        return None
    return Response(status, headers, fields=None if repeated else fields), end + 4


@lru_cache(maxsize=256)
def _lower_name(name: bytes) -> bytes | None:
    """The name of a header in lower case; None: it is not valid."""
    return name.lower() if _FIELD_NAME.fullmatch(name) else None


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
    return format_head(request.method, request.origin, request.target, headers).encode("ascii")


def format_head(method: str, origin: Origin, target: str, headers: Sequence[tuple[str, str]]) -> str:
    """Format the head of a request.

    Args:
        method: HTTP method.
        origin: The server, for the error.
        target: Path and query.
        headers: All headers, including Host.

    Raises:
        InvalidConfig: As for `encode_request`.
    """
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    head = f"{method} {target} HTTP/1.1\r\n{fields}\r\n"
    # The line count must match, so that no value contains a line break. Host and Content-Length must not be repeated.
    lines, names = len(headers) + 2, [name.lower() for name, _ in headers]
    valid = head.count("\r") == head.count("\n") == lines and _HEAD.fullmatch(head)
    if not valid or names.count("host") != 1 or names.count("content-length") > 1:
        raise _invalid(origin)
    return head


def check_value(value: str, origin: Origin) -> None:
    """Fail if a header cannot have this value.

    Args:
        value: The value.
        origin: The server that it would be sent to, for the error.

    Raises:
        InvalidConfig: As for `encode_request`.
    """
    if not _HEADER_VALUE.fullmatch(value):
        raise _invalid(origin)


def _invalid(origin: Origin) -> InvalidConfig:
    return InvalidConfig(
        f"a request to {origin.address} has an invalid method, target or header",
        hint="percent-encode the target; header values must be ASCII without line breaks",
    )


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
