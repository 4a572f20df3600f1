"""The contract for Git repositories, against `git http-backend`."""

import hashlib
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealift import GitConfig
from sealift.backends import open_backend
from sealift.backends.git import GitBackend
from sealift.backends.git.lfs_pointer import parse as parse_pointer
from sealift.contract import Walk
from sealift.errors import (
    AccessDenied,
    ModelMissingError,
    ServiceError,
    Skipped,
    TransportError,
    UnsupportedOperation,
)
from sealift.instance import Instance
from sealift.types import Limits
from sealift.uri import parse
from tests.contract.suite import DATA, MANY, OTHER, SIZE, CommitContract, Place, keys, read, stream
from tests.services.git_server import GitServer, Repository, running
from tests.services.s3 import ODD_KEYS

NUMBERS = itertools.count()


@asynccontextmanager
async def opened(
    uri: str, config: GitConfig | None = None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[GitBackend]:
    async with Instance(Limits(attempts=1, patience=1, memory=32 << 20), environ or {}) as instance:
        backend = await open_backend(parse(uri), config, instance)
        assert isinstance(backend, GitBackend)
        try:
            yield backend
        finally:
            await backend.aclose()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with running(tmp_path_factory.mktemp("git")) as server:
        yield server


@pytest.fixture
def repository(server: GitServer) -> Repository:
    server.password, server.damage = None, False
    server.asked.clear()
    return Repository(server, f"owner/name-{next(NUMBERS)}")


class TestGit(CommitContract):
    odd_keys = ODD_KEYS

    @pytest.fixture
    async def place(self, repository: Repository) -> AsyncIterator[Place]:
        def put(objects: Mapping[str, bytes], checksum: str | None = None) -> object:
            return repository.put(objects)

        async with opened(repository.uri) as backend:
            yield Place(backend, put, repository.delete, checksum="sha256")

    @pytest.fixture
    async def crowded(self, repository: Repository) -> AsyncIterator[Place]:
        repository.put({f"many/{number:05}": b"x" for number in range(MANY)})
        async with opened(repository.uri) as backend:
            yield Place(backend, lambda objects, checksum=None: repository.put(objects), repository.delete)


@pytest.mark.anyio
class TestRepository:
    async def test_revisions(self, repository: Repository) -> None:
        first = repository.put({"a": b"1"})
        repository.git("tag", "light", first)
        repository.git("-c", "user.name=T", "-c", "user.email=t@example.com", "tag", "-m", "x", "annotated", first)
        repository.put({"a": b"2"}, "feature/x")
        repository.put({"a": b"3"})
        for revision, data in {
            None: b"3", "main": b"3", "feature/x": b"2", "light": b"1", "annotated": b"1", "refs/tags/light": b"1",
            first: b"1",
        }.items():  # fmt: skip
            async with opened(repository.uri + (f"#{revision}" if revision else "")) as backend:
                assert await read(backend, await backend.stat("a")) == data, revision

    async def test_revisions_that_do_not_exist(self, repository: Repository) -> None:
        hidden = repository.put({"a": b"1"}, "gone")
        repository.git("branch", "-D", "gone")
        for revision, message in {
            "v9": "no branch or tag 'v9'",
            hidden: "gives only commits that a branch or a tag names",
            hidden[:10]: "a commit needs all 40 digits",
        }.items():
            async with opened(f"{repository.uri}#{revision}") as backend:
                with pytest.raises(ModelMissingError, match=message):
                    await backend.stat("a")
        repository.git("config", "uploadpack.allowAnySHA1InWant", "true")
        async with opened(f"{repository.uri}#{hidden}") as backend:
            assert await read(backend, await backend.stat("a")) == b"1"

    async def test_only_one_commit_is_received_once(self, server: GitServer, repository: Repository) -> None:
        repository.put({"a": DATA})
        repository.put({"a": OTHER, "b/c": b"x"})
        async with opened(repository.uri) as backend:
            assert await keys(backend, "") == {"a", "b/c"}
            assert await read(backend, await backend.stat("a")) == OTHER
        assert server.fetches() == 1
        (asked,) = (each for each in server.asked if each.path.endswith("/git-upload-pack"))
        assert b"deepen 1\n" in asked.body

    async def test_a_file_that_is_too_large(
        self, server: GitServer, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A few bytes of a pack can become any number of bytes in memory."""
        monkeypatch.setattr("sealift.backends.git.checkout._LARGEST", 10_000)
        repository.put({"a": b"1", "deep/b/zeros.bin": bytes(10_001), "c": bytes(10_000)})
        async with opened(repository.uri, environ={"TMPDIR": str(tmp_path)}) as backend:
            with pytest.raises(
                ServiceError, match=r"'deep/b/zeros.bin' of the Git repository has 10,001 bytes"
            ) as caught:
                await backend.stat("a")
        assert "Git LFS" in str(caught.value)
        assert not caught.value.retryable
        assert list(tmp_path.iterdir()) == []
        repository.delete("deep/b/zeros.bin")
        repository.put_lfs({"large.bin": bytes(20_000)})
        async with opened(repository.uri) as backend:
            assert await keys(backend, "") == {"a", "c", "large.bin"}

    async def test_the_files_are_deleted(self, repository: Repository, tmp_path: Path) -> None:
        repository.put({"a": DATA})
        async with opened(repository.uri, environ={"TMPDIR": str(tmp_path)}) as backend:
            await backend.stat("a")
            (directory,) = tmp_path.iterdir()
            assert directory.stat().st_mode & 0o777 == 0o700
        assert not list(tmp_path.iterdir())

    async def test_links_and_submodules(self, repository: Repository) -> None:
        links = {
            "b": "a/file",
            "c/d": "../b",
            "out": "../../etc/passwd",
            "root": "/etc/passwd",
            "loop": "loop",
            "dir": "a",
        }
        repository.put({"a/file": DATA}, links=links)
        skipped: list[Skipped] = []
        async with opened(repository.uri) as backend:
            found = {obj.key: obj async for obj in backend.list("", Walk(on_skip=skipped.append))}
            assert set(found) == {"a/file", "b", "c/d"}
            assert await read(backend, found["c/d"]) == DATA
            with pytest.raises(ModelMissingError, match="leads to no file of the repository"):
                await backend.stat("out")
        assert {each.key for each in skipped} == {"out", "root", "loop", "dir"}

    @pytest.mark.parametrize("name", [b"..", b".", b"../up", b"/etc/passwd"])
    async def test_names_that_lead_elsewhere_are_refused(self, repository: Repository, name: bytes) -> None:
        repository.put_tree(name)
        async with opened(repository.uri) as backend:
            with pytest.raises(ServiceError, match="invalid file name"):
                await keys(backend, "")

    async def test_names_that_are_not_utf_8(self, repository: Repository) -> None:
        repository.put_tree(b"caf\xe9")
        async with opened(repository.uri) as backend:
            assert await keys(backend, "") == {"caf\udce9"}
            location = backend.location.at("caf\udce9")
            assert parse(str(location)) == location

    async def test_damage_is_noticed(self, server: GitServer, repository: Repository, tmp_path: Path) -> None:
        repository.put({"a": DATA})
        server.damage = True
        async with opened(repository.uri, environ={"TMPDIR": str(tmp_path)}) as backend:
            with pytest.raises(TransportError, match="damaged or incomplete") as caught:
                await backend.stat("a")
            assert caught.value.retryable
            server.damage = False
            assert await read(backend, await backend.stat("a")) == DATA
        assert not list(tmp_path.iterdir())

    async def test_signing_in(self, server: GitServer, repository: Repository) -> None:
        repository.put_lfs({"a": DATA})
        server.password = "secret-password"
        async with opened(repository.uri, server.config) as backend:
            assert await read(backend, await backend.stat("a")) == DATA
        environ = {"GIT_USERNAME": "robot", "GIT_PASSWORD": server.password}
        # The environment's password is sent over https only.
        for config in (None, GitConfig(anonymous=True), GitConfig("robot", "another-password")):
            async with opened(repository.uri, config, environ) as backend:
                with pytest.raises(AccessDenied, match="GIT_PASSWORD") as caught:
                    await backend.stat("a")
                assert "password" not in str(caught.value).replace("password=", "")
        assert "authorization" not in server.asked[-2].headers

    async def test_what_is_no_repository(self, server: GitServer, repository: Repository) -> None:
        for path, error, message in (
            ("/owner/missing.git", ModelMissingError, "does not exist"),
            ("/page/name.git", ServiceError, "not a Git server"),
        ):
            async with opened(f"git+{server.url}{path}") as backend:
                with pytest.raises(error, match=message):
                    await backend.stat("a")

    async def test_a_repository_that_has_moved(self, server: GitServer, repository: Repository) -> None:
        repository.put({"a": DATA})
        async with opened(repository.uri.replace("/owner/", "/moved/owner/")) as backend:
            assert await read(backend, await backend.stat("a")) == DATA

    async def test_an_empty_repository(self, repository: Repository) -> None:
        repository.git("update-ref", "-d", "refs/heads/main")
        async with opened(repository.uri) as backend:
            with pytest.raises(ModelMissingError, match="the repository is empty"):
                await backend.stat("a")

    @pytest.mark.parametrize("key", ["model.bin", "ünï/ a?b#c%20.bin"])
    async def test_files_in_lfs(self, server: GitServer, repository: Repository, key: str) -> None:
        repository.put_lfs({key: DATA, "empty": b""})
        async with opened(repository.uri) as backend:
            (obj,) = [obj async for obj in backend.list(key)]
            assert obj == await backend.stat(key)
            assert (obj.size, obj.checksums) == (SIZE, {"sha256": hashlib.sha256(DATA).hexdigest()})
            repository.put_lfs({key: OTHER})
            for start, size in ((0, SIZE), (0, 1), (1000, 70_000), (SIZE - 1, 1)):
                assert await read(backend, obj, start, size) == DATA[start : start + size]
            assert await stream(backend, obj) == DATA
            assert await stream(backend, await backend.stat("empty")) == b""
        assert not any("authorization" in asked.headers for asked in server.asked)

    async def test_urls_of_lfs_files_are_shared_and_renewed(self, server: GitServer, repository: Repository) -> None:
        repository.put_lfs({"a": DATA, "b": OTHER})
        async with opened(repository.uri) as backend:
            a, b = await backend.stat("a"), await backend.stat("b")
            assert await read(backend, a, 10, 20) == DATA[10:30]
            assert await read(backend, b) == OTHER
            assert sum(asked.path.endswith("/batch") for asked in server.asked) == 1
            server.expire()
            assert await read(backend, a) == DATA
            assert await stream(backend, b) == OTHER
            assert sum(asked.path.endswith("/batch") for asked in server.asked) == 3

    async def test_an_lfs_file_that_is_missing(self, server: GitServer, repository: Repository) -> None:
        repository.put_lfs({"a": DATA})
        server.lfs.clear()
        async with opened(repository.uri) as backend:
            obj = await backend.stat("a")
            assert obj.size == SIZE
            with pytest.raises(ModelMissingError, match="Git LFS server does not have the file"):
                await read(backend, obj)

    async def test_it_is_read_only(self, repository: Repository) -> None:
        async with opened(repository.uri) as backend:
            with pytest.raises(UnsupportedOperation, match=r"git\+http:// can only be read"):
                await backend.put("b", memoryview(b"x"))


def test_pointers() -> None:
    good = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n"
    pointer = parse_pointer(good)
    assert pointer is not None
    assert (pointer.sha256, pointer.size) == ("a" * 64, 12)
    for other in (b"", good[1:], good.replace(b"sha256:a", b"sha256:"), good.replace(b"12", b"x"), good + b" " * 1000):
        assert parse_pointer(other) is None
