"""Read an object's attributes from replies to HEAD, GET and ListObjectsV2.

Sources, under https://docs.aws.amazon.com/AmazonS3/latest/API/: API_HeadObject.html, API_ListObjectsV2.html
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from ...errors import ServiceError
from ...types import ObjectInfo
from ...wire import Response
from .properties import from_reply
from .reply_checksums import has_composite_checksum, object_checksums

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

__all__ = ["object_info", "parse_listing", "quoted_etag"]


def quoted_etag(tag: str | None) -> str | None:
    """An ETag with its quotes, which some services leave out."""
    return tag if not tag or tag.endswith('"') else f'"{tag}"'


def object_info(key: str, reply: Response, *, md5_tags: bool = True) -> ObjectInfo:
    """The object described by the reply to a HEAD; `md5_tags` as for `object_checksums`."""
    length = reply.header("content-length")
    tag = quoted_etag(reply.header("etag"))
    return ObjectInfo(
        key=key,
        size=int(length) if length is not None and length.isdecimal() else None,
        version=tag,
        modified=reply.time("last-modified"),
        etag=tag,
        checksums=object_checksums(reply, md5_tags=md5_tags),
        properties=from_reply(reply),
        composite=has_composite_checksum(reply),
    )


def parse_listing(body: bytes) -> tuple[list[ObjectInfo], str | None]:
    """The objects on one page of a listing, and the next page's continuation token; None: this is the last page.

    botocore's parser takes about eight times as long, which is noticeable in a long listing
    (`python -m bench.sdk_cost`).
    """
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - 4 ms; a download of one object reads no XML

    try:
        root = ET.fromstring(body)  # noqa: S314 - expat bounds entity expansion since 2.4.1
    except ET.ParseError as error:
        raise ServiceError(f"the listing is not XML: {error}", retryable=True) from None
    space = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""
    url_encoded = root.findtext(f"{space}EncodingType") == "url"
    try:
        objects = list(_contents(root, space, unquote_plus if url_encoded else str))
    except (ValueError, OverflowError):
        raise ServiceError("the listing has an entry with an invalid size or time") from None
    truncated = root.findtext(f"{space}IsTruncated") == "true"
    token = root.findtext(f"{space}NextContinuationToken")
    if truncated and not token:
        raise ServiceError("the listing is truncated, but has no continuation token")
    return objects, token if truncated else None


def _contents(root: "ET.Element", space: str, decode: Callable[[str], str]) -> Iterator[ObjectInfo]:
    key_tag, size_tag, etag_tag, time_tag = (f"{space}{name}" for name in ("Key", "Size", "ETag", "LastModified"))
    for entry in root.iter(f"{space}Contents"):
        fields = {child.tag: child.text or "" for child in entry}
        if key_tag not in fields or not fields.get(size_tag, "").isdecimal():
            raise ServiceError("the listing has an entry without a key or a size")
        tag = quoted_etag(fields.get(etag_tag)) or None
        modified = fields.get(time_tag)
        yield ObjectInfo(
            decode(fields[key_tag]),
            int(fields[size_tag]),
            tag,
            datetime.fromisoformat(modified).astimezone(UTC) if modified else None,
            tag,
        )
