"""Read an object or a range of it: what to request, and what the reply must say. No I/O."""

from dataclasses import replace

from ...errors import ObjectChanged
from ...types import Head, ObjectInfo
from ...wire import Expectation, Response, check_read, check_suffix
from .bucket import Bucket
from .object_info import quoted_etag
from .properties import from_reply
from .reply_checksums import has_composite_checksum, object_checksums
from .signer import Headers

__all__ = [
    "WHOLE_HEADERS", "expectation", "head_of_reply", "of_suffix", "read_headers", "suffix_headers", "whole_head",
]  # fmt: skip

_AS_STORED = ("accept-encoding", "identity")
WHOLE_HEADERS = [_AS_STORED, ("x-amz-checksum-mode", "ENABLED")]
"""Headers of a GET of a whole object, besides If-Match."""


def read_headers(obj: ObjectInfo, start: int, length: int) -> tuple[Headers, Expectation]:
    """The headers of a GET, and what its reply must say.

    Args:
        obj: The object; its version is pinned.
        start: Offset of the first byte.
        length: Number of bytes.
    """
    whole = start == 0 and length == obj.size
    headers = [*WHOLE_HEADERS] if whole else [_AS_STORED, ("range", f"bytes={start}-{start + length - 1}")]
    # If-Match never matches a weak ETag: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
    if obj.version is not None and obj.version.startswith('"'):
        headers.append(("if-match", obj.version))
    return headers, expectation(obj, start)


def expectation(obj: ObjectInfo, start: int) -> Expectation:
    """What the reply to a GET of an object must say, from the offset `start` on."""
    pinned = () if obj.version is None else (("etag", (obj.version, obj.version.strip('"'))),)
    return Expectation(start, obj.size, pinned)


def suffix_headers(last: int) -> Headers:
    """The headers of a GET of the last bytes of an object."""
    return [_AS_STORED, ("range", f"bytes=-{last}")]


def of_suffix(obj: ObjectInfo, reply: Response, last: int) -> ObjectInfo:
    """The object described by the reply to a GET of its last bytes, given what `object_info` made of the same reply.

    Raises:
        TransportError: The service sent another range.
    """
    # The length and the checksums in the reply may be those of the range.
    return replace(obj, size=check_suffix(reply, last), checksums={}, composite=False)


def head_of_reply(bucket: Bucket, obj: ObjectInfo, start: int, length: int, reply: Response) -> Head:
    """Check the reply to a GET of these bytes, and return what it says about the object.

    Raises:
        StorageError: The service refused the request, or sent another version or range.
    """
    if reply.status not in {200, 206}:
        raise bucket.object_error(reply, obj)
    version = quoted_etag(reply.header("etag"))
    if obj.version is not None and version != obj.version:
        raise ObjectChanged(f"the object {obj.key!r} was replaced while it was read")
    size = check_read(reply, obj, start, length)
    if start != 0 or length != obj.size:
        return Head(version, size)
    return replace(whole_head(bucket, obj, reply), version=version, size=size, properties=from_reply(reply))


def whole_head(bucket: Bucket, obj: ObjectInfo, reply: Response) -> Head:
    """What the expected reply to a GET of a whole object says about it, without its properties."""
    checksums = object_checksums(reply, md5_tags=not bucket.directory)
    return Head(obj.version, obj.size, checksums, has_composite_checksum(reply))
