"""The contract for Google Cloud Storage, against fake-gcs-server."""

import base64
import functools
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from sealift import GCSConfig
from sealift.backends import open_backend
from sealift.backends.gcs import GCSBackend
from sealift.backends.gcs.bucket import Bucket, Query
from sealift.backends.gcs.upload import stored_object
from sealift.errors import IntegrityError, InvalidConfig, ModelMissingError, TransportError, UnsupportedOperation
from sealift.instance import Instance
from sealift.integrity import checksums as checksum
from sealift.types import Limits, Part, Receipt
from sealift.uri import Location
from sealift.wire import Response
from tests.contract.conditional import ConditionalContract
from tests.contract.properties import RICH, HeadersContract
from tests.contract.resuming import ResumingContract
from tests.contract.suite import DATA, MANY, SIZE, Place, keys
from tests.services.gcs import GCSService, client, delete_object, get_object, get_objects, new_bucket, put_objects
from tests.services.s3 import CONTROL_KEYS, ODD_KEYS, PATHLIKE_KEYS


@asynccontextmanager
async def opened(
    bucket: str, environ: Mapping[str, str], config: GCSConfig | None = None, attempts: int = 1
) -> AsyncIterator[GCSBackend]:
    async with Instance(Limits(attempts=attempts, memory=32 << 20), environ) as instance:
        backend = await open_backend(Location("gs", bucket), config, instance)
        assert isinstance(backend, GCSBackend)
        yield backend
        await backend.aclose()


@asynccontextmanager
async def filled(service: GCSService, bucket: str) -> AsyncIterator[Place]:
    def put(objects: Mapping[str, bytes], checksum: str | None = None) -> object:
        return put_objects(service, bucket, objects)

    def delete(key: str) -> object:
        return delete_object(service, bucket, key)

    async with opened(bucket, service.environ) as backend:
        yield Place(backend, put, delete, checksum="crc32c")


@functools.cache
def crowded_bucket(service: GCSService) -> str:
    """A read-only bucket with more objects than one page of a listing."""
    bucket = new_bucket(service, "crowded")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: put_objects(service, bucket, {f"many/{number:05}": b"x"}), range(MANY)))
    return bucket


