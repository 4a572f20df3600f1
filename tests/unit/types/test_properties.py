"""Object properties: reading from headers, encoding for each service, comparing after a copy."""

import pytest

from sealift.backends.azure.properties import to_headers as to_azure
from sealift.backends.s3.properties import to_headers as to_s3
from sealift.types.properties import NO_PROPERTIES, Properties, dropped, from_headers


def test_repeated_headers_are_joined() -> None:
    found = from_headers(
        [
            (b"cache-control", b"no-store"),
            (b"x-amz-meta-a", b"1"),
            (b"cache-control", b"private"),
            (b"x-amz-meta-a", b"2"),
        ],
        metadata=b"x-amz-meta-",
    )
    assert found == Properties(cache_control="no-store, private", metadata={"a": "1, 2"})


def test_empty_headers_are_ignored_but_empty_metadata_is_kept() -> None:
    found = from_headers([(b"content-encoding", b""), (b"x-amz-meta-a", b"")], metadata=b"x-amz-meta-")
    assert found == Properties(metadata={"a": ""})


def test_headers_are_utf_8_or_latin_1() -> None:
    assert from_headers([(b"content-type", "\u00fc".encode())]).content_type == "\u00fc"
    assert from_headers([(b"content-type", b"\xfc")]).content_type == "\u00fc"


@pytest.mark.parametrize(("count", "tags"), [(b"2", None), (b"0", {}), (b"", {})])
def test_the_number_of_tags(count: bytes, tags: dict[str, str] | None) -> None:
    assert from_headers([(b"x-amz-tagging-count", count)], tag_count=b"x-amz-tagging-count").tags == tags


RICH = Properties("text/csv", "gzip", "de", "inline", "no-store", "never", {"A": "x", "b": "y"}, {"t": "1", "u": "2"})


@pytest.mark.parametrize(
    ("sent", "stored", "names"),
    [
        (RICH, RICH, ()),
        (NO_PROPERTIES, NO_PROPERTIES, ()),
        (NO_PROPERTIES, RICH, ()),
        (Properties("text/csv"), Properties("application/octet-stream"), ()),  # another value is not a lost value
        (RICH, NO_PROPERTIES, (
            "Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition", "Cache-Control", "Expires",
            "metadata 'A'", "metadata 'b'", "tags",
        )),
        (Properties(metadata={"A": "x"}), Properties(metadata={"a": "x"}), ()),
        (Properties(metadata={"A": "x", "a": "y"}), Properties(metadata={"a": "x"}), ("metadata 'a'",)),
        (Properties(tags={"t": "1", "u": "2"}), Properties(tags={"t": "1"}), ("tag 'u'",)),
        (Properties(tags=None), NO_PROPERTIES, ("tags",)),
        (Properties(tags=None), Properties(tags={"t": "1"}), ()),  # copied by the service
    ],
)  # fmt: skip
def test_dropped(sent: Properties, stored: Properties, names: tuple[str, ...]) -> None:
    assert dropped(sent, stored) == names


def test_metadata_names_invalid_in_headers_are_dropped() -> None:
    """GCS allows any name: a line break in a name must not start another header."""
    metadata = {"good": "x", "a b": "x", "a:b": "x", "\u00fc": "x", "a\r\nx-amz-acl": "x", "": "x"}
    assert to_s3(Properties(metadata=metadata), "k")[1] == [("x-amz-meta-good", "x")]
    assert to_azure(Properties(metadata=metadata), "k")[1] == [("x-ms-meta-good", "x")]


def test_tags_invalid_on_azure_are_dropped() -> None:
    sent = Properties(tags={"team": "a b", "mail": "me@example.com", "\u00fc": "x"})
    kept, headers = to_azure(sent, "k")
    assert headers == [("x-ms-tags", "team=a+b")]
    assert dropped(sent, kept) == ("tag 'mail'", "tag '\u00fc'")


def test_tags_are_encoded() -> None:
    assert to_s3(Properties(tags={"a&b": "c=d", "\u00fc": ""}), "k")[1] == [("x-amz-tagging", "a%26b=c%3Dd&%C3%BC=")]
