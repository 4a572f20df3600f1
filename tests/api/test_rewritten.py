"""Header changes by a proxy or CDN do not invalidate a request's signature."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sealift import AsyncStorage, Limits, S3Config
from sealift.types import MiB
from tests.api.rewriter import Header, rewriting
from tests.api.servers import pattern
from tests.services.s3 import MakeBucket, S3Service

pytestmark = pytest.mark.anyio

ADDED = [
    ("Via", "1.1 proxy"), ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"), ("Accept", "*/*"),
    ("X-Amzn-Trace-Id", "Root=1-2"), ("User-Agent", "a CDN"), ("Cache-Control", "max-age=0"), ("Pragma", "no-cache"),
    ("Forwarded", "for=192.0.2.1"), ("CDN-Loop", "proxy"),
]  # fmt: skip
# Headers of the signature itself, and those that S3 requires to be signed.
KEPT = ("host", "authorization", "content-md5", "content-type", "content-length", "x-amz-")


def google(headers: list[Header]) -> list[Header]:
    """Google's front end adds itself to Accept-Encoding, even if the request has none."""
    encodings = [value for name, value in headers if name.lower() == "accept-encoding"]
    others = [(name, value) for name, value in headers if name.lower() != "accept-encoding"]
    return [*others, ("Accept-Encoding", ", ".join([*encodings, "gzip(gfe)"]))]


def balancer(headers: list[Header]) -> list[Header]:
    """A load balancer adds headers, drops User-Agent, and changes the case of header names."""
    return [(name.title(), value) for name, value in headers if name.lower() != "user-agent"] + ADDED


def every(headers: list[Header]) -> list[Header]:
    """Keep only the headers that a signature must cover, and Range, which the reply depends on."""
    return [(name, value) for name, value in headers if name.lower().startswith((*KEPT, "range"))]


@pytest.mark.parametrize("rewrite", [google, balancer, every], ids=lambda rewrite: rewrite.__name__)
async def test_every_verb_through_a_proxy_that_rewrites(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path, rewrite: Callable[[list[Header]], list[Header]]
) -> None:
    bucket, data = make_bucket(seaweedfs), pattern(11 * MiB)
    (tmp_path / "large").write_bytes(data)
    (tmp_path / "small").write_bytes(b"small")
    with rewriting(seaweedfs.endpoint, rewrite) as url:
        config = S3Config(seaweedfs.access_key, seaweedfs.secret_key, endpoint_url=url)
        async with AsyncStorage(Limits(part_size=5 * MiB)) as storage:
            await storage.upload(tmp_path / "large", f"s3://{bucket}/large", config=config)
            await storage.upload(tmp_path / "small", f"s3://{bucket}/small", config=config)
            assert sorted(await storage.list_objects(f"s3://{bucket}/", config=config)) == ["large", "small"]
            there = Path(await storage.download(f"s3://{bucket}/large", tmp_path / "there", config=config))
            assert there.read_bytes() == data
            assert await storage.read(f"s3://{bucket}/large", 3, 4, config=config) == data[3:7]
            assert (
                b"".join([chunk async for chunk in storage.stream(f"s3://{bucket}/small", config=config)]) == b"small"
            )
            assert await storage.copy_object(
                f"s3://{bucket}/small", f"s3://{bucket}/copy", config=config, dest_config=config
            )
            await storage.delete(f"s3://{bucket}/", config=config, recursive=True)
            assert await storage.list_objects(f"s3://{bucket}/", config=config) == []
