"""The entries of a listing, whether they have the ordinary form or another one."""

from datetime import UTC, datetime

import pytest

from sealift.backends.s3 import listing_page
from sealift.backends.s3.listing_page import parse_listing
from sealift.errors import ServiceError
from sealift.types import ObjectInfo

KEY, SIZE = "<Key>a/b%20c</Key>", "<Size>12</Size>"
TAG, TIME = "<ETag>&quot;0f&quot;</ETag>", "<LastModified>2026-01-02T03:04:05.000Z</LastModified>"
CLASS = "<StorageClass>STANDARD</StorageClass>"
EXPECTED = ObjectInfo("a/b c", 12, '"0f"', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"0f"')


def page(*entries: str) -> bytes:
    contents = "\n".join(f"<Contents>{entry}</Contents>" for entry in entries)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    ).encode()


def is_ordinary(body: bytes) -> bool:
    return bool(listing_page._split(body)[0][0])


@pytest.mark.parametrize(
    "entry",
    [
        KEY + TIME + TAG + SIZE + CLASS,
        KEY + TIME + TAG + SIZE,
        KEY + TIME + TAG.replace("&quot;", '"') + SIZE + CLASS,
        KEY + TIME + TAG.replace("&quot;", "&#34;") + SIZE + CLASS,
        KEY + TIME + TAG.replace("&quot;", "") + SIZE + CLASS,
        KEY + TIME + TAG + "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        + SIZE + CLASS,
        KEY + TIME + TAG + SIZE + "<Owner><ID>1</ID><DisplayName>A &amp; B</DisplayName></Owner>" + CLASS,
        KEY + TIME + TAG + SIZE + CLASS + "<Owner></Owner><Type>Normal</Type>",
        KEY + TIME.replace("Z", "+00:00") + TAG + SIZE + CLASS,
        KEY + TIME.replace("03:", "05:").replace("Z", "+02:00") + TAG + SIZE + CLASS,
    ],
)  # fmt: skip
def test_ordinary_entries(entry: str) -> None:
    assert is_ordinary(page(entry, entry))
    assert parse_listing(page(entry, entry)) == ([EXPECTED, EXPECTED], None)


@pytest.mark.parametrize(
    "entry",
    [
        SIZE + KEY + TIME + TAG,
        KEY.replace("/b", "/&#98;") + TIME + TAG + SIZE,
        KEY.replace("/b", "/<![CDATA[b]]>") + TIME + TAG + SIZE,
        f"{KEY}\n{TIME}\n{TAG}\n{SIZE}\n",
        f"<!-- <Key>x</Key> -->{KEY}{TIME}{TAG}{SIZE}",
        KEY + TIME + TAG + SIZE + "<Owner/>",
        KEY + TIME + TAG + SIZE + "<Owner><DisplayName>Jürgen</DisplayName></Owner>",
    ],
)
def test_other_entries(entry: str) -> None:
    """One of them is enough to parse all entries of the page as XML."""
    ordinary = KEY + TIME + TAG + SIZE
    assert not is_ordinary(page(ordinary, entry))
    assert parse_listing(page(ordinary, entry)) == ([EXPECTED, EXPECTED], None)


def test_entries_in_a_comment_do_not_count() -> None:
    entry = f"<Contents>{KEY}{TIME}{TAG}{SIZE}</Contents>"
    body = page(KEY + TIME + TAG + SIZE).replace(b"</ListBucketResult>", f"<!--{entry}--></ListBucketResult>".encode())
    assert parse_listing(body) == ([EXPECTED], None)


def test_a_page_that_ends_early_is_not_xml() -> None:
    body = page(*[KEY + TIME + TAG + SIZE] * 3)
    for end in (len(body) - 1, body.rindex(b"<Size>"), body.rindex(b"<Contents>")):
        with pytest.raises(ServiceError, match="not XML"):
            parse_listing(body[:end])
