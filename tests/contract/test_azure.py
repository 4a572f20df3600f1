"""The contract for Azure, against Azurite."""

import functools
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sealift import AzureConfig
from sealift.backends import open_backend
from sealift.backends.azure import AzureBackend
from sealift.backends.azure.upload import AzureUpload
from sealift.errors import IntegrityError, ModelMissingError, ServiceError, UnsupportedOperation
from sealift.instance import Instance
from sealift.runtime import part_sizes
from sealift.types import Limits, Part, Receipt
from sealift.uri import Location
from tests.contract.conditional import ConditionalContract
from tests.contract.properties import RICH, HeadersContract
from tests.contract.resuming import ResumingContract
from tests.contract.suite import MANY, Place, keys
from tests.contract.writing import body
from tests.services.azurite import (
    OTHER_ACCOUNT,
    AzureService,
    container_client,
    delete_object,
    new_container,
    put_described,
    put_objects,
)
from tests.services.s3 import CONTROL_KEYS, ODD_KEYS, PATHLIKE_KEYS


@asynccontextmanager
async def opened(
    container: str, config: AzureConfig | None, attempts: int = 1, environ: Mapping[str, str] | None = None
) -> AsyncIterator[AzureBackend]:
    async with Instance(Limits(attempts=attempts, memory=32 << 20), environ or {}) as instance:
        backend = await open_backend(Location("azure", container), config, instance)
        assert isinstance(backend, AzureBackend)
        yield backend
        await backend.aclose()


@asynccontextmanager
async def filled(service: AzureService, container: str) -> AsyncIterator[Place]:
    def put(objects: Mapping[str, bytes], checksum: str | None = None) -> None:
        put_objects(service, container, objects)

    async with opened(container, service.config()) as backend:
        yield Place(backend, put, lambda key: delete_object(service, container, key), checksum="md5")


@functools.cache
def crowded_container(service: AzureService) -> str:
    """A read-only container with more objects than one page of a listing."""
    container = new_container(service)
    with ThreadPoolExecutor(8) as threads:
        stored = [threads.submit(put_objects, service, container, {f"many/{n:05}": b"x"}) for n in range(MANY)]
        assert [future.result() for future in stored] == [None] * MANY
    return container


