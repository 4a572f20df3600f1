"""Listings of file shares that lie."""

import pytest

from sealift.backends.azure.share_replies import page
from sealift.errors import ServiceError


def listing(*entries: str) -> bytes:
    return f"<EnumerationResults><Entries>{''.join(entries)}</Entries><NextMarker /></EnumerationResults>".encode()


def file(name: str, length: str = "1", modified: str = "Tue, 14 Nov 2023 22:13:20 GMT") -> str:
    properties = f"<Content-Length>{length}</Content-Length><Last-Modified>{modified}</Last-Modified><Etag>0x8D</Etag>"
    return f"<File><Name>{name}</Name><Properties>{properties}</Properties></File>"


def test_a_page() -> None:
    directory = '<Directory><Name Encoded="true">a%EF%BF%BEb</Name><Properties /></Directory>'
    (found, below), marker = page(listing(file("a &amp; b"), directory), "d/")
    assert (found.key, found.size, found.version, found.is_prefix) == ("d/a & b", 1, '"0x8D"', False)
    assert found.modified is not None
    assert (below.key, below.is_prefix, marker) == ("d/a\ufffeb/", True, None)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "not XML"),
        (b"<a>" * 100_000, "not XML"),
        (listing(file("a/../../b")), "without a valid name"),
        (listing(file("")), "without a valid name"),
        (listing("<Directory><Name>a/b</Name></Directory>"), "without a valid name"),
        (listing("<Directory />"), "without a valid name"),
        (listing(file("a", length="-1")), "without a length"),
        (listing(file("a", length="x")), "without a length"),
        (listing(file("a", length="9" * 5000)), "an invalid length or time"),
        (listing(file("a", modified="yesterday")), "an invalid length or time"),
    ],
)
def test_pages_that_are_refused(body: bytes, cause: str) -> None:
    with pytest.raises(ServiceError, match=cause):
        page(body, "")
