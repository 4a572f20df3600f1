"""Object attributes in replies to HEAD and in listings."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.backends.s3.listing_page import parse_listing
from sealift.backends.s3.object_info import object_info, quoted_etag
from sealift.errors import ServiceError
from tests.unit.backends.s3.responses import NAMESPACE, encoded, response


def test_the_attributes_in_a_head() -> None:
    obj = object_info(
        "iris",
        response(
            200,
            content_length="12",
            etag='"abc"',
            last_modified="Wed, 21 Oct 2015 07:28:00 GMT",
            content_type="application/x-model",
            x_amz_meta_owner="me",
            x_amz_checksum_crc32=encoded("cbf43926"),
        ),
    )
    assert (obj.key, obj.size, obj.version, obj.etag) == ("iris", 12, '"abc"', '"abc"')
    assert obj.modified == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    assert obj.content_type == "application/x-model"
    assert obj.metadata == {"owner": "me"}
    assert obj.checksums == {"crc32": "cbf43926"}
    bare: Any = object_info("iris", response(200))
    assert (bare.size, bare.version, bare.modified) == (None, None, None)


@pytest.mark.parametrize(
    ("tag", "quoted"),
    [('"a"', '"a"'), ("a", '"a"'), ('W/"a"', 'W/"a"'), ("", ""), (None, None)],
)
def test_etags_are_quoted(tag: str | None, quoted: str | None) -> None:
    assert quoted_etag(tag) == quoted


def listing(
    entries: list[tuple[str, int, str]], *, space: str = NAMESPACE, encoding: str = "url", token: str | None = None
) -> bytes:
    encode = quote_plus if encoding == "url" else str
    contents = "".join(
        f"<Contents><Key>{escape(encode(key))}</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>"
        f"<ETag>{escape(tag)}</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key, size, tag in entries
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    encoding_type = "<EncodingType>url</EncodingType>" if encoding == "url" else ""
    return (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<ListBucketResult{space}><Name>b</Name>{encoding_type}"
        f"{more or '<IsTruncated>false</IsTruncated>'}{contents}</ListBucketResult>"
    ).encode()


@pytest.mark.parametrize("space", ["", NAMESPACE])
@pytest.mark.parametrize("encoding", ["", "url"])
@pytest.mark.parametrize("tag", ['"abc"', "abc", "&quot;abc&quot;"])
def test_a_page(space: str, encoding: str, tag: str) -> None:
    body = listing([("a b+c", 3, "TAG"), ("empty", 0, "TAG")], space=space, encoding=encoding).replace(
        b"TAG", tag.encode()
    )
    objects, token = parse_listing(body)
    assert token is None
    assert [(obj.key, obj.size) for obj in objects] == [("a b+c", 3), ("empty", 0)]
    assert {(obj.version, obj.etag) for obj in objects} == {('"abc"', '"abc"')}
    assert objects[0].modified == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=5))
def test_url_encoded_keys_are_decoded(keys: list[str]) -> None:
    objects, _ = parse_listing(listing([(key, 1, '"x"') for key in keys]))
    assert [obj.key for obj in objects] == keys


def test_keys_that_are_not_url_encoded() -> None:
    objects, _ = parse_listing(listing([("a%20b+c", 1, '"x"')], encoding=""))
    assert objects[0].key == "a%20b+c"


def test_the_next_page() -> None:
    objects, token = parse_listing(listing([("a", 1, '"x"')], token="1/more+="))
    assert (len(objects), token) == (1, "1/more+=")
    assert parse_listing(listing([])) == ([], None)


def test_an_entry_without_a_version() -> None:
    body = b"<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"
    (obj,), _ = parse_listing(body)
    assert (obj.version, obj.etag, obj.modified) == (None, None, None)
    body = b"<ListBucketResult><Contents><Key>a</Key><Size>1</Size><ETag></ETag></Contents></ListBucketResult>"
    assert parse_listing(body)[0][0].version is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"<ListBucketResult>"])
def test_a_malformed_page_is_retryable(body: bytes) -> None:
    with pytest.raises(ServiceError, match="not XML") as caught:
        parse_listing(body)
    assert caught.value.retryable


def test_a_truncated_page_without_a_token() -> None:
    body = b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"
    with pytest.raises(ServiceError, match="truncated, but has no continuation token"):
        parse_listing(body)


def test_an_incomplete_entry_is_an_error() -> None:
    with pytest.raises(ServiceError, match="without a key or a size"):
        parse_listing(b"<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>")
