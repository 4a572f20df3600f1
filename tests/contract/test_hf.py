"""The contract for the Hub, against a fake that the real client accepts (`tests/api/test_hf.py`)."""

import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import anyio
import pytest

from sealift import HFConfig
from sealift.backends import open_backend
from sealift.backends.huggingface import HFBackend
from sealift.errors import (
    AccessDenied,
    ModelMissingError,
    ObjectChanged,
    ServiceError,
    TransportError,
    UnsupportedOperation,
)
from sealift.instance import Instance
from sealift.types import Limits
from sealift.uri import parse
from tests.contract.suite import DATA, MANY, OTHER, SIZE, CommitContract, Place, keys, read, stream
from tests.services.hub import FIRST_COMMIT, GRANTED, READER, Asked, FakeHub, Reply, git_hash
from tests.services.s3 import ODD_KEYS
from tests.wire.servers import until


@asynccontextmanager
async def opened(uri: str, config: HFConfig) -> AsyncIterator[HFBackend]:
    async with Instance(Limits(attempts=1, memory=32 << 20), {}) as instance:
        backend = await open_backend(parse(uri), config, instance)
        assert isinstance(backend, HFBackend)
        yield backend
        await backend.aclose()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


class HFContract(CommitContract):
    odd_keys = (*ODD_KEYS, *(f"{key}.bin" for key in ODD_KEYS))

    @pytest.fixture
    async def place(self, hub: FakeHub) -> AsyncIterator[Place]:
        repo = hub.repo("owner/name")

        def put(objects: Mapping[str, bytes], checksum: str | None = None) -> object:
            return repo.put(objects)

        async with opened("hf://owner/name", hub.config) as backend:
            yield Place(backend, put, repo.delete, checksum="sha256")

    @pytest.fixture
    async def crowded(self, hub: FakeHub) -> AsyncIterator[Place]:
        repo = hub.repo("owner/crowded", {f"many/{number:05}": b"x" for number in range(MANY)})
        async with opened("hf://owner/crowded", hub.config) as backend:
            yield Place(backend, lambda objects, checksum=None: repo.put(objects), repo.delete)


class TestHub(HFContract):
    async def test_another_backend_sees_the_change(self, hub: FakeHub, place: Place) -> None:
        place.put({"model.bin": DATA})
        before = await place.backend.stat("model.bin")
        place.put({"model.bin": OTHER})
        async with opened("hf://owner/name", hub.config) as backend:
            after = await backend.stat("model.bin")
            assert after.version != before.version
            assert await read(backend, after) == OTHER


@pytest.fixture(params=["gzip", "chunked", "chunked gzip", "no ranges"])
def odd_hub(request: pytest.FixtureRequest) -> Iterator[FakeHub]:
    with FakeHub(small=request.param) as hub:
        yield hub


@pytest.mark.anyio
class TestSmallFiles:
    """Small files are read as they are sent: compressed, without a length, or whole instead of a range."""

    async def test_of_a_listing(self, odd_hub: FakeHub) -> None:
        odd_hub.repo("owner/name", {"a/tokenizer.json": DATA, "a/empty.txt": b""})
        async with opened("hf://owner/name", odd_hub.config) as backend:
            found = {obj.key: obj async for obj in backend.list("a/")}
            obj = found["a/tokenizer.json"]
            assert obj.size == SIZE
            for start, size in ((0, SIZE), (0, 1), (1000, 70_000), (SIZE - 1, 1)):
                assert await read(backend, obj, start, size) == DATA[start : start + size]
            assert await stream(backend, obj) == DATA
            assert await stream(backend, found["a/empty.txt"]) == b""

    async def test_without_a_listing(self, odd_hub: FakeHub) -> None:
        odd_hub.repo("gpt2", {"vocab.json": DATA})  # without an owner, only the file itself has its length
        async with opened("hf://gpt2", odd_hub.config) as backend:
            obj = await backend.stat("vocab.json")
            assert obj.size == (SIZE if odd_hub.small == "no ranges" else None)
            assert await stream(backend, obj, 7_919) == DATA

    async def test_of_another_length_than_listed(self, odd_hub: FakeHub) -> None:
        repo = odd_hub.repo("owner/name", {"config.json": DATA})
        async with opened("hf://owner/name", odd_hub.config) as backend:
            (obj,) = [obj async for obj in backend.list("")]
            sha = repo.refs["main"]
            for other in (DATA[:-1], DATA + b"x"):
                odd = repo.commits[sha]
                repo.commits[sha] = type(odd)(sha, odd.date, {"config.json": other})
                with pytest.raises(TransportError, match=r"the response is (longer|shorter) than requested"):
                    await read(backend, obj)


