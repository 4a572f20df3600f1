"""The contract for images and artifacts in a registry, against a fake that a real client accepts.

See `tests/api/test_oci.py`.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest

from sealift import OCIConfig, S3Config
from sealift.backends import open_backend
from sealift.backends.oci import OCIBackend
from sealift.errors import InvalidConfig, UnsupportedOperation
from sealift.instance import Instance
from sealift.types import Limits, ObjectInfo
from sealift.uri import parse
from tests.contract.suite import DATA, MANY, SIZE, CommitContract, Place, read
from tests.services.registry import FakeRegistry, Repository, gzipped, tar_of

# A name cannot contain these in a tar archive: they separate directories, or are the current one.
ODD_KEYS = ("a b", "a%2Fb", "ü/é", "a?b#c", "-a", "a\\b", "a+b", "~", "a:b@c", "'\"", "%", " x", "x ", "a\nb")


@asynccontextmanager
async def opened(uri: str, config: OCIConfig | None = None) -> AsyncIterator[OCIBackend]:
    async with Instance(Limits(attempts=1, memory=32 << 20), {}) as instance:
        backend = await open_backend(parse(uri), config, instance)
        assert isinstance(backend, OCIBackend)
        yield backend
        await backend.aclose()


@pytest.fixture(scope="module")
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(storage=True) as registry:
        yield registry


Store = Callable[[Repository, Mapping[str, bytes]], object]


def as_model(repository: Repository, files: Mapping[str, bytes]) -> object:
    """An artifact with a layer for each file."""
    if not files:
        return repository.put_artifact([repository.add_blob(tar_of({}), "application/vnd.cncf.model.code.v1.tar")])
    return repository.put_model(files)


def as_image(repository: Repository, files: Mapping[str, bytes]) -> object:
    """An image with a base layer, and a layer with all files."""
    base = tar_of({"etc": None, "etc/passwd": b"root", "models": None})
    return repository.put_image([base, tar_of({f"models/{key}": data for key, data in files.items()})])


def as_compressed_image(repository: Repository, files: Mapping[str, bytes]) -> object:
    base = gzipped(tar_of({"./models/": None, "./bin/sh": b"#!"}))
    layer = gzipped(tar_of({f"./models/{key}": data for key, data in files.items()}))
    return repository.put_image([base, layer], suffixes=["+gzip", "+gzip"])


class OCIContract(CommitContract):
    """A backend stays at the manifest that it first resolved; only a new backend sees later changes."""

    odd_keys = ODD_KEYS
    store: Store

    @pytest.fixture
    async def place(self, registry: FakeRegistry, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
        name = f"team/{abs(hash(request.node.nodeid)):x}"
        repository, files = registry.repository(name), dict[str, bytes]()
        self.store(repository, files)

        def put(objects: Mapping[str, bytes], checksum: str | None = None) -> object:
            files.update(objects)
            return self.store(repository, files)

        def delete(key: str) -> object:
            del files[key]
            return self.store(repository, files)

        async with opened(registry.uri(name)) as backend:
            yield Place(backend, put, delete, checksum="sha256")
        del registry.repositories[name]

    @pytest.fixture
    async def crowded(self, registry: FakeRegistry) -> AsyncIterator[Place]:
        repository = registry.repository("team/crowded")
        self.store(repository, {f"many/{number:05}": b"x" for number in range(MANY)})
        async with opened(registry.uri("team/crowded")) as backend:
            yield Place(backend, lambda objects, checksum=None: None, lambda key: None)

    async def test_an_object_that_is_gone(self, place: Place) -> None:
        place.put({"model.bin": DATA, "other": b"x"})
        obj = await place.backend.stat("model.bin")
        place.delete("model.bin")
        assert await read(place.backend, obj) == DATA

    async def test_what_a_listing_tells_is_enough_to_read(self, place: Place) -> None:
        place.put({"a/model.bin": DATA, "a/empty": b"", "a/small": b"small"})
        found = {obj.key: obj async for obj in place.backend.list("a/")}
        assert {key: obj.size for key, obj in found.items()} == {"a/model.bin": SIZE, "a/empty": 0, "a/small": 5}
        for key, obj in found.items():
            assert obj == await place.backend.stat(key)
            assert obj.modified is not None
        assert await read(place.backend, found["a/model.bin"]) == DATA
        assert await read(place.backend, found["a/small"], 1, 3) == b"mal"


class TestModelPack(OCIContract):
    """Each file is a blob."""

    store = staticmethod(as_model)

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
            with pytest.raises(UnsupportedOperation, match="oci:// can only be read"):
                await call

    async def test_another_service_s_configuration(self) -> None:
        async with Instance(Limits(), {}) as instance:
            with pytest.raises(InvalidConfig, match="S3Config is not for oci://"):
                await open_backend(parse("oci://127.0.0.1:1/m"), S3Config(), instance)


class TestImage(OCIContract):
    """Files are ranges of the blob of a layer."""

    store = staticmethod(as_image)


class TestCompressedImage(OCIContract):
    """Files are read from the stream of a decompressed layer."""

    store = staticmethod(as_compressed_image)

    async def test_stat(self, place: Place) -> None:
        place.put({"iris/model.bin": DATA})
        obj = await place.backend.stat("iris/model.bin")
        assert (obj.key, obj.size, obj.ranged) == ("iris/model.bin", SIZE, False)
