"""Checksums in S3 replies."""

from typing import Any

import pytest

from sealift.backends.s3.object_info import object_info
from sealift.backends.s3.reply_checksums import (
    completion_checksums,
    copy_checksums,
    has_composite_checksum,
    header_checksums,
    object_checksums,
)
from tests.unit.backends.s3.responses import NAMESPACE, encoded, response

MD5 = "0123456789abcdef0123456789abcdef"

CRC64 = {"x_amz_checksum_crc64nvme": "rosUhgp5mIg="}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, {}),
        ({"x_amz_checksum_crc64nvme": encoded("ae8b14860a799888")}, {"crc64nvme": "ae8b14860a799888"}),
        ({"x_amz_checksum_crc32c": encoded("e3069283")}, {"crc32c": "e3069283"}),
        (
            {"x_amz_checksum_crc32": encoded("cbf43926"), "x_amz_checksum_sha256": encoded("00" * 32)},
            {"crc32": "cbf43926", "sha256": "00" * 32},
        ),
        ({"x_amz_checksum_crc32": encoded("cbf43926"), "x_amz_checksum_type": "FULL_OBJECT"}, {"crc32": "cbf43926"}),
        ({"x_amz_checksum_crc32": encoded("cbf43926"), "x_amz_checksum_type": "COMPOSITE"}, {}),
        ({"x_amz_checksum_crc32": encoded("cbf43926") + "-3"}, {}),
        ({"x_amz_checksum_crc32": "not base64!"}, {}),
        (
            {
                "etag": '"abc-2"',
                "x_amz_checksum_crc64nvme": encoded("ae8b14860a799888"),
                "x_amz_checksum_type": "FULL_OBJECT",
            },
            {"crc64nvme": "ae8b14860a799888"},
        ),
        ({"etag": '"abc-2"', "x_amz_checksum_sha256": encoded("00" * 32)}, {}),
        ({"x_amz_checksum_new": "AAAA"}, {}),
    ],
)
def test_checksums_in_headers(headers: dict[str, Any], expected: dict[str, str]) -> None:
    assert header_checksums(response(200, **headers)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("", {}),
        ("<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>", {}),  # without a checksum type
        ("<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME><ChecksumType>COMPOSITE</ChecksumType>", {}),
        (
            "<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>",
            {"crc64nvme": "ae8b14860a799888"},
        ),
        ("<ChecksumCRC64NVME>no!</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>", {}),
        ("<ChecksumCRC64NVME>{crc}-2</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>", {}),
    ],
)
def test_checksums_of_a_completed_upload(fields: str, expected: dict[str, str]) -> None:
    fields = fields.format(crc=encoded("ae8b14860a799888"))
    body = f"<CompleteMultipartUploadResult{NAMESPACE}><ETag>x</ETag>{fields}</CompleteMultipartUploadResult>"
    assert completion_checksums(response(200, body.encode())) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"etag": f'"{MD5}"'}, {"md5": MD5}),
        ({"etag": MD5}, {"md5": MD5}),
        ({"etag": f'"{MD5}"', "x_amz_server_side_encryption": "AES256"}, {"md5": MD5}),
        ({"etag": f'"{MD5}"', "x_amz_server_side_encryption": "aws:kms"}, {}),
        ({"etag": f'"{MD5}"', "x_amz_server_side_encryption_aws_kms_key_id": "arn:…"}, {}),
        ({"etag": f'"{MD5}"', "x_amz_server_side_encryption_customer_algorithm": "AES256"}, {}),
        ({"etag": f'"{MD5}"', **CRC64}, {"crc64nvme": "ae8b14860a799888"}),
        ({"etag": f'"{MD5}-1"'}, {}),
        ({"etag": f'W/"{MD5}"'}, {}),
        ({"etag": f'"{MD5.upper()}"'}, {}),
        ({"etag": '"63b-5f1"'}, {}),
        ({}, {}),
    ],
)
def test_an_etag_that_is_an_md5(headers: dict[str, str], expected: dict[str, str]) -> None:
    sent = {name: value.replace("…", "kms") for name, value in headers.items()}
    assert object_checksums(response(200, **sent)) == expected
    assert object_info("k", response(200, **sent)).checksums == expected


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"x_amz_checksum_crc32": "y/Q5Jg==-2", "x_amz_checksum_type": "COMPOSITE"}, True),
        ({"x_amz_checksum_crc32": "y/Q5Jg==", "x_amz_checksum_type": "COMPOSITE"}, True),
        ({"x_amz_checksum_sha256": "y/Q5Jg==-2", "x_amz_checksum_type": "COMPOSITE"}, True),
        ({"x_amz_checksum_sha3": "y/Q5Jg==-2", "x_amz_checksum_type": "COMPOSITE"}, False),
        ({"x_amz_checksum_crc32": "y/Q5Jg==", "x_amz_checksum_type": "FULL_OBJECT"}, False),
        ({"x_amz_checksum_crc32": "y/Q5Jg==-2"}, False),
        ({}, False),
    ],
)
def test_composite_checksums(headers: dict[str, str], answer: bool) -> None:
    assert has_composite_checksum(response(200, **headers)) is answer
    assert object_info("k", response(200, **headers)).composite is answer


@pytest.mark.parametrize(
    ("fields", "headers", "expected"),
    [
        (f"<ETag>&quot;{MD5}&quot;</ETag>", {}, {"md5": MD5}),
        (f"<ETag>&quot;{MD5}&quot;</ETag>", {"x_amz_server_side_encryption": "aws:kms"}, {}),
        ("<ETag>a</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32>", {}, {"crc32": "cbf43926"}),
        (
            "<ETag>a</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>",
            {},
            {"crc32": "cbf43926"},
        ),
        ("<ETag>a</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType>", {}, {}),
        ("<ETag>a-2</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32>", {}, {}),
    ],
)
def test_checksums_of_a_copy(fields: str, headers: dict[str, str], expected: dict[str, str]) -> None:
    body = f"<CopyObjectResult{NAMESPACE}>{fields}</CopyObjectResult>".encode()
    assert copy_checksums(response(200, body, **headers)) == expected