class TestFakeGCS(ResumingContract, HeadersContract, ConditionalContract):
    kept = replace(RICH, expires=None, tags={})
    ignored = frozenset({"upload", "copy"})
    odd_keys = (*ODD_KEYS, *PATHLIKE_KEYS)
    control_keys = CONTROL_KEYS

    @pytest.fixture
    async def place(self, gcs: GCSService, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
        async with filled(gcs, new_bucket(gcs, request.node.name)) as place:
            yield place

    @pytest.fixture
    async def crowded(self, gcs: GCSService) -> AsyncIterator[Place]:
        async with filled(gcs, crowded_bucket(gcs)) as place:
            yield place

    async def test_checksums(self, place: Place) -> None:
        """The service provides two checksums, also in listings."""
        place.put({"model.bin": DATA})
        told = {algorithm: checksum.digest(algorithm, DATA) for algorithm in ("crc32c", "md5")}
        assert place.backend.capabilities.checksums == ("crc32c", "md5")
        obj = await place.backend.stat("model.bin")
        assert obj.checksums == told
        assert [obj.checksums async for obj in place.backend.list("")] == [told]
        assert (await place.backend.read_range(obj, 0, memoryview(bytearray(SIZE)))).checksums == told

    async def test_deletion_of_one_version(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """This server ignores the condition, so the request is inspected."""
        place.put({"k": DATA})
        obj = await place.backend.stat("k")
        sent: list[tuple[str, object]] = []
        send = Bucket.send

        async def record(self: Bucket, method: str, path: str, query: Query | None = None) -> Response:
            sent.append((method, query))
            return await send(self, method, path, query)

        monkeypatch.setattr(Bucket, "send", record)
        await place.backend.delete("k", version=obj.version)
        assert sent == [("DELETE", {"ifGenerationMatch": obj.version})]

    async def test_an_upload_replaces_only_when_it_is_complete(self, place: Place) -> None:
        """A composed object keeps the generation that it replaces on this server; at Google it gets a new one."""
        place.put({"k": DATA})
        upload = await place.backend.open_upload("k", 5)
        assert await self.content(place, "k") == DATA
        receipt = await upload.write_part(Part(0, 0, 5), memoryview(b"fresh"))
        assert await self.content(place, "k") == DATA
        await upload.complete([receipt])
        assert await self.content(place, "k") == b"fresh"


@pytest.mark.anyio
class TestGCS:
    @pytest.fixture
    def bucket(self, gcs: GCSService, request: pytest.FixtureRequest) -> str:
        bucket = new_bucket(gcs, request.node.name)
        put_objects(gcs, bucket, {"model.bin": b"0123456789"})
        return bucket

    async def test_a_missing_bucket(self, gcs: GCSService) -> None:
        async with opened("no-such-bucket", gcs.environ) as backend:
            with pytest.raises(ModelMissingError, match="there is no bucket 'no-such-bucket'"):
                await keys(backend, "")
            with pytest.raises(ModelMissingError):
                await backend.stat("model.bin")
            with pytest.raises(ModelMissingError, match="there is no bucket"):
                await backend.put("model.bin", memoryview(b"x"))
            upload = await backend.open_upload("model.bin", 1)
            with pytest.raises(ModelMissingError, match="there is no bucket"):
                await upload.write_part(Part(0, 0, 1), memoryview(b"x"))
            await upload.abort()

    async def test_a_copy_to_a_missing_bucket(self, gcs: GCSService, bucket: str) -> None:
        async with opened(bucket, gcs.environ) as source, opened("no-such-bucket", gcs.environ) as backend:
            obj = await source.stat("model.bin")
            assert backend.service == source.service
            with pytest.raises(ModelMissingError, match="there is no bucket 'no-such-bucket'"):
                await backend.copy(source.location, obj, "model.bin")

    def test_compared_is_what_the_service_tells_again(self) -> None:
        crc = checksum.digest("crc32c", b"0123456789")
        resource = {"name": "k", "size": "10", "generation": "1", "md5Hash": "eB5eJF1ptWaXm4bijSPyxw=="}
        told = {"crc32c": base64.b64encode(bytes.fromhex(crc)).decode()}
        assert stored_object(resource, "k", 10, crc).checksums == {}
        assert stored_object(resource | told, "k", 10, crc).checksums == {"crc32c": crc}
        assert stored_object(resource | told, "k", 10, None).checksums == {}
        for size, other in ((10, "00000000"), (9, crc)):
            with pytest.raises(IntegrityError, match="has stored different bytes for 'k'"):
                stored_object(resource | told, "k", size, other)

    async def test_a_copy_from_another_bucket(self, gcs: GCSService, bucket: str) -> None:
        other = new_bucket(gcs)
        async with opened(bucket, gcs.environ) as source, opened(other, gcs.environ) as backend:
            stored = await backend.copy(source.location, await source.stat("model.bin"), "copy.bin")
            assert stored.checksums == {"crc32c": checksum.digest("crc32c", b"0123456789")}
        assert get_objects(gcs, other) == {"copy.bin": b"0123456789"}

    async def test_an_endpoint_that_nobody_listens_at(self) -> None:
        nobody = GCSConfig(anonymous=True, endpoint_url="http://127.0.0.1:1")
        async with opened("bucket", {}, nobody) as backend:
            with pytest.raises(TransportError, match=r"127\.0\.0\.1:1"):
                await backend.stat("model.bin")

    @pytest.mark.parametrize("scheme", ["", "http://"])
    async def test_the_emulator_of_the_environment(self, gcs: GCSService, bucket: str, scheme: str) -> None:
        environ = {"STORAGE_EMULATOR_HOST": scheme + gcs.endpoint.removeprefix("http://")}
        for config in (None, GCSConfig(), GCSConfig(project_id="project"), GCSConfig(anonymous=True)):
            async with opened(bucket, environ, config) as backend:
                assert await keys(backend, "") == {"model.bin"}

    async def test_an_endpoint_of_the_configuration(self, gcs: GCSService, bucket: str) -> None:
        config = GCSConfig(anonymous=True, endpoint_url=gcs.endpoint)
        async with opened(bucket, {"STORAGE_EMULATOR_HOST": "127.0.0.1:1"}, config) as backend:
            assert await keys(backend, "") == {"model.bin"}

    async def test_a_token_never_travels_unencrypted(self) -> None:
        with pytest.raises(InvalidConfig, match=r"unencrypted to storage\.internal:80"):
            async with opened("bucket", {}, GCSConfig(endpoint_url="http://storage.internal")):
                pass

    async def test_metadata(self, gcs: GCSService, bucket: str) -> None:
        blob = client(gcs).bucket(bucket).blob("with")
        blob.metadata = {"owner": "me"}
        blob.upload_from_string(b"x", "application/x-model")
        async with opened(bucket, gcs.environ) as backend:
            obj = await backend.stat("with")
        assert (obj.content_type, obj.metadata) == ("application/x-model", {"owner": "me"})
        assert obj.version == str(blob.generation)
        assert obj.modified == blob.time_created
        assert obj.etag is not None
        assert obj.etag.strip('"') == blob.etag

    async def test_keys_that_no_object_has(self, gcs: GCSService, bucket: str) -> None:
        async with opened(bucket, gcs.environ) as backend:
            with pytest.raises(ModelMissingError):
                await backend.stat("")
            for name in ("put", "open_upload"):
                with pytest.raises(UnsupportedOperation, match="not UTF-8"):
                    await getattr(backend, name)("a\udcff", memoryview(b"x"))
        assert get_objects(gcs, bucket) == {"model.bin": b"0123456789"}

    @pytest.mark.parametrize("count", [1, 2, 32, 33, 1025])
    async def test_any_number_of_parts(self, gcs: GCSService, bucket: str, count: int) -> None:
        """More than 32 parts are composed in levels, and no intermediate object remains."""
        async with opened(bucket, gcs.environ) as backend:
            upload = await backend.open_upload("whole", None)
            receipts: dict[int, Receipt] = {}

            async def write(numbers: range) -> None:
                for index in numbers:
                    part = Part(index, index * 7, 7)
                    receipts[index] = await upload.write_part(part, memoryview(b"%07d" % index))

            async with anyio.create_task_group() as group:
                for first in range(8):
                    group.start_soon(write, range(first, count, 8))
            stored = await upload.complete([receipts[index] for index in range(count)])
            whole = b"".join(b"%07d" % index for index in range(count))
            assert stored.checksums == {"crc32c": checksum.digest("crc32c", whole)}
            assert (await backend.stat("whole")).version == stored.version
        assert get_object(gcs, bucket, "whole") == whole
        assert sorted(blob.name for blob in client(gcs).list_blobs(bucket)) == ["model.bin", "whole"]

    async def test_parts_are_seen_where_they_are_asked_for(self, gcs: GCSService, bucket: str) -> None:
        async with opened(bucket, gcs.environ) as backend:
            upload = await backend.open_upload("whole", 1)
            await upload.write_part(Part(0, 0, 1), memoryview(b"x"))
            left = await keys(backend, ".sealift/parts/")
            assert len(left) == 1
            assert await keys(backend, ".sealift") == set()
            assert await keys(backend, "") == {"model.bin"}
            await backend.delete_many(sorted(left), ".sealift/parts/")
            await upload.abort()
            assert await keys(backend, ".sealift/parts/") == set()