@pytest.mark.anyio
class TestAddresses:
    async def test_one_resolve_serves_all_parts_of_a_file(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"model.bin": DATA})
        async with opened("hf://owner/name", hub.config) as backend:
            (obj,) = [obj async for obj in backend.list("")]
            for start in range(0, SIZE, 50_000):
                size = min(50_000, SIZE - start)
                assert await read(backend, obj, start, size) == DATA[start : start + size]
        assert len([asked for asked in hub.asked if asked.resolves]) == 1
        assert len(hub.requests("storage")) == 7

    async def test_an_expired_address_is_asked_for_again(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"model.bin": DATA})
        async with opened("hf://owner/name", hub.config) as backend:
            obj = await backend.stat("model.bin")
            assert await read(backend, obj, 0, 10) == DATA[:10]
            hub.expire()
            assert await read(backend, obj, 10, 10) == DATA[10:20]
            assert await read(backend, obj, 20, 10) == DATA[20:30]
        assert len([asked for asked in hub.asked if asked.resolves]) == 2

    async def test_one_that_is_refused_at_once_is_an_error_without_its_signature(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"model.bin": DATA})
        refuse = Reply(403, b"<Error>Signature=none</Error>")
        hub.instead = lambda asked: refuse if asked.origin == "storage" else None
        async with opened("hf://owner/name", hub.config) as backend:
            obj = await backend.stat("model.bin")
            with pytest.raises(AccessDenied, match="storage denied access to 'model.bin'") as caught:
                await read(backend, obj)
            assert "Signature" not in str(caught.value)

    async def test_no_more_than_a_few_connections_to_the_storage(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"model.bin": DATA})
        arrived, go = list[Asked](), threading.Event()

        def hold(asked: Asked) -> None:
            if asked.origin == "storage":
                arrived.append(asked)
                go.wait()

        hub.instead = hold
        async with opened("hf://owner/name", hub.config) as backend:
            obj = await backend.stat("model.bin")
            async with anyio.create_task_group() as group:
                for start in range(20):
                    group.start_soon(read, backend, obj, start, 10)
                await until(lambda: len(arrived) == 16 and backend._urls.storage.locked())
                go.set()
        assert len(arrived) == 20

    async def test_the_token_goes_to_the_hub_only(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"model.bin": DATA, "config.json": b"{}"}, access="gated")
        async with opened("hf://owner/name", hub.signed_in()) as backend:
            async for obj in backend.list(""):
                assert len(await read(backend, obj)) == len(await stream(backend, obj))
        assert all("authorization" not in asked.headers for asked in hub.requests("storage"))
        assert all(asked.headers["authorization"] == f"Bearer {GRANTED}" for asked in hub.requests("hub"))
        assert len(hub.requests("storage")) == 2

    async def test_a_renamed_repository_is_found_under_its_old_name(self, hub: FakeHub) -> None:
        hub.repo("openai/gpt2", {"model.bin": DATA, "config.json": b"{}"})
        hub.aliases["gpt2"] = "openai/gpt2"
        async with opened("hf://gpt2", hub.config) as backend:
            assert await keys(backend, "") == {"model.bin", "config.json"}
            assert await read(backend, await backend.stat("model.bin")) == DATA
            assert await read(backend, await backend.stat("config.json")) == b"{}"

    async def test_a_mirror_that_has_large_files_itself(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"model.bin": DATA})

        def mirror(asked: Asked) -> Reply | None:
            return hub._small(asked, hub.repos["models", "owner/name"].commits[sha], DATA) if asked.resolves else None

        hub.instead = mirror
        async with opened("hf://owner/name", hub.config) as backend:
            (listed,) = [obj async for obj in backend.list("")]
            sha = listed.version or ""
            obj = await backend.stat("model.bin")
            assert (obj.size, obj.etag, obj.checksums) == (SIZE, f'"{git_hash(DATA)}"', {})
            assert await read(backend, obj, 5, 10) == DATA[5:15]

    async def test_another_content_than_listed_is_not_read(self, hub: FakeHub) -> None:
        repo = hub.repo("owner/name", {"model.bin": DATA})
        async with opened("hf://owner/name", hub.config) as backend:
            (obj,) = [obj async for obj in backend.list("")]
            sha = repo.refs["main"]
            repo.commits[sha] = type(repo.commits[sha])(sha, FIRST_COMMIT, {"model.bin": OTHER})
            with pytest.raises(ObjectChanged):
                await read(backend, obj)

    async def test_an_answer_for_another_commit_is_not_taken(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"model.bin": DATA, "config.json": b"{}"})
        hub.instead = lambda asked: Reply(200, b"{}", {"X-Repo-Commit": "0" * 40}) if asked.resolves else None
        async with opened("hf://owner/name", hub.config) as backend:
            for obj in [obj async for obj in backend.list("")]:
                with pytest.raises(ObjectChanged, match="0000"):
                    await read(backend, obj)


