"""The contract for Azure file shares, against a fake that a real client accepts (`tests/api/test_azure_files.py`)."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest

from sealift import AzureConfig
from sealift.backends import open_backend
from sealift.backends.azure.share_backend import FileShareBackend
from sealift.errors import InvalidConfig, UnsupportedOperation
from sealift.instance import Instance
from sealift.types import Limits, ObjectInfo
from sealift.uri import parse
from tests.contract.suite import DATA, MANY, Place, ReadingContract, keys
from tests.services.file_share import FakeFileShares

# The service has no names with " \ : | < > * ? or control characters.
ODD_KEYS = ("a b", "a%2Fb", "ü/é", "a#c", "-a", "a+b", "~", "a@c", "'", "%", " x", "a&b;c=d", "x.")


@asynccontextmanager
async def opened(uri: str, config: AzureConfig) -> AsyncIterator[FileShareBackend]:
    async with Instance(Limits(attempts=1, memory=32 << 20), {}) as instance:
        backend = await open_backend(parse(uri), config, instance)
        assert isinstance(backend, FileShareBackend)
        yield backend
        await backend.aclose()


@pytest.fixture(scope="module")
def service() -> Iterator[FakeFileShares]:
    with FakeFileShares() as service:
        service.put("crowded", {f"many/{number:05}": b"x" for number in range(MANY)})
        yield service


class TestAzureFiles(ReadingContract):
    odd_keys = ODD_KEYS

    @pytest.fixture
    async def place(self, service: FakeFileShares) -> AsyncIterator[Place]:
        service.shares.pop("box", None)
        service.put("box", {})

        def put(objects: Mapping[str, bytes], checksum: str | None = None) -> None:
            service.put("box", objects)

        async with opened(service.uri("box"), service.config()) as backend:
            yield Place(backend, put, service.shares["box"].files.pop, checksum="md5")

    @pytest.fixture
    async def crowded(self, service: FakeFileShares) -> AsyncIterator[Place]:
        async with opened(service.uri("crowded"), service.config()) as backend:
            yield Place(backend, lambda objects, checksum=None: None, lambda key: None)

    async def test_listing_by_a_string(self, place: Place) -> None:
        # Unlike in a bucket, a name cannot be a file and a directory.
        stored = {"foo-2/a", "foo/a", "foo/b/c", "foo/b/d/e", "fo", "bar.bin", "bar/foo/a"}
        place.put(dict.fromkeys(stored, b"x"))
        for prefix in ("", "f", "foo", "foo/", "foo/b", "foo/b/", "foo/b/d/e", "foo-", "bar", "bar/f", "BAR", "FOO/"):
            expected = {key for key in stored if key.startswith(prefix)}
            assert await keys(place.backend, prefix) == expected, prefix

    async def test_empty_directories(self, place: Place, service: FakeFileShares) -> None:
        place.put({"a/file": b"x"})
        service.shares["box"].directories |= {"a/empty", "other"}
        assert await keys(place.backend, "a/") == {"a/file", "a/empty/"}
        assert await keys(place.backend, "other/") == {"other/"}

    async def test_it_can_only_be_read(self, place: Place) -> None:
        place.put({"model.bin": DATA})
        backend = place.backend
        assert not backend.capabilities.writable
        for call in (
            backend.put("m", memoryview(b"x")),
            backend.open_upload("m", 1),
            backend.copy(backend.location, ObjectInfo("m", 1), "n"),
            backend.delete("m"),
            backend.delete_many(["m"], ""),
        ):
            with pytest.raises(UnsupportedOperation, match="Azure file shares can only be read"):
                await call

    async def test_what_it_does_not_have(self, service: FakeFileShares) -> None:
        location = parse(service.uri("box/model.bin"))
        async with Instance(Limits(), {}) as instance:
            with pytest.raises(UnsupportedOperation, match="not supported for Azure file shares"):
                await open_backend(location, service.config(), instance, "2024-01-01T00:00:00Z")
            with pytest.raises(InvalidConfig, match="have no customer-provided keys"):
                await open_backend(location, AzureConfig(customer_key=bytes(32)), instance)
