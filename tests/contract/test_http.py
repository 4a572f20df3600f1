"""The contract for HTTP, which covers only objects, against aiohttp's file server."""

import itertools
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from sealift import HTTPConfig, S3Config
from sealift.backends import open_backend
from sealift.backends.http import HTTPBackend
from sealift.config.user_agent import OWN_USER_AGENT
from sealift.contract import Backend, OnlyInOrder
from sealift.errors import InvalidConfig, ObjectChanged, ServiceError, TransportError, UnsupportedOperation
from sealift.instance import Instance
from sealift.types import Limits, ObjectInfo
from sealift.uri import parse
from tests.contract.suite import DATA, OTHER, SIZE, ObjectContract, Place, read, stream
from tests.services.http_server import Asked, OddServer, Reply, files, good

TIMES = itertools.count(1_600_000_000_000_000_000, 1_000_000_001)


@asynccontextmanager
async def opened(url: str, config: HTTPConfig | None = None) -> AsyncIterator[Backend]:
    async with Instance(Limits(attempts=1, memory=32 << 20), {}) as instance:
        backend = await open_backend(parse(url), config, instance)
        assert isinstance(backend, HTTPBackend)
        yield backend
        await backend.aclose()


class TestFileServer(ObjectContract):
    odd_keys = (
        "with%20space", "a+b", "a%25b", "a%2525b", "%C3%BCn%C3%AF/x", "ünï/y", "a;b=c&d", "star*", "a:b|c", "~tilde",
        "$dollar@,", "'quote'", "a%3Fb", "a%23b", "[a]", "deep/" * 20 + "key", "emoji\N{GRINNING FACE}",
    )  # fmt: skip

    @pytest.fixture
    async def place(self, tmp_path: Path) -> AsyncIterator[Place]:
        def put(objects: Mapping[str, bytes], checksum: str | None = None) -> None:
            for key, data in objects.items():
                path = tmp_path / unquote(key)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name("new").write_bytes(data)
                # The ETag is made from this, and two writes may share a tick of the kernel's clock.
                time = next(TIMES)
                os.utime(path.with_name("new"), ns=(time, time))
                path.with_name("new").replace(path)

        with files(tmp_path) as url:
            async with opened(url) as backend:
                yield Place(backend, put, lambda key: (tmp_path / key).unlink())


