"""Endless, self-expanding or invalid replies: reading is bounded, and errors are `StorageError`s."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sealift import (
    AsyncStorage,
    AzureConfig,
    GCSConfig,
    HDFSConfig,
    HFConfig,
    HTTPConfig,
    Limits,
    OCIConfig,
    S3Config,
    StorageError,
)
from sealift.types import KiB, MiB
from sealift.wire.head_codec import MAX_HEAD_BYTES
from sealift.wire.response_reader import MAX_BUFFERED_BODY
from tests.api.servers import FakeS3, Reply
from tests.services.closing import abort
from tests.services.hub import FakeHub
from tests.services.hub import Reply as HubReply

pytestmark = pytest.mark.anyio

# Bytes that may be in kernel buffers in addition to those read.
SLACK = 16 * MiB


class Endless:
    """Sends a head, and then the same piece until the client disconnects.

    Attributes:
        sent: Bytes sent in all replies.
    """

    def __init__(self, head: bytes, piece: bytes) -> None:
        self.sent = 0
        self.url = ""
        self._head = head
        self._piece = piece

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._head)
            while self.sent < 1 << 30:
                writer.write(self._piece)
                self.sent += len(self._piece)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            abort(writer)


@asynccontextmanager
async def endless(head: bytes, piece: bytes) -> AsyncIterator[Endless]:
    source = Endless(head, piece)
    server = await asyncio.start_server(source.serve, "127.0.0.1", 0)
    source.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield source
    finally:
        server.close()
        await asyncio.sleep(0)


PLACES: dict[str, Callable[[str], tuple[str, Any]]] = {
    "http": lambda url: (f"{url}/m", HTTPConfig()),
    "s3": lambda url: ("s3://b/m", S3Config("A", "secret", endpoint_url=url)),
    "gs": lambda url: ("gs://bucket/m", GCSConfig(anonymous=True, endpoint_url=url)),
    "azure": lambda url: ("azure://container/m", AzureConfig("models", anonymous=True, endpoint_url=f"{url}/models")),
    "azure files": lambda url: (
        "https://models.file.core.windows.net/share/m",
        AzureConfig("models", anonymous=True, endpoint_url=f"{url}/models"),
    ),
    "hf": lambda url: ("hf://owner/name/m", HFConfig(endpoint=url, anonymous=True)),
    "oci": lambda url: (f"oci://{url.removeprefix('http://')}/owner/name:latest/m", OCIConfig(anonymous=True)),
}
CHUNK = b"10000\r\n" + b"<" * (64 * KiB) + b"\r\n"


@pytest.mark.parametrize("scheme", PLACES)
@pytest.mark.parametrize("verb", ["read", "list_objects"])
@pytest.mark.parametrize(
    ("head", "piece", "bound"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 4096, MAX_HEAD_BYTES),
        (b"HTTP/1.1 200 OK\r\n", b"X-Many: x\r\n" * 400, MAX_HEAD_BYTES),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 200, MAX_HEAD_BYTES),
        (b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK, MAX_BUFFERED_BODY),
        (b"HTTP/1.1 404 None\r\nContent-Length: 1000000000000\r\n\r\n", b"x" * 65536, MAX_BUFFERED_BODY),
        (b"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n", b"x" * 65536, MAX_BUFFERED_BODY),
    ],
    ids=["a long header", "many headers", "many heads", "chunks", "a length", "until it closes"],
)
async def test_a_reply_without_an_end(scheme: str, verb: str, head: bytes, piece: bytes, bound: int) -> None:
    async with endless(head, piece) as server:
        uri, config = PLACES[scheme](server.url)
        with pytest.raises(StorageError):
            await getattr(AsyncStorage(Limits(attempts=1), environ={}), verb)(uri, config=config)
        assert server.sent < 3 * bound + SLACK


DEEP = b"[" * 200_000
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a0 "laugh">'
    + b"".join(b'<!ENTITY a%d "%b">' % (level, b"&a%d;" % (level - 1) * 10) for level in range(1, 12))
    + b"]><ListBucketResult><Contents><Key>&a11;</Key><Size>1</Size></Contents></ListBucketResult>"
)
FILE = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/hostname">]>'


def entry(**fields: str) -> bytes:
    told = {"Key": "m", "Size": "1", "LastModified": "2020-09-01T10:20:30.000Z", "ETag": "&quot;1&quot;"} | fields
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    return f"<ListBucketResult><Contents>{inner}</Contents></ListBucketResult>".encode()


@pytest.mark.parametrize(
    "body",
    [
        LAUGHS,
        FILE + b"<ListBucketResult><Contents><Key>&f;</Key><Size>1</Size></Contents></ListBucketResult>",
        b"<a>" * 100_000,
        entry(Size="-1"),
        entry(Size="1e9"),
        entry(Size="\u00b2"),
        entry(Size="9" * 5000),
        entry(LastModified="yesterday"),
        entry(LastModified="9999999-01-01T00:00:00Z"),
        b"",
        b"{}",
    ],
    ids=["laughs", "file", "deep", "negative", "float", "odd digit", "huge", "no date", "far date", "empty", "json"],
)
async def test_a_listing_of_s3_that_lies(body: bytes) -> None:
    with FakeS3({}, instead=lambda asked: Reply(200, body)) as server:
        with pytest.raises(StorageError):
            await AsyncStorage(Limits(attempts=1), environ={}).list_objects("s3://b/p/", config=server.config)


@pytest.mark.parametrize(
    "told",
    [
        DEEP,
        b"9" * 10_000,
        json.dumps([{"type": "file", "path": "p/m", "size": -5, "oid": "x"}]).encode(),
        json.dumps([{"type": "file", "path": "p/m", "size": "x", "oid": "x"}]).encode(),
        json.dumps([{"type": "file", "path": 5, "size": 5, "oid": "x"}]).encode(),
        json.dumps([{"type": "file", "path": "p/m"}]).encode(),
        json.dumps([None]).encode(),
        json.dumps({"error": "x"}).encode(),
    ],
)
async def test_a_listing_of_the_hub_that_lies(told: bytes) -> None:
    with FakeHub() as hub:
        hub.repo("owner/name", {"p/m": b"m"})
        hub.instead = lambda asked: HubReply(200, told) if "/tree/" in asked.path else None
        with pytest.raises(StorageError):
            await AsyncStorage(Limits(attempts=1), environ={}).list_objects("hf://owner/name/p", config=hub.config)


@pytest.mark.parametrize(
    "body", [DEEP, b'{"items": [null]}', b'{"items": [{"name": "m", "size": "-1"}]}', b"[]", b"9" * 10_000]
)
async def test_a_listing_of_google_that_lies(body: bytes) -> None:
    with FakeS3({}, instead=lambda asked: Reply(200, body)) as server:
        config = GCSConfig(anonymous=True, endpoint_url=server.endpoint)
        with pytest.raises(StorageError):
            await AsyncStorage(Limits(attempts=1), environ={}).list_objects("gs://bucket/p/", config=config)


@pytest.mark.parametrize("size", ["-1", "\u00b2", "9" * 5000])
async def test_a_listing_of_azure_that_lies(size: str) -> None:
    body = (
        "<EnumerationResults><Blobs><Blob><Name>p/m</Name><Properties>"
        f"<Content-Length>{size}</Content-Length></Properties></Blob></Blobs></EnumerationResults>"
    )
    with FakeS3({}, instead=lambda asked: Reply(200, body.encode())) as server:
        config = AzureConfig("models", anonymous=True, endpoint_url=f"{server.endpoint}/models")
        with pytest.raises(StorageError):
            await AsyncStorage(Limits(attempts=1), environ={}).list_objects("azure://container/p/", config=config)


@pytest.mark.parametrize(
    "told", ['{"length": -1}', '{"length": "x"}', '{"length": 1e999}', '{"pathSuffix": "../x"}', "7"]
)
async def test_a_listing_of_hdfs_that_lies(told: str, tmp_path: Path) -> None:
    good = {"length": 1, "modificationTime": 1, "type": "FILE", "pathSuffix": "a", "fileId": 1}
    entry = {**good, **json.loads(told)} if told != "7" else 7
    body = json.dumps({"FileStatuses": {"FileStatus": [entry]}}).encode()
    missing = Reply(404, b'{"RemoteException": {"exception": "FileNotFoundException"}}')
    with FakeS3({}, instead=lambda asked: Reply(200, body) if "LISTSTATUS" in asked.target else missing) as server:
        storage = AsyncStorage(Limits(attempts=1), environ={}, config=HDFSConfig(server.endpoint))
        with pytest.raises(StorageError, match="the namenode's listing cannot be read"):
            await storage.download("hdfs:///m", tmp_path / "new")


@pytest.mark.parametrize("scheme", ["s3", "azure", "http"])
@pytest.mark.parametrize("time", ["yesterday", "Tue, 01 Sep 99999 10:20:30 GMT", "Tue, 01 Sep 2020 10:20:30 +9999999"])
async def test_a_time_that_cannot_be_read_is_none(scheme: str, time: str) -> None:
    head = Reply(200, b"m", {"Last-Modified": time, "ETag": '"1"'})
    with FakeS3({}, instead=lambda asked: head) as server:
        uri, config = PLACES[scheme](server.endpoint)
        metadata = await AsyncStorage(Limits(attempts=1), environ={}).get_object_metadata(uri, config=config)
    assert metadata["size"] == 1
    assert metadata["modified_time"] is None


@pytest.mark.parametrize("wait", ["\u00b2", "9" * 5000, "Tue, 01 Sep 99999 10:20:30 GMT", "-5", "soon"])
@pytest.mark.parametrize("scheme", PLACES)
async def test_a_retry_after_that_cannot_be_read(scheme: str, wait: str) -> None:
    with FakeS3({}, instead=lambda asked: Reply(429, b"", {"Retry-After": wait})) as server:
        uri, config = PLACES[scheme](server.endpoint)
        with pytest.raises(StorageError) as caught:
            await AsyncStorage(Limits(attempts=1), environ={}).read(uri, config=config)
    assert caught.value.status == 429
