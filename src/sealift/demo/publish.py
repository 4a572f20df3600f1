"""Puts files into a new bucket. sealift cannot write to S3 yet: this is plain aiobotocore."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from ..config import S3Config

__all__ = ["publish"]

_PART = 16 << 20
# With a checksum of the whole object there, a download can be checked from end to end.
_CHECKSUM = "CRC64NVME"


async def publish(files: Mapping[str, Path], bucket: str, config: S3Config) -> None:
    """Make the bucket and put every file there, under its key; one part at a time."""
    session = AioSession()
    async with session.create_client(
        "s3",
        endpoint_url=config.endpoint_url,
        region_name=config.region,
        aws_access_key_id=config.access_key_id,
        aws_secret_access_key=config.secret_access_key,
        config=AioConfig(s3={"addressing_style": "path"}),
    ) as client:
        await client.create_bucket(Bucket=bucket)
        for key, path in files.items():
            await _put(client, path, {"Bucket": bucket, "Key": key})


async def _put(client: Any, path: Path, target: dict[str, str]) -> None:
    with path.open("rb") as file:
        part = await asyncio.to_thread(file.read, _PART)
        if len(part) < _PART:
            await client.put_object(**target, Body=part, ChecksumAlgorithm=_CHECKSUM)
            return
        begun = await client.create_multipart_upload(**target, ChecksumAlgorithm=_CHECKSUM, ChecksumType="FULL_OBJECT")
        upload = {**target, "UploadId": begun["UploadId"]}
        parts: list[dict[str, Any]] = []
        while part:
            number = len(parts) + 1
            reply = await client.upload_part(**upload, PartNumber=number, Body=part, ChecksumAlgorithm=_CHECKSUM)
            parts.append({"PartNumber": number, "ETag": reply["ETag"]})
            part = await asyncio.to_thread(file.read, _PART)
        await client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT")