@pytest.mark.anyio
class TestRevisions:
    async def test_branches_tags_commits_and_requests(self, hub: FakeHub) -> None:
        repo = hub.repo("owner/name", {"config.json": b"main"})
        for revision in ("v1.0", "refs/pr/1", "refs/convert/parquet"):
            repo.commit({"config.json": revision.encode()}, revision)
        commit = repo.refs["v1.0"]
        for revision, content in (("main", b"main"), ("refs/pr/1", b"refs/pr/1"), (commit, b"v1.0")):
            async with opened(f"hf://owner/name:{revision}", hub.config) as backend:
                obj = await backend.stat("config.json")
                assert obj.version == repo.refs.get(revision, revision)
                assert await read(backend, obj) == content
                assert await keys(backend, "") == {"config.json"}

    async def test_datasets_and_spaces(self, hub: FakeHub) -> None:
        for kind in ("datasets", "spaces"):
            hub.repo("owner/name", {f"{kind}.csv": b"x", f"{kind}.bin": DATA}, kind=kind)
            async with opened(f"hf://{kind}/owner/name", hub.config) as backend:
                assert await keys(backend, "") == {f"{kind}.csv", f"{kind}.bin"}
                assert await read(backend, await backend.stat(f"{kind}.csv")) == b"x"
                assert await read(backend, await backend.stat(f"{kind}.bin")) == DATA

    async def test_the_revision_is_asked_for_once(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"a": b"a", "b": b"b"})
        async with opened("hf://owner/name", hub.config) as backend:
            for key in await keys(backend, ""):
                await backend.stat(key)
        assert len([asked for asked in hub.asked if "/revision/" in asked.path]) == 1


