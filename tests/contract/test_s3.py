"""The contract for S3, against SeaweedFS, and against moto for keys that are not paths."""

import functools
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sealift import S3Config
from sealift.backends import open_backend
from sealift.backends.s3 import S3Backend
from sealift.errors import AccessDenied, ModelMissingError, TransportError
from sealift.instance import Instance
from sealift.types import Limits, MiB
from sealift.uri import Location
from tests.contract.conditional import ConditionalContract
from tests.contract.properties import RICH, HeadersContract
from tests.contract.resuming import ResumingContract
from tests.contract.suite import MANY, Place, keys, read
from tests.services.s3 import (
    CONTROL_KEYS,
    ODD_KEYS,
    ONE_BUCKET,
    PATHLIKE_KEYS,
    MakeBucket,
    S3Service,
    client,
    new_bucket,
    put_objects,
)

# No file of this machine may provide credentials.
ENVIRON = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}


def config(service: S3Service) -> S3Config:
    return S3Config(service.access_key, service.secret_key, endpoint_url=service.endpoint)


@asynccontextmanager
async def opened(bucket: str, config: S3Config, attempts: int = 1) -> AsyncIterator[S3Backend]:
    async with Instance(Limits(attempts=attempts, memory=32 << 20), ENVIRON) as instance:
        backend = await open_backend(Location("s3", bucket), config, instance)
        assert isinstance(backend, S3Backend)
        yield backend
        await backend.aclose()


@asynccontextmanager
async def filled(service: S3Service, bucket: str) -> AsyncIterator[Place]:
    def put(objects: Mapping[str, bytes], checksum: str | None = None) -> object:
        return put_objects(service, bucket, objects, checksum=checksum and checksum.upper())

    def delete(key: str) -> object:
        return client(service).delete_object(Bucket=bucket, Key=key)

    async with opened(bucket, config(service)) as backend:
        yield Place(backend, put, delete, checksum="crc64nvme")


@functools.cache
def crowded_bucket(service: S3Service) -> str:
    """A read-only bucket with more objects than one page of a listing."""
    bucket = new_bucket(service, "crowded")
    with ThreadPoolExecutor(8) as threads:
        stored = [threads.submit(put_objects, service, bucket, {f"many/{number:05}": b"x"}) for number in range(MANY)]
        assert all(future.result() for future in stored)
    return bucket


class S3Contract(ResumingContract, HeadersContract, ConditionalContract):
    kept = RICH

    @pytest.fixture
    async def place(self, service: S3Service, make_bucket: MakeBucket) -> AsyncIterator[Place]:
        async with filled(service, make_bucket(service)) as place:
            yield place

    @pytest.fixture
    async def crowded(self, service: S3Service) -> AsyncIterator[Place]:
        async with filled(service, crowded_bucket(service)) as place:
            yield place


class TestSeaweedFS(S3Contract):
    odd_keys = ODD_KEYS
    control_keys = CONTROL_KEYS
    step = 5 * MiB

    @pytest.fixture
    def service(self, seaweedfs: S3Service) -> S3Service:
        return seaweedfs


class TestMoto(S3Contract):
    ignored = frozenset({"copy"})
    odd_keys = (*ODD_KEYS, *PATHLIKE_KEYS)
    control_keys = tuple(key for key in CONTROL_KEYS if "\n" not in key)

    @pytest.fixture
    def service(self, moto: S3Service) -> S3Service:
        return moto

    async def test_a_copy_is_pinned_to_the_version(self, place: Place) -> None:
        """Moto ignores the condition (see `test_s3_copy`), but it cannot copy a missing object either."""
        place.put({"model.bin": b"x"})
        obj = await place.backend.stat("model.bin")
        place.delete("model.bin")
        with pytest.raises(ModelMissingError):
            await place.backend.copy(place.backend.location, obj, "copy.bin")


