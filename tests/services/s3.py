"""S3 services for tests, and access to their objects with plain botocore, not with the code under test."""

import functools
import itertools
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config
from botocore.handlers import add_expect_header
from botocore.session import Session


@dataclass(frozen=True, slots=True)
class Keys:
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class S3Service:
    """An S3 endpoint with path-style addressing, and its identities.

    Attributes:
        access_key: With `secret_key`, an identity with all permissions.
        read_only: May read and list every bucket.
        one_bucket: May read, write and list the bucket `ONE_BUCKET`, and nothing else.
        public_bucket: May be read and listed without a signature.
        directory: The directory that contains the buckets as folders, if they are folders.
    """

    name: str
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    read_only: Keys | None = None
    one_bucket: Keys | None = None
    public_bucket: str | None = None
    directory: Path | None = None

    @property
    def keys(self) -> Keys:
        return Keys(self.access_key, self.secret_key)


MakeBucket = Callable[[S3Service], str]

ONE_BUCKET = "only-this"
PUBLIC_BUCKET = "public"

# Keys that need care in a URL, a signature or a file name, and that all three services keep unchanged.
ODD_KEYS = (
    "with space", " leading", "trailing ", "a+b", "a%b", "a%20b", "a%2Fb", "a?x=1&y", "a#frag", "a&b=c;d", "quote\"'",
    "star*", "a:b|c<d>", "~tilde", "$dollar@,", ".hidden", "ünï/コ.bin", "emoji\N{GRINNING FACE}",
    "composed/\u00e9", "decomposed/e\u0301", "deep/" * 40 + "key",
)  # fmt: skip
# Keys that only moto keeps unchanged; the modules of the others describe what they do.
PATHLIKE_KEYS = ("a//b", "/leading", "//twice", "double//end", "a/./b", "a/../b", "../up", "..", "x/..", "back\\slash")
# Keys with characters that XML cannot represent, or that its parsers change.
CONTROL_KEYS = ("control/\x01", "return/a\rb", "line/a\nb", "tab/a\tb", "escape/\x1b[0m", "delete/\x7f")


@functools.cache
def client(service: S3Service, keys: Keys | None = None, *, anonymous: bool = False) -> Any:
    """A botocore client without retries and proxies, which sends no checksum unless requested."""
    chosen = keys or service.keys
    made = Session().create_client(
        "s3",
        region_name=service.region,
        endpoint_url=service.endpoint,
        aws_access_key_id=chosen.access_key,
        aws_secret_access_key=chosen.secret_key,
        config=Config(
            signature_version=UNSIGNED if anonymous else "s3v4",
            s3={"addressing_style": "path"},
            proxies={},
            retries={"mode": "standard", "total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    # Version 1.43.46 and older ones wait for a 100 before they send an empty body, which SeaweedFS does not send.
    made.meta.events.unregister("before-call.s3", add_expect_header)
    return made


def new_bucket(service: S3Service, label: str = "") -> str:
    """A new empty bucket; its name contains ``label`` as far as bucket names allow."""
    stem = re.sub(r"[^a-z0-9]+", "-", label.lower())[:40].strip("-") or "bucket"
    name = f"{stem}-{uuid.uuid4().hex[:12]}"
    client(service).create_bucket(Bucket=name)
    return name


def put_objects(
    service: S3Service,
    bucket: str,
    objects: Mapping[str, bytes],
    *,
    part_size: int | None = None,
    checksum: str | None = None,
) -> dict[str, str]:
    """Store objects; returns their quoted ETags.

    Args:
        part_size: Bytes per part of a multipart upload; None: store each object in one request.
        checksum: The algorithm of the checksum to send: CRC32, CRC32C, CRC64NVME, SHA1, SHA256; None for none.
    """
    extra = {"ChecksumAlgorithm": checksum} if checksum else {}
    etags: dict[str, str] = {}
    for key, data in objects.items():
        if part_size is None:
            reply = client(service).put_object(Bucket=bucket, Key=key, Body=data, **extra)
        else:
            reply = _put_multipart(client(service), bucket, key, data, part_size, extra)
        etags[key] = reply["ETag"]
    return etags


def _put_multipart(s3: Any, bucket: str, key: str, data: bytes, part_size: int, extra: dict[str, str]) -> Any:
    target = {"Bucket": bucket, "Key": key}
    upload = s3.create_multipart_upload(**target, **extra)["UploadId"]
    parts: list[dict[str, Any]] = []
    for number, start in zip(itertools.count(1), range(0, max(len(data), 1), part_size), strict=False):
        body = data[start : start + part_size]
        reply = s3.upload_part(**target, UploadId=upload, PartNumber=number, Body=body, **extra)
        sums = {name: value for name, value in reply.items() if re.fullmatch(r"Checksum(CRC|SHA).*", name)}
        parts.append({"PartNumber": number, "ETag": reply["ETag"], **sums})
    return s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})


def get_object(service: S3Service, bucket: str, key: str) -> bytes:
    """The bytes of an object."""
    body: bytes = client(service).get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def get_objects(service: S3Service, bucket: str) -> dict[str, bytes]:
    """All objects in a bucket: key → bytes."""
    pages = client(service).get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key: get_object(service, bucket, key) for key in keys}


def unfinished_uploads(service: S3Service, bucket: str) -> list[str]:
    """The keys of multipart uploads that were neither completed nor aborted."""
    return [upload["Key"] for upload in client(service).list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def stored_checksums(service: S3Service, bucket: str, key: str) -> dict[str, str]:
    """The checksums that the service returns for an object: algorithm → Base64; also "type", if returned."""
    reply = client(service).head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    headers: dict[str, str] = reply["ResponseMetadata"]["HTTPHeaders"]
    start = "x-amz-checksum-"
    return {name.removeprefix(start): value for name, value in headers.items() if name.startswith(start)}