@pytest.mark.anyio
class TestHTTP:
    async def test_a_url_without_a_path(self) -> None:
        with OddServer(lambda asked: good(asked, asked.target.encode())) as server:
            async with opened(f"{server.url}?a=%2Fb&c") as backend:
                assert await stream(backend, await backend.stat("")) == b"/?a=%2Fb&c"
            async with opened(server.url) as backend:
                assert await stream(backend, await backend.stat("")) == b"/"

    async def test_what_is_told_of_a_file(self) -> None:
        with OddServer(lambda asked: good(asked, b"data", Content_Type="application/x-model")) as server:
            async with opened(server.url) as backend:
                obj = await backend.stat("a/my%20model.onnx")
        assert (obj.key, obj.name, obj.size) == ("a/my%20model.onnx", "my model.onnx", 4)
        assert (obj.version, obj.etag, obj.content_type) == ('"v1"', '"v1"', "application/x-model")
        assert obj.modified is not None
        assert obj.modified.isoformat() == "2020-09-01T10:20:30+00:00"
        assert obj.ranged

    @pytest.mark.parametrize(
        "headers",
        [
            {"Accept-Ranges": "none"},
            {"Accept-Ranges": "pages"},
            {"ETag": 'W/"v1"', "Last-Modified": ""},
            {"ETag": '""'},
            {"ETag": '"ünï"'},
            {"Content-Encoding": "gzip"},
        ],
        ids=str,
    )
    async def test_ranges_need_a_server_that_offers_and_pins_them(self, headers: dict[str, str]) -> None:
        def answer(asked: Asked) -> Reply:
            reply = good(asked, DATA)
            return Reply(reply.status, reply.body, {**reply.headers, **headers})

        with OddServer(answer) as server:
            async with opened(server.url) as backend:
                assert not (await backend.stat("m")).ranged

    @pytest.mark.parametrize("date", ["yesterday", "", "Tue, 01 Sep 99999999999999999999 10:20:30 GMT"])
    async def test_a_date_that_is_none(self, date: str) -> None:
        with OddServer(lambda asked: good(asked, b"data", Last_Modified=date)) as server:
            async with opened(server.url) as backend:
                assert (await backend.stat("m")).modified is None

    @pytest.mark.parametrize(("start", "size"), [(0, SIZE), (0, 10), (SIZE - 10, 10)])
    async def test_a_server_that_ignores_the_condition(self, start: int, size: int) -> None:
        """Bytes of another version are rejected by their ETag; a shorter version is rejected by its length."""
        stored: dict[str, Any] = {"data": DATA, "tag": '"v1"'}

        def answer(asked: Asked) -> Reply:
            headers = {name: value for name, value in asked.headers.items() if name != "if-match"}
            return good(Asked(asked.method, asked.target, headers), stored["data"], stored["tag"])

        with OddServer(answer) as server:
            async with opened(server.url) as backend:
                obj = await backend.stat("m")
                assert await read(backend, obj, start, size) == DATA[start : start + size]
                for data, tag in ((OTHER, '"v2"'), (OTHER + b"more", '"v2"'), (DATA + b"more", '"v1"')):
                    stored.update(data=data, tag=tag)
                    with pytest.raises(ObjectChanged):
                        await read(backend, obj, start, size)
                    with pytest.raises(ObjectChanged):
                        await stream(backend, obj)

    async def test_a_range_without_an_entity_tag(self) -> None:
        def answer(asked: Asked) -> Reply:
            return good(asked, DATA, '"v1"' if asked.method == "HEAD" else None)

        with OddServer(answer) as server:
            async with opened(server.url) as backend:
                with pytest.raises(OnlyInOrder, match="sends ranges of the file without their version"):
                    await read(backend, await backend.stat("m"), 5, 10)

    async def test_the_whole_file_instead_of_a_range(self) -> None:
        with OddServer(lambda asked: Reply(200, DATA, {"Accept-Ranges": "bytes", "ETag": '"v1"'})) as server:
            async with opened(server.url) as backend:
                obj = await backend.stat("m")
                with pytest.raises(TransportError):
                    await read(backend, obj, 5, 10)
                assert await read(backend, obj) == DATA

    async def test_it_can_only_be_read(self) -> None:
        async with opened("https://127.0.0.1:1") as backend:
            assert not backend.capabilities.writable
            assert not backend.capabilities.listable
            obj = ObjectInfo("m", 1)
            for call in (
                backend.put("m", memoryview(b"x")),
                backend.open_upload("m", 1),
                backend.copy(backend.location, obj, "n"),
                backend.delete("m"),
                backend.delete_many(["m"], ""),
            ):
                with pytest.raises(UnsupportedOperation, match="https:// can only be read"):
                    await call
            with pytest.raises(UnsupportedOperation, match="https:// cannot be listed"):
                backend.list("")

    async def test_another_service_s_configuration(self) -> None:
        async with Instance(Limits(), {}) as instance:
            with pytest.raises(InvalidConfig, match="S3Config is not for https://"):
                await open_backend(parse("https://127.0.0.1:1/m"), S3Config(), instance)

    @pytest.mark.parametrize(
        ("status", "retryable"), [(429, True), (408, True), (500, True), (503, True), (501, False), (418, False)]
    )
    @pytest.mark.parametrize(("wait", "seconds"), [("7", 7.0), ("soon", None)])
    async def test_failures(self, status: int, retryable: bool, wait: str, seconds: float | None) -> None:
        with OddServer(lambda asked: Reply(status, b"<secret>", {"Retry-After": wait})) as server:
            async with opened(server.url) as backend:
                with pytest.raises(ServiceError, match=f"the server answered {status}") as caught:
                    await backend.stat("m")
        error = caught.value
        assert (error.status, error.retryable, error.retry_after) == (status, retryable, seconds)

    async def test_an_agent_is_named(self) -> None:
        with OddServer(lambda asked: good(asked, b"data")) as server:
            async with opened(server.url) as backend:
                await backend.stat("m")
            async with opened(server.url, HTTPConfig({"User-Agent": "mine"})) as backend:
                await backend.stat("m")
        assert [asked.headers["user-agent"] for asked in server.asked] == [OWN_USER_AGENT, "mine"]
