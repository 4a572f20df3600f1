"""Whether a reply holds the range that was asked for."""

import re

from ..errors import TransportError
from .message import Response

__all__ = ["check_range"]

_CONTENT_RANGE = re.compile(r"bytes (\d{1,20})-(\d{1,20})/(\d{1,20}|\*)", re.ASCII | re.IGNORECASE)


def check_range(response: Response, start: int, length: int) -> int | None:
    """Make sure that a body received by `Wire.fetch` is bytes `start` to `start + length - 1` of the object.

    A 206 must name exactly that range (https://www.rfc-editor.org/rfc/rfc9110#section-14.4). A 200 must name it too, as
    some servers answer a range with 200, or be the whole object.

    Args:
        response: What `Wire.fetch` returned.
        start: First byte asked for.
        length: Bytes asked for; `fetch` has already seen that the body has this length.

    Returns:
        The object's size in bytes; None where the reply does not say (`/*`).

    Raises:
        TransportError: It is another range, or no range at all. Retryable.

    Example:
        >>> check_range(Response(206, [(b"content-range", b"bytes 5-9/100")]), 5, 5)
        100
    """
    content_range = response.header("content-range")
    if content_range is None and response.status == 200:
        size = response.header("content-length")
        # Without a Content-Length the body was chunked, and fetch counted it.
        if start == 0 and (size is None or size == str(length)):
            return length
        raise _range_mismatch("the whole object", start, length)
    match = _CONTENT_RANGE.fullmatch(content_range.strip()) if content_range is not None else None
    if response.status not in {200, 206} or match is None:
        raise _range_mismatch("no range that can be read", start, length)
    first, last, total = match.groups()
    if (int(first), int(last)) != (start, start + length - 1) or (total != "*" and int(total) < start + length):
        raise _range_mismatch(f"bytes {first}-{last}/{total}", start, length)
    return None if total == "*" else int(total)


def _range_mismatch(got: str, start: int, length: int) -> TransportError:
    return TransportError(f"bytes {start}-{start + length - 1} were asked for and the reply is {got}", retryable=True)