@pytest.mark.anyio
class TestFailures:
    async def test_a_missing_repository(self, hub: FakeHub) -> None:
        hub.repo("owner/private", {"a": b"x"}, access="private")
        for uri in ("hf://owner/none", "hf://owner/private", "hf://datasets/owner/none"):
            async with opened(uri, hub.config) as backend:
                for ask in (backend.stat("a"), keys(backend, "")):
                    with pytest.raises(
                        ModelMissingError, match=r"there is no \w+ repository .*, or it is private"
                    ) as c:
                        await ask
                    assert "HF_TOKEN" in str(c.value)
        async with opened("hf://owner/none", hub.signed_in()) as backend:
            with pytest.raises(ModelMissingError, match="or the token has no access to it"):
                await backend.stat("a")
        async with opened("hf://owner/private", hub.signed_in(READER)) as backend:
            assert await read(backend, await backend.stat("a")) == b"x"

    async def test_a_missing_revision(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"a": b"x"})
        async with opened("hf://owner/name:v9", hub.config) as backend:
            for ask in (backend.stat("a"), keys(backend, "")):
                with pytest.raises(ModelMissingError, match="has no revision 'v9'"):
                    await ask

    @pytest.mark.parametrize("token", [None, READER])
    async def test_a_gated_repository(self, hub: FakeHub, token: str | None) -> None:
        hub.repo("owner/gated", {"model.bin": DATA, "config.json": b"{}"}, access="gated")
        config = hub.config if token is None else hub.signed_in(token)
        async with opened("hf://owner/gated", config) as backend:
            found = [obj async for obj in backend.list("")]
            for obj in found:
                for ask in (backend.stat(obj.key), read(backend, obj), stream(backend, obj)):
                    with pytest.raises(AccessDenied, match=r"'owner/gated' is gated: .*\(request access") as caught:
                        await ask
                    assert caught.value.code == "GatedRepo"
        async with opened("hf://owner/gated", hub.signed_in()) as backend:
            assert await read(backend, await backend.stat("model.bin")) == DATA

    async def test_a_token_that_is_not_one(self, hub: FakeHub) -> None:
        hub.repo("owner/name", {"a": b"x"})
        async with opened("hf://owner/name", hub.signed_in("hf_Mistyped")) as backend:
            with pytest.raises(AccessDenied, match="the token was refused") as caught:
                await backend.stat("a")
            assert "Mistyped" not in str(caught.value)

    @pytest.mark.parametrize("key", ["", "a/", "/a", "a//b", "..", "../name", "a/../a", "./a", "\udcff"])
    async def test_what_is_no_path_is_not_asked_for(self, hub: FakeHub, key: str) -> None:
        hub.repo("owner/name", {"a": b"x"})
        async with opened("hf://owner/name", hub.config) as backend:
            with pytest.raises(ModelMissingError, match="not a valid path in a repository"):
                await backend.stat(key)
            if key.strip("/a"):
                assert await keys(backend, f"{key}/") == set()
        assert not [asked for asked in hub.asked if asked.resolves]

    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({"Retry-After": "7"}, 7.0),
            (
                {"RateLimit": '"resolvers";r=0;t=55', "RateLimit-Policy": '"fixed window";"resolvers";q=3000;w=300'},
                55.0,
            ),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": "soon", "RateLimit": '"resolvers";r=0;t=55'}, 55.0),
            ({"RateLimit": '"resolvers";r=17;t=280'}, None),  # without the reason
            ({}, None),
        ],
    )
    async def test_a_limit_of_requests_says_when_to_come_again(
        self, hub: FakeHub, headers: dict[str, str], wait: float | None
    ) -> None:
        hub.repo("owner/name", {"model.bin": DATA, "config.json": b"{}"})
        async with opened("hf://owner/name", hub.config) as backend:
            found = [obj async for obj in backend.list("")]
            hub.instead = lambda asked: Reply(429, b"", headers)
            for ask in (*(read(backend, obj) for obj in found), backend.stat("model.bin"), keys(backend, "")):
                with pytest.raises(ServiceError, match="the hub answered 429") as caught:
                    await ask
                assert (caught.value.retryable, caught.value.retry_after) == (True, wait)

    @pytest.mark.parametrize("body", [b"<html>Sign in to the network</html>", b"[]", b'{"sha": "main"}'])
    async def test_what_is_no_hub(self, hub: FakeHub, body: bytes) -> None:
        hub.instead = lambda asked: Reply(200, body)
        async with opened("hf://owner/name", hub.config) as backend:
            with pytest.raises(ServiceError, match="HF_ENDPOINT"):
                await backend.stat("a")

    async def test_it_is_read_only(self, hub: FakeHub) -> None:
        repo = hub.repo("owner/name", {"a": b"x"})
        async with opened("hf://owner/name", hub.config) as backend:
            obj = await backend.stat("a")
            asked = len(hub.asked)
            for ask in (
                backend.put("b", memoryview(b"x")),
                backend.open_upload("b", 1),
                backend.copy(backend.location, obj, "b"),
                backend.delete("a"),
                backend.delete_many(["a"], ""),
            ):
                with pytest.raises(UnsupportedOperation, match="hf:// can only be read"):
                    await ask
            assert len(hub.asked) == asked
        assert not backend.capabilities.writable
        assert set(repo.files()) == {"a"}
