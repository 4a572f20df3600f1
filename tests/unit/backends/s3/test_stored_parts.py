"""Replies to ListParts."""

import pytest

from sealift.backends.s3.stored_parts import StoredPart, parse_part_list
from sealift.errors import ServiceError
from sealift.wire import Response
from tests.unit.backends.s3.responses import NAMESPACE, response


def part_list(body: str, space: str = NAMESPACE) -> Response:
    return response(200, f"<ListPartsResult{space}>{body}</ListPartsResult>".encode())


@pytest.mark.parametrize("space", ["", NAMESPACE])
def test_a_page_of_parts(space: str) -> None:
    """The format of API_ListParts.html. Other services leave out quotes and checksums."""
    body = (
        "<Bucket>b</Bucket><PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker>"
        "<IsTruncated>true</IsTruncated>"
        '<Part><PartNumber>2</PartNumber><LastModified>2010-11-10T20:48:34.000Z</LastModified><ETag>"7778"</ETag>'
        "<Size>10485760</Size><ChecksumCRC64NVME>AAAAAAAAAAE=</ChecksumCRC64NVME><ChecksumSHA256>?</ChecksumSHA256></Part>"
        "<Part><PartNumber>3</PartNumber><ETag>aaaa</ETag><Size>1</Size></Part>"
        "<Part><PartNumber>4</PartNumber><Size>1</Size></Part><Part><PartNumber>x</PartNumber></Part>"
    )
    parts, marker = parse_part_list(part_list(body, space))
    assert parts == {
        2: StoredPart(10485760, '"7778"', {"crc64nvme": "0000000000000001"}),
        3: StoredPart(1, '"aaaa"', {}),
    }
    assert marker == "3"


def test_the_last_page_of_parts() -> None:
    assert parse_part_list(part_list("<IsTruncated>false</IsTruncated>")) == ({}, None)
    assert parse_part_list(part_list("<NextPartNumberMarker>0</NextPartNumberMarker>")) == ({}, None)


@pytest.mark.parametrize(
    "reply",
    [
        response(200, b""),
        response(200, b"<html>"),
        response(200, b"<ListBucketResult/>"),
        part_list("<IsTruncated>true</IsTruncated>"),
        part_list("<IsTruncated>true</IsTruncated><NextPartNumberMarker>x</NextPartNumberMarker>"),
    ],
    ids=range(5),
)
def test_another_reply_is_an_error(reply: Response) -> None:
    with pytest.raises(ServiceError):
        parse_part_list(reply)