@pytest.mark.anyio
class TestS3:
    @pytest.fixture
    def bucket(self, seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
        bucket = make_bucket(seaweedfs)
        put_objects(seaweedfs, bucket, {"model.bin": b"0123456789"})
        return bucket

    async def test_a_missing_bucket(self, seaweedfs: S3Service) -> None:
        async with opened("no-such-bucket", config(seaweedfs)) as backend:
            with pytest.raises(ModelMissingError, match="there is no bucket"):
                await keys(backend, "")
            with pytest.raises(ModelMissingError):
                await backend.stat("model.bin")

    async def test_a_wrong_secret(self, seaweedfs: S3Service, bucket: str) -> None:
        wrong = replace(config(seaweedfs), secret_access_key="not-the-secret")
        async with opened(bucket, wrong) as backend:
            with pytest.raises(AccessDenied, match="the secret access key does not belong") as caught:
                await keys(backend, "")
            assert "not-the-secret" not in str(caught.value)
            with pytest.raises(AccessDenied):
                await backend.stat("model.bin")

    async def test_a_missing_permission(self, seaweedfs: S3Service, bucket: str) -> None:
        restricted = seaweedfs.one_bucket
        assert restricted is not None
        keyed = S3Config(restricted.access_key, restricted.secret_key, endpoint_url=seaweedfs.endpoint)
        async with opened(bucket, keyed) as backend:
            with pytest.raises(AccessDenied, match="no permission for the bucket"):
                await keys(backend, "")
            with pytest.raises(AccessDenied, match="no permission for the object"):
                await backend.stat("model.bin")
        async with opened(ONE_BUCKET, keyed) as backend:
            assert await keys(backend, "no-such-prefix/") == set()

    async def test_a_public_bucket_without_credentials(self, seaweedfs: S3Service, bucket: str) -> None:
        public = seaweedfs.public_bucket
        assert public is not None
        put_objects(seaweedfs, public, {"contract/model.bin": b"public"})
        anonymous = S3Config(anonymous=True, endpoint_url=seaweedfs.endpoint)
        async with opened(public, anonymous) as backend:
            assert await keys(backend, "contract/") == {"contract/model.bin"}
            assert await read(backend, await backend.stat("contract/model.bin")) == b"public"
        async with opened(bucket, anonymous) as backend:
            with pytest.raises(AccessDenied):
                await backend.stat("model.bin")

    async def test_an_endpoint_that_nobody_listens_at(self) -> None:
        nobody = S3Config("AKIA", "secret", endpoint_url="http://127.0.0.1:1")
        async with opened("bucket", nobody) as backend:
            with pytest.raises(TransportError, match=r"127\.0\.0\.1:1"):
                await backend.stat("model.bin")

    @pytest.mark.parametrize("checksum", ["CRC64NVME", "CRC32", "SHA256"])
    async def test_checksums_of_an_object_in_parts(
        self, seaweedfs: S3Service, make_bucket: MakeBucket, checksum: str
    ) -> None:
        bucket = make_bucket(seaweedfs)
        put_objects(seaweedfs, bucket, {"k": bytes(6 << 20)}, part_size=5 << 20, checksum=checksum)
        async with opened(bucket, config(seaweedfs)) as backend:
            obj = await backend.stat("k")
        # Only that of the whole object can be compared: SeaweedFS stores the others as composites.
        assert set(obj.checksums) == ({"crc64nvme"} if checksum == "CRC64NVME" else set())

    async def test_metadata(self, seaweedfs: S3Service, bucket: str) -> None:
        client(seaweedfs).put_object(
            Bucket=bucket, Key="with", Body=b"x", ContentType="application/x-model", Metadata={"owner": "me"}
        )
        async with opened(bucket, config(seaweedfs)) as backend:
            obj = await backend.stat("with")
        assert (obj.content_type, obj.metadata) == ("application/x-model", {"owner": "me"})
        assert obj.etag == obj.version == '"9dd4e461268c8034f5c8564e155c67a6"'