class TestAzurite(ResumingContract, HeadersContract, ConditionalContract):
    kept = replace(RICH, expires=None, metadata={name: RICH.metadata[name] for name in ("owner", "two", "word")})
    odd_keys = (*ODD_KEYS, *(key for key in PATHLIKE_KEYS if not re.search(r"(^|/)\.\.?(/|$)|\\", key)))
    # The others break Azurite's listings; the service itself encodes them.
    control_keys = tuple(key for key in CONTROL_KEYS if "\x01" not in key and "\x1b" not in key)

    @pytest.fixture
    async def place(self, azurite: AzureService) -> AsyncIterator[Place]:
        async with filled(azurite, new_container(azurite)) as place:
            yield place

    @pytest.fixture
    async def crowded(self, azurite: AzureService) -> AsyncIterator[Place]:
        async with filled(azurite, crowded_container(azurite)) as place:
            yield place

    async def test_two_uploads_to_one_key_do_not_mix(self, place: Place) -> None:
        """Blocks belong to a name: the first upload to complete drops those of the other, which then fails."""
        size = self.step + 1
        uploads = [await place.backend.open_upload("k", size) for _ in range(2)]
        receipts: list[list[Receipt]] = [[], []]
        for part in part_sizes.parts(size, self.step):
            for seed, upload in enumerate(uploads):
                receipts[seed].append(await self.write(upload, part, seed))
        await uploads[1].complete(receipts[1])
        with pytest.raises(ServiceError, match="another upload to 'k' has completed") as caught:
            await uploads[0].complete(receipts[0])
        assert not caught.value.retryable
        assert await self.content(place, "k") == body(2 * self.step + 1, 1)[:size]

    async def test_two_uploads_of_the_same_bytes_end_well(self, place: Place) -> None:
        uploads = [await place.backend.open_upload("k", 2 * self.step + 1) for _ in range(2)]
        first, second = uploads
        early = [await self.write(second, part) for part in self.pieces[:2]]
        await first.complete([await self.write(first, part) for part in self.pieces])
        await second.complete([*early, await self.write(second, self.pieces[2])])
        assert await self.content(place, "k") == body(2 * self.step + 1)

    async def test_completed_again_after_a_reply_was_lost(self, place: Place) -> None:
        upload = await place.backend.open_upload("k", 2 * self.step + 1)
        assert isinstance(upload, AzureUpload)
        receipts = [await self.write(upload, part) for part in self.pieces]
        await upload.complete(receipts)
        upload._published = None  # as if the reply had been lost
        again = await upload.complete(receipts)
        assert again.version == (await place.backend.stat("k")).version
        assert await self.content(place, "k") == body(2 * self.step + 1)

    async def test_blocks_that_another_program_has_left(self, place: Place, azurite: AzureService) -> None:
        blob = container_client(azurite, place.backend.location.root).get_blob_client("k")
        blob.stage_block("short", b"left")
        upload = await place.backend.open_upload("k", 5)
        with pytest.raises(ServiceError, match="uncommitted blocks of another program prevent the upload to 'k'"):
            await upload.write_part(Part(0, 0, 5), memoryview(b"bytes"))
        blob.commit_block_list([])  # drops them, as one request of its own does with the service itself
        receipt = await upload.write_part(Part(0, 0, 5), memoryview(b"bytes"))
        await upload.complete([receipt])
        assert await self.content(place, "k") == b"bytes"

    async def test_as_many_blocks_as_there_may_be(self, place: Place) -> None:
        """The index of the last block is as long as that of the first one."""
        upload = await place.backend.open_upload("k", None)
        last = place.backend.capabilities.max_parts - 1
        ends = [Part(0, 0, 1), Part(last, 1, 1)]
        receipts = [await upload.write_part(part, memoryview(b"ab")[part.start : part.start + 1]) for part in ends]
        await upload.complete(receipts)
        assert await self.content(place, "k") == b"ab"

    @pytest.mark.parametrize("key", [".", "..", "a/../b", "a/./b", "../other/b", "a/.."])
    async def test_names_that_a_server_takes_for_paths(self, place: Place, key: str) -> None:
        with pytest.raises(UnsupportedOperation, match=r"a segment \. or \.\."):
            await place.backend.put(key, memoryview(b"x"))
        with pytest.raises(UnsupportedOperation):
            await place.backend.stat(key)

    async def test_what_is_stored_with_an_object(self, place: Place, azurite: AzureService) -> None:
        container = place.backend.location.root
        put_described(azurite, container, "k", b"bytes")
        listed = [obj async for obj in place.backend.list("")]
        obj = await place.backend.stat("k")
        await place.backend.copy(place.backend.location, obj, "copy")
        for each in (*listed, obj, await place.backend.stat("copy")):
            assert (each.content_type, each.metadata) == ("application/x-model", {"owner": "me", "two": "words here"})
            assert each.etag == each.version
            assert str(each.etag).startswith('"')
            assert each.checksums == {"md5": hashlib.md5(b"bytes").hexdigest()}

    async def test_damaged_bytes_are_refused(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        upload = await place.backend.open_upload("k", 5)
        monkeypatch.setattr("sealift.backends.azure.upload.checksums.digest", lambda *args: "0123456789abcdef")
        with pytest.raises(IntegrityError) as put:
            await place.backend.put("k", memoryview(b"bytes"))
        with pytest.raises(IntegrityError) as part:
            await upload.write_part(Part(0, 0, 5), memoryview(b"bytes"))
        assert put.value.retryable
        assert part.value.retryable
        assert await keys(place.backend, "") == set()

    async def test_directories_of_a_hierarchical_account(self, place: Place, azurite: AzureService) -> None:
        """They are reported as empty objects; here by their metadata, as the service reports them too."""
        put_objects(azurite, place.backend.location.root, {"dir": b""}, metadata={"hdi_isfolder": "true"})
        place.put({"dir/model.bin": b"x"})
        assert await keys(place.backend, "") == {"dir/model.bin"}
        with pytest.raises(ModelMissingError, match="'dir' is a directory"):
            await place.backend.stat("dir")

    async def test_between_two_containers(self, place: Place, azurite: AzureService) -> None:
        async with filled(azurite, new_container(azurite)) as other:
            other.put({"a/k": b"bytes"})
            assert other.backend.service == place.backend.service
            stored = await place.backend.copy(other.backend.location, await other.backend.stat("a/k"), "copy")
            assert stored == replace(stored, size=5, version=(await place.backend.stat("copy")).version)
        assert await self.content(place, "copy") == b"bytes"

    async def test_who_signs_in_differently_is_another_service(self, azurite: AzureService) -> None:
        container = new_container(azurite)
        configs = (azurite.config(), azurite.config(OTHER_ACCOUNT), azurite.config(anonymous=True))
        services = set()
        for config in configs:
            async with opened(container, config) as backend:
                services.add(backend.service)
        assert len(services) == 3
