"""The contract for ModelScope, against a fake that the real client accepts (`tests/api/test_modelscope.py`)."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest

from sealift import ModelScopeConfig
from sealift.backends import open_backend
from sealift.backends.modelscope import ModelScopeBackend
from sealift.errors import AccessDenied, ModelMissingError, ObjectChanged, ServiceError, UnsupportedOperation
from sealift.instance import Instance
from sealift.types import Limits
from sealift.uri import parse
from tests.contract.suite import DATA, MANY, OTHER, SIZE, Place, TreeContract, keys, read, stream
from tests.services.modelscope import TOKEN, FakeModelScope, running
from tests.services.s3 import ODD_KEYS


@asynccontextmanager
async def opened(
    uri: str, config: ModelScopeConfig | None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[ModelScopeBackend]:
    async with Instance(Limits(attempts=1, patience=1, memory=32 << 20), environ or {}) as instance:
        backend = await open_backend(parse(uri), config, instance)
        assert isinstance(backend, ModelScopeBackend)
        yield backend
        await backend.aclose()


@pytest.fixture(scope="module")
def running_hub() -> Iterator[FakeModelScope]:
    with running() as hub:
        yield hub


@pytest.fixture
def hub(running_hub: FakeModelScope) -> FakeModelScope:
    running_hub.repos.clear()
    running_hub.asked.clear()
    running_hub.corrupt = False
    return running_hub


class TestModelScope(TreeContract):
    odd_keys = (*ODD_KEYS, *(f"{key}.bin" for key in ODD_KEYS[::4]))

    @pytest.fixture
    async def place(self, hub: FakeModelScope) -> AsyncIterator[Place]:
        repo = hub.repo("owner/name")

        def put(objects: Mapping[str, bytes], checksum: str | None = None) -> None:
            repo.put(objects)

        async with opened("modelscope://owner/name", hub.config) as backend:
            yield Place(backend, put, repo.delete, checksum="sha256")

    @pytest.fixture
    async def crowded(self, hub: FakeModelScope) -> AsyncIterator[Place]:
        repo = hub.repo("owner/crowded", {f"many/{number:05}": b"x" for number in range(MANY)})
        async with opened("modelscope://owner/crowded", hub.config) as backend:
            yield Place(backend, lambda objects, checksum=None: repo.put(objects), repo.delete)

    async def test_what_a_listing_tells_is_enough_to_read(self, place: Place) -> None:
        place.put({"a/model.bin": DATA, "a/empty": b"", "a/small": b"small"})
        found = {obj.key: obj async for obj in place.backend.list("a/")}
        assert {key: obj.size for key, obj in found.items()} == {"a/model.bin": SIZE, "a/empty": 0, "a/small": 5}
        for key, obj in found.items():
            assert obj == await place.backend.stat(key)
        assert await read(place.backend, found["a/model.bin"]) == DATA
        assert await read(place.backend, found["a/small"], 1, 3) == b"mal"
        place.put({"a/model.bin": OTHER, "a/small": b"other"})
        # The URL of the file stays that of the content that was listed.
        assert await read(place.backend, found["a/model.bin"]) == DATA
        with pytest.raises(ObjectChanged):
            await read(place.backend, found["a/small"])


@pytest.mark.anyio
class TestRepository:
    async def test_revisions(self, hub: FakeModelScope) -> None:
        repo = hub.repo("owner/name", {"a": b"1"})
        repo.put({"a": b"2"}, "feature/x")
        for uri, data in {"": b"1", ":master": b"1", "@feature%2Fx": b"2"}.items():
            async with opened(f"modelscope://owner/name{uri}/a", hub.config) as backend:
                assert await read(backend, await backend.stat("a")) == data
        # A success without a list of files.
        async with opened("modelscope://owner/name:main", hub.config) as backend:
            with pytest.raises(ModelMissingError, match=r"has no revision 'main'.*'master'"):
                await keys(backend, "")
            with pytest.raises(ModelMissingError, match="has no revision 'main'"):
                await backend.stat("b/a")

    async def test_a_repository_that_does_not_exist(self, hub: FakeModelScope) -> None:
        hub.repo("owner/private", {"a": b"1"}, private=True)
        for name in ("owner/private", "owner/missing"):
            async with opened(f"modelscope://{name}", hub.config) as backend:
                with pytest.raises(ModelMissingError, match="MODELSCOPE_API_TOKEN"):
                    await keys(backend, "b/")
        async with opened("modelscope://owner/private", hub.signed_in) as backend:
            assert await read(backend, await backend.stat("a")) == b"1"
        async with opened("modelscope://owner/private", ModelScopeConfig("wrong-token", hub.url)) as backend:
            with pytest.raises(AccessDenied, match="check ModelScopeConfig") as caught:
                await backend.stat("a")
            assert "wrong-token" not in str(caught.value)

    async def test_the_environment_s_token_is_for_its_hub_only(self, hub: FakeModelScope) -> None:
        hub.repo("owner/private", {"a": b"1"}, private=True)
        async with opened(
            "modelscope://owner/private", None, {"MODELSCOPE_API_TOKEN": TOKEN, "MODELSCOPE_ENDPOINT": hub.url}
        ) as backend:
            await backend.stat("a")
        assert hub.asked[-1].headers["cookie"] == f"m_session_id={TOKEN}"
        config = ModelScopeConfig(endpoint=hub.url)
        async with opened("modelscope://owner/private", config, {"MODELSCOPE_API_TOKEN": TOKEN}) as backend:
            with pytest.raises(ModelMissingError):
                await backend.stat("a")
        assert not {"cookie", "authorization"} & set(hub.asked[-1].headers)

    async def test_one_url_serves_all_parts_of_a_file(self, hub: FakeModelScope) -> None:
        hub.repo("owner/name", {"a.bin": DATA})
        async with opened("modelscope://owner/name", hub.config) as backend:
            obj = await backend.stat("a.bin")
            for start in range(0, 5000, 1000):
                assert await read(backend, obj, start, 1000) == DATA[start : start + 1000]
            assert sum(asked.path.endswith("/repo") for asked in hub.asked) == 1
            hub.expire()
            assert await read(backend, obj) == DATA
            assert await stream(backend, obj) == DATA

    async def test_more_files_than_a_listing_has(self, hub: FakeModelScope) -> None:
        stored = {f"{directory}/{number}" for directory in ("a", "b/c") for number in range(1700)}
        repo = hub.repo("owner/name", dict.fromkeys(stored, b"x"))
        async with opened("modelscope://owner/name", hub.config) as backend:
            assert await keys(backend, "") == stored
            repo.put({f"b/d/{number}": b"x" for number in range(3001)})
            with pytest.raises(ServiceError, match="only the first 3000 entries of the directory 'b/d'"):
                await keys(backend, "")
            assert await keys(backend, "a/1") == {key for key in stored if key.startswith("a/1")}

    async def test_it_is_read_only(self, hub: FakeModelScope) -> None:
        async with opened("modelscope://owner/name", hub.config) as backend:
            with pytest.raises(UnsupportedOperation, match="modelscope:// can only be read"):
                await backend.put("b", memoryview(b"x"))
