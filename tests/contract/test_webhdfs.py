"""The contract for HDFS, against a fake that the real client accepts (`tests/api/test_hdfs.py`)."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealift import HDFSConfig, S3Config
from sealift.backends import open_backend
from sealift.backends.webhdfs import WebHDFSBackend, kerberos
from sealift.contract import Walk
from sealift.errors import (
    AccessDenied,
    InvalidConfig,
    ModelMissingError,
    ServiceError,
    Skipped,
    StorageError,
    TransportError,
    UnsupportedOperation,
)
from sealift.instance import Instance
from sealift.types import Limits, ObjectInfo
from sealift.uri import parse
from tests.contract.suite import DATA, MANY, OTHER, Place, TreeContract, keys, level, read, stream
from tests.services.s3 import ODD_KEYS
from tests.services.webhdfs import FakeHDFS, running


@asynccontextmanager
async def opened(
    uri: str, config: HDFSConfig | None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[WebHDFSBackend]:
    async with Instance(Limits(attempts=1, patience=1, memory=32 << 20), environ or {}) as instance:
        backend = await open_backend(parse(uri), config, instance)
        assert isinstance(backend, WebHDFSBackend)
        yield backend
        await backend.aclose()


@pytest.fixture
def hdfs() -> Iterator[FakeHDFS]:
    with running() as hdfs:
        yield hdfs


class TestWebHDFS(TreeContract):
    odd_keys = ODD_KEYS

    @pytest.fixture
    async def place(self, hdfs: FakeHDFS) -> AsyncIterator[Place]:
        def put(objects: Mapping[str, bytes], checksum: str | None = None) -> None:
            hdfs.put(objects, "/user/models")

        hdfs.mkdirs("/user/models")
        async with opened("hdfs://", HDFSConfig(hdfs.url, user="me", root="/user/models")) as backend:
            yield Place(backend, put, lambda key: hdfs.delete(f"/user/models/{key}"))

    @pytest.fixture
    async def crowded(self, hdfs: FakeHDFS) -> AsyncIterator[Place]:
        hdfs.put({f"many/{number:05}": b"x" for number in range(MANY)})
        async with opened(f"webhdfs://{hdfs.url.removeprefix('http://')}/", None) as backend:
            yield Place(backend, hdfs.put, hdfs.delete)


@pytest.mark.anyio
class TestHDFS:
    async def test_a_namenode_without_pages(self, hdfs: FakeHDFS) -> None:
        hdfs.page = 0
        hdfs.put({"a/b": b"x", "a/c/d": b"y", "e": b"z"})
        async with opened("hdfs://", hdfs.config) as backend:
            assert await keys(backend, "") == {"a/b", "a/c/d", "e"}
            assert await level(backend, "a/") == {"a/b", "a/c/"}
        assert hdfs.operations().count("LISTSTATUS_BATCH") == 1

    async def test_an_empty_directory_is_a_marker(self, hdfs: FakeHDFS) -> None:
        hdfs.put({"a/b": b"x"})
        hdfs.mkdirs("/a/empty/deeper")
        async with opened("hdfs:///", hdfs.config) as backend:
            assert await keys(backend, "") == {"a/b", "a/empty/deeper/"}
            assert await keys(backend, "a/empty/deeper/") == {"a/empty/deeper/"}

    async def test_who_asks(self, hdfs: FakeHDFS) -> None:
        hdfs.put({"a": b"x"})
        config = HDFSConfig(hdfs.url, user="models", proxy_user="joe", headers={"X-Gateway": "secret"})
        async with opened("hdfs:///", config) as backend:
            assert await read(backend, await backend.stat("a")) == b"x"
        for asked in hdfs.asked:
            assert (asked.query["user.name"], asked.query["doas"]) == ("models", "joe")
            at_datanode = "namenoderpcaddress" in asked.query
            assert asked.headers.get("x-gateway") == (None if at_datanode else "secret")

    async def test_a_delegation_token(self, hdfs: FakeHDFS) -> None:
        hdfs.token = "token+/of==models"
        hdfs.put({"a": b"x"})
        async with opened("hdfs:///", HDFSConfig(hdfs.url, delegation_token=hdfs.token)) as backend:
            obj = await backend.stat("a")
            assert await read(backend, obj) == await stream(backend, obj) == b"x"
        async with opened("hdfs:///", HDFSConfig(hdfs.url, delegation_token="expired-token")) as backend:
            with pytest.raises(AccessDenied, match="the delegation token is not valid") as caught:
                await backend.stat("a")
            assert "expired-token" not in str(caught.value)
        async with opened("hdfs:///", hdfs.config) as backend:
            with pytest.raises(AccessDenied, match=r"kerberos=True"):
                await backend.stat("a")

    async def test_a_token_of_kerberos_is_renewed(self, hdfs: FakeHDFS, monkeypatch: pytest.MonkeyPatch) -> None:
        hdfs.put({"a": b"x"})
        hdfs.token, hdfs.negotiate = "token-1", "Negotiate dGlja2V0"
        monkeypatch.setattr(kerberos, "negotiate", lambda host, config: "Negotiate dGlja2V0")
        async with opened("hdfs:///", HDFSConfig(hdfs.url, kerberos=True, proxy_user="joe")) as backend:
            obj = await backend.stat("a")
            hdfs.token = "token-2"
            assert await read(backend, obj) == b"x"
        asked = [each for each in hdfs.asked if "authorization" in each.headers]
        assert [each.query for each in asked] == [{"op": "GETDELEGATIONTOKEN", "doas": "joe"}] * 2

    async def test_the_environment_s_token_is_for_its_namenode_only(self, hdfs: FakeHDFS) -> None:
        hdfs.put({"a": b"x"})
        environ = {"HDFS_DELEGATION_TOKEN": "secret", "HADOOP_USER_NAME": "me"}
        async with opened(f"{hdfs.url.replace('http', 'webhdfs')}/", None, environ) as backend:
            await backend.stat("a")
        assert hdfs.asked[-1].query == {"op": "GETFILESTATUS", "user.name": "me"}
        async with opened("hdfs:///", None, {**environ, "HDFS_NAMENODE": hdfs.url}) as backend:
            await backend.stat("a")
        assert hdfs.asked[-1].query == {"op": "GETFILESTATUS", "delegation": "secret"}

    async def test_the_active_namenode_is_found(self, hdfs: FakeHDFS) -> None:
        hdfs.put({"a": b"x"})
        with running() as other:
            other.standby = True
            async with opened("hdfs:///", HDFSConfig(f"{other.url};{hdfs.url}")) as backend:
                obj = await backend.stat("a")
                assert await read(backend, obj) == b"x"
            assert len(other.asked) == 1
            async with opened("hdfs:///", HDFSConfig(f"http://127.0.0.1:1;{hdfs.url}")) as backend:
                assert await backend.stat("a") == obj
            hdfs.standby = True
            async with opened("hdfs:///", HDFSConfig(f"{other.url};{hdfs.url}")) as backend:
                with pytest.raises(ServiceError, match="StandbyException") as caught:
                    await backend.stat("a")
                assert caught.value.retryable

    async def test_failures(self, hdfs: FakeHDFS) -> None:
        hdfs.put({"a": b"x"})
        hdfs.denied.add("/a")
        async with opened("hdfs:///", hdfs.config) as backend:
            with pytest.raises(AccessDenied, match="Permission denied: user=dr.who"):
                await backend.stat("a")
        async with opened("webhdfs://127.0.0.1:1/", None) as backend:
            with pytest.raises(TransportError):
                await backend.stat("a")
        async with opened("hdfs:///", HDFSConfig(f"{hdfs.url}/no-gateway")) as backend:
            with pytest.raises(ModelMissingError, match="check the address of the namenode"):
                await backend.stat("a")

    @pytest.mark.parametrize("key", ["", "a/", "/a", "a//b", "..", "a/../b", "./a", "\udcff"])
    async def test_what_is_no_path_is_not_asked_for(self, hdfs: FakeHDFS, key: str) -> None:
        async with opened("hdfs:///", hdfs.config) as backend:
            with pytest.raises(ModelMissingError, match="not a valid path in HDFS"):
                await backend.stat(key)
            if key.strip("/a"):
                assert await keys(backend, f"{key}/") == set()
        assert not hdfs.asked

    async def test_names_that_lead_elsewhere_are_refused(self, hdfs: FakeHDFS) -> None:
        hdfs.files["/.."] = hdfs.files["/a"] = (b"x", 1, 1)
        async with opened("hdfs:///", hdfs.config) as backend:
            with pytest.raises(ServiceError, match="listing cannot be read"):
                await keys(backend, "")

    async def test_symbolic_links_are_reported(self, hdfs: FakeHDFS) -> None:
        hdfs.put({"m/a": b"x", "m/sub/b": b"y"})
        hdfs.links = {"/m/link", "/m/sub/link", "/n"}
        skipped: list[Skipped] = []
        async with opened("hdfs:///", hdfs.config) as backend:
            found = {obj.key async for obj in backend.list("m/", Walk(on_skip=skipped.append))}
            for key in ("m/link", "m/link/below"):
                with pytest.raises(ModelMissingError, match=f"'/{key}' is a symbolic link"):
                    await backend.stat(key)
            with pytest.raises(ModelMissingError, match="'/m/link' is a symbolic link"):
                await read(backend, ObjectInfo("m/link", 1))
        assert found == {"m/a", "m/sub/b"}
        assert {(each.key, each.reason) for each in skipped} == {
            ("m/link", "symbolic link"), ("m/sub/link", "symbolic link"),
        }  # fmt: skip

    async def test_the_checksum_is_that_of_the_bytes(self, hdfs: FakeHDFS) -> None:
        hdfs.put({"a": DATA, "b": b"x" * 1000})
        async with opened("hdfs:///", hdfs.config) as backend:
            for key in ("a", "b"):
                obj = await backend.stat(key)
                assert obj.composite
                (found,) = await backend.checksums(obj)
                assert found == f"hdfs-crc32c/512*{128 if key == 'a' else 0}"
            hdfs.composite = True
            assert set(await backend.checksums(obj)) == {"crc32c"}

    async def test_it_is_read_only(self, hdfs: FakeHDFS) -> None:
        async with opened("hdfs:///", hdfs.config) as backend:
            with pytest.raises(UnsupportedOperation, match="hdfs:// can only be read"):
                await backend.put("b", memoryview(b"x"))
        assert not backend.capabilities.writable
        assert not hdfs.asked

    async def test_another_service_s_configuration(self) -> None:
        async with Instance(Limits(), {}) as instance:
            with pytest.raises(InvalidConfig, match="S3Config is not for hdfs://"):
                await open_backend(parse("hdfs:///a"), S3Config(), instance)

    @pytest.mark.parametrize(
        ("uri", "config", "match"),
        [
            ("hdfs:///a", HDFSConfig(), "the URI names no namenode"),
            ("hdfs://nn:8020/a", HDFSConfig(), "the port of Hadoop's own protocol"),
            ("webhdfs://other:9870/a", HDFSConfig("http://nn:9870"), "the configuration another one"),
        ],
    )
    async def test_addresses_that_cannot_be_used(self, uri: str, config: HDFSConfig, match: str) -> None:
        with pytest.raises(StorageError, match=match):
            async with opened(uri, config):
                pass

    async def test_the_secret_of_kserve(self, hdfs: FakeHDFS, tmp_path: Path) -> None:
        hdfs.put({"models/me/a": DATA, "models/me/b": OTHER})
        entries = {"HDFS_NAMENODE": f"{hdfs.url}\n", "HDFS_ROOTPATH": "/models", "USER_PROXY": "joe", "N_THREADS": "2"}
        for name, text in entries.items():
            (tmp_path / name).write_text(text)
        (tmp_path / "HEADERS").write_text('{"X-Gateway": "secret"}')
        async with opened("hdfs://me/a", None, {"HDFS_SECRET_DIR": str(tmp_path)}) as backend:
            assert await keys(backend, "") == {"me/a", "me/b"}
            assert await read(backend, await backend.stat("me/a")) == DATA
        assert hdfs.asked[0].headers["x-gateway"] == "secret"
        assert hdfs.asked[0].query["doas"] == "joe"
        variables = {**entries, "HEADERS": '{"X-Gateway": "secret"}', "HADOOP_USER_NAME": "me"}
        async with opened("hdfs://me/b", None, variables) as backend:
            assert (await backend.stat("me/b")).size == len(OTHER)
        assert hdfs.asked[-1].headers["x-gateway"] == "secret"
        (tmp_path / "HEADERS").write_text("[secret]")
        with pytest.raises(InvalidConfig, match="HEADERS") as caught:
            async with opened("hdfs://me/a", None, {"HDFS_SECRET_DIR": str(tmp_path)}):
                pass
        assert "secret]" not in str(caught.value)
