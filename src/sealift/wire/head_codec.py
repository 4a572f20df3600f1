"""Heads; a request that could smuggle another one is refused here.

A request's head is written in one go and looked at as a whole, and so is an ordinary reply's whose body goes in place:
h11 looks at each header by itself, which is felt where objects are small. What h11 needs to know of a request to frame
its body and the reply, it is told; all other replies are its own to read.
"""

import re
from functools import lru_cache

import h11

from ..errors import InvalidConfig
from ..types import KiB
from .message import Request, Response

__all__ = ["MAX_HEAD_BYTES", "encode_request", "parse_simple_head"]

MAX_HEAD_BYTES = 64 * KiB

# https://www.rfc-editor.org/rfc/rfc9110#section-5.5 and #section-5.6.2, without what is not ASCII.
_NAME = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"(?:[!-~](?:[ -~\t]*[!-~])?)?"
_HEAD = re.compile(rf"{_NAME} /[!-~]* HTTP/1\.1\r\n(?:{_NAME}: {_VALUE}\r\n)+\r\n")

# Narrower than https://www.rfc-editor.org/rfc/rfc9112#section-4 and #section-5: no folded lines, nothing but ASCII. A
# colon ends a name and a line break ends a value, so there is but one way to read it.
_FIELDS = re.compile(rb"HTTP/1\.1 (200|206) [ -~]*\r\n((?:%b:[ -~\t]*\r\n)+)\r\n" % _NAME.encode())
_LENGTH = re.compile(rb"[0-9]{1,18}")
# What decides, beside one length, where a body ends, or whether another reply may follow on the connection.
_FRAMING_HEADERS = {b"transfer-encoding", b"connection", b"upgrade"}


def parse_simple_head(data: memoryview) -> tuple[Response, int] | None:
    r"""The head of a reply that has a body of a plain length, after which the connection may be used again.

    Args:
        data: What has arrived; it begins with the head.

    Returns:
        The reply, and the bytes that its head takes; None: it is not all here, or it is for h11 to read.

    Example:
        >>> parse_simple_head(memoryview(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))[1]
        38
        >>> parse_simple_head(memoryview(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
    """
    found = _FIELDS.match(data[:MAX_HEAD_BYTES])
    if found is None:
        return None
    headers, lengths = [], 0
    for line in bytes(found[2]).split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name in _FRAMING_HEADERS:
            return None
        if name == b"content-length":
            lengths += 1
            if not _LENGTH.fullmatch(value):
                return None
        headers.append((name, value))
    return (Response(int(found[1]), headers), found.end()) if lengths == 1 else None


def encode_request(request: Request, length: int | None = None) -> tuple[h11.Connection, bytes]:
    """The bytes of a request's head, and the h11 connection that will frame its body and its reply.

    Args:
        request: What to ask.
        length: Bytes of the body; None: there is none.

    Raises:
        InvalidConfig: The method, target or a header cannot be sent as it is. The message does not repeat the value.
    """
    headers = list(request.headers)
    present = {name.lower(): value for name, value in headers}
    if "host" not in present:
        # First, as RFC 9112 section 3.2 asks.
        headers.insert(0, ("Host", request.origin.netloc))
    if "transfer-encoding" in present or present.get("content-length", str(length or 0)) != str(length or 0):
        raise InvalidConfig("the headers of a request contradict the length of its body")
    if "content-length" not in present and (length is not None or request.method in {"POST", "PUT"}):
        headers.append(("Content-Length", str(length or 0)))
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    head = f"{request.method} {request.target} HTTP/1.1\r\n{fields}\r\n"
    # As many lines as there should be, so that no value is two of them; and none of those twice that bound a message.
    lines, names = len(headers) + 2, [name.lower() for name, _ in headers]
    valid = head.count("\r") == head.count("\n") == lines and _HEAD.fullmatch(head)
    if not valid or names.count("host") != 1 or names.count("content-length") > 1:
        raise InvalidConfig(
            f"a request to {request.origin.address} has a method, target or header that HTTP cannot carry",
            hint="percent-encode the target; header values must be ASCII without line breaks",
        )
    framing = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    framing.send(_framing_request(request.method, length or 0, present.get("connection", "")))
    if not length:
        framing.send(h11.EndOfMessage())
    return framing, head.encode("ascii")


@lru_cache(maxsize=256)
def _framing_request(method: str, length: int, connection: str) -> h11.Request:
    """What of a request decides where its body and its reply end."""
    headers = [("Host", "host"), ("Content-Length", str(length)), ("Connection", connection)]
    return h11.Request(method=method, target="/", headers=[header for header in headers if header[1]])
