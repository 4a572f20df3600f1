"""Parse a page of ListObjectsV2: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html

A listing of a million objects has a thousand pages of 200 to 300 KB. A regular expression reads their entries in less
than half the time of an XML parser. It matches only the ordinary form of an entry; if any entry has another form, the
whole page is parsed as XML.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from ...errors import ServiceError
from ...types import ObjectInfo
from ...wire.lenient_xml import parse_xml
from .object_info import quoted_etag

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

__all__ = ["parse_listing"]

# The quantifiers are possessive: text that does not match fails at once.
_LEAF = r"<[A-Za-z]++>[^<]*+</[A-Za-z]++>"
# Elements that are not read, such as StorageClass and Owner.
_OTHERS = rf"(?:<(?!Key>|LastModified>|ETag>|Size>|Contents>)[A-Za-z]++>(?:(?:{_LEAF})++|[^<]*+)</[A-Za-z]++>)*+"
_QUOTE = '(?:&quot;|&#34;|")?+'
_FIELDS = (
    r"<Key>([^<&\r]++)</Key>",
    "<LastModified>([^<&]++)</LastModified>",
    f'<ETag>{_QUOTE}([^<&"]++){_QUOTE}</ETag>',
    "<Size>([0-9]{1,19}+)</Size>",
)
_ENTRY = f"<Contents>{_OTHERS.join(('', *_FIELDS, ''))}</Contents>\\s*+"
_STEP = 1 + len(_FIELDS)
# The values of each of these fields.
_Entries = list[list[str]]


def parse_listing(body: bytes) -> tuple[list[ObjectInfo], str | None]:
    """The objects on one page of a listing, and the next page's continuation token; None: this is the last page.

    Prefixes, of a listing with a delimiter, come after the objects.
    """
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - 4 ms; a download of one object reads no XML

    entries, rest = _split(body)
    try:
        root = parse_xml(rest)
    except ET.ParseError as error:
        raise ServiceError(f"the listing is not XML: {error}", retryable=True) from None
    space = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""
    decode = _unquote if root.findtext(f"{space}EncodingType") == "url" else str
    try:
        objects = _ordinary(decode, entries) or list(_contents(root, space, decode))
        objects += _prefixes(root, space, decode)
    except (ValueError, OverflowError):
        raise ServiceError("the listing has an entry with an invalid size or time") from None
    truncated = root.findtext(f"{space}IsTruncated") == "true"
    token = root.findtext(f"{space}NextContinuationToken")
    if truncated and not token:
        raise ServiceError("the listing is truncated, but has no continuation token")
    return objects, token if truncated else None


def _unquote(text: str) -> str:
    return unquote_plus(text, errors="surrogateescape")  # some services store keys that are not UTF-8


def _split(body: bytes) -> tuple[_Entries, str | bytes]:
    """The fields of all entries, and the page without them. If any entry is not ordinary: none, and the whole page."""
    # Comments and CDATA sections, which begin with "<!", may contain anything.
    if body.isascii() and b"<!" not in body:
        pieces = re.split(_ENTRY, body.decode("ascii"))
        rest = "".join(pieces[::_STEP])
        if "<Contents" not in rest:
            return [pieces[first::_STEP] for first in range(1, _STEP)], rest
    return [[]] * len(_FIELDS), body


def _ordinary(decode: Callable[[str], str], entries: _Entries) -> list[ObjectInfo]:
    keys, times, tags, sizes = entries
    quoted = [f'"{tag}"' for tag in tags]
    return list(map(ObjectInfo, map(decode, keys), map(int, sizes), quoted, map(_time, times), quoted))


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _prefixes(root: "ET.Element", space: str, decode: Callable[[str], str]) -> Iterator[ObjectInfo]:
    for element in root.iterfind(f"{space}CommonPrefixes/{space}Prefix"):
        if element.text:
            yield ObjectInfo(decode(element.text), None, is_prefix=True)


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
            _time(modified) if modified else None,
            tag,
        )
