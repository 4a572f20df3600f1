"""Check that a response holds the requested range of the expected version."""

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import ObjectChanged, TransportError
from ..frozen_dataclass import dataclass
from .message import Response

if TYPE_CHECKING:
    from ..types import ObjectInfo

__all__ = ["Expectation", "check_expected", "check_range", "check_read", "check_suffix"]

_CONTENT_RANGE = re.compile(r"bytes (\d{1,20})-(\d{1,20})/(\d{1,20}|\*)", re.ASCII | re.IGNORECASE)


def check_range(response: Response, start: int, length: int) -> int | None:
    """Verify that a body received by `Wire.fetch` is bytes `start` to `start + length - 1` of the object.

    The Content-Range of a 206 must match exactly (https://www.rfc-editor.org/rfc/rfc9110#section-14.4). So must that of
    a 200, which some servers send for a range; a 200 without one must be the whole object.

    Args:
        response: Response returned by `Wire.fetch`.
        start: First byte requested.
        length: Number of bytes requested; `fetch` has already checked the body's length.

    Returns:
        Size of the object in bytes; None if the response does not state it (`/*`).

    Raises:
        TransportError: The response holds another range, or its Content-Range is missing or malformed. Retryable.

    Example:
        >>> check_range(Response(206, [(b"content-range", b"bytes 5-9/100")]), 5, 5)
        100
    """
    content_range = response.header("content-range")
    if content_range is None and response.status == 200:
        size = response.header("content-length")
        # Without a Content-Length, the body was chunked and `fetch` counted its bytes.
        if start == 0 and (size is None or size == str(length)):
            return length
        raise _range_mismatch("the whole object", start, length)
    match = _CONTENT_RANGE.fullmatch(content_range.strip()) if content_range is not None else None
    if response.status not in {200, 206} or match is None:
        raise _range_mismatch("a response without a valid Content-Range", start, length)
    first, last, total = match.groups()
    if (int(first), int(last)) != (start, start + length - 1) or (total != "*" and int(total) < start + length):
        raise _range_mismatch(f"bytes {first}-{last}/{total}", start, length)
    return None if total == "*" else int(total)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a response must say before its body is written to a file.

    Args:
        start: Offset of the first byte within the object.
        size: Size of the object in bytes; None: not known.
        pinned: Headers that identify the version, each with the values that it may have; "" if it may be missing.
    """

    start: int
    size: int | None = None
    pinned: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def matches(self, response: Response, length: int) -> bool:
        """Whether a 200 or 206 is the answer to a request for `length` bytes.

        Example:
            >>> response = Response(206, [(b"content-range", b"bytes 5-9/100"), (b"etag", b'"a"')])
            >>> Expectation(5, 100, (("etag", ('"a"',)),)).matches(response, 5)
            True
            >>> Expectation(5, 100, (("etag", ('"b"',)),)).matches(response, 5)
            False
        """
        for name, values in self.pinned:
            if (response.header(name) or "") not in values:
                return False
        with suppress(TransportError):
            size = check_range(response, self.start, length)
            return size is None or self.size is None or size == self.size
        return False


def check_read(response: Response, obj: "ObjectInfo", start: int, length: int) -> int | None:
    """Verify that a response holds a range of an object of this size; its version was compared before.

    Args:
        response: As in `check_range`.
        obj: The object that was read.
        start: As in `check_range`.
        length: As in `check_range`.

    Returns:
        As `check_range`.

    Raises:
        ObjectChanged: The size of the object is another one.
        TransportError: As in `check_range` and `check_expected`.
    """
    size = check_range(response, start, length)
    if obj.size is not None and size is not None and size != obj.size:
        raise ObjectChanged(f"the size of the object {obj.key!r} has changed")
    check_expected(response)
    return size


def check_suffix(response: Response, length: int) -> int:
    """Verify that the head of a response announces the last bytes of an object, or all bytes of a shorter one.

    A server may ignore the request for a range: https://www.rfc-editor.org/rfc/rfc9110#section-14.2

    Args:
        response: The response to a request with `Range: bytes=-LENGTH`.
        length: Number of bytes requested.

    Returns:
        Size of the object in bytes.

    Raises:
        TransportError: It announces other bytes, or does not say which. Retryable.

    Example:
        >>> check_suffix(Response(206, [(b"content-range", b"bytes 92-99/100")]), 8)
        100
    """
    content_range = response.header("content-range")
    size = response.header("content-length") or ""
    if content_range is None and response.status == 200 and size.isascii() and size.isdecimal():
        if int(size) <= length:
            return int(size)
        raise _suffix_mismatch("the whole object", length)
    match = _CONTENT_RANGE.fullmatch(content_range.strip()) if content_range is not None else None
    if response.status not in {200, 206} or match is None or match[3] == "*":
        raise _suffix_mismatch("a response without a valid Content-Range", length)
    first, last, total = map(int, match.groups())
    if (first, last) != (max(total - length, 0), total - 1):
        raise _suffix_mismatch(f"bytes {first}-{last}/{total}", length)
    return total


def check_expected(response: Response) -> None:
    """Fail if the body of a 200 or 206 was not written to its sink, for a reason that nothing else has found.

    Raises:
        TransportError: It was not written; retryable.
    """
    if response.unexpected:
        raise TransportError("the server sent another version or range than the requested one", retryable=True)


def _suffix_mismatch(actual: str, length: int) -> TransportError:
    return TransportError(f"requested the last {length} bytes, but received {actual}", retryable=True)


def _range_mismatch(actual: str, start: int, length: int) -> TransportError:
    return TransportError(f"requested bytes {start}-{start + length - 1}, but received {actual}", retryable=True)
