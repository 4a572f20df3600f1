"""Read files from http and https URLs with `AsyncStorage`, `Storage` and the command line."""

import asyncio
import gzip
import http.client
import logging
import ssl
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from sealift import (
    AccessDenied,
    AsyncStorage,
    Event,
    HTTPConfig,
    InvalidConfig,
    Limits,
    ModelMissingError,
    ObjectChanged,
    S3Config,
    ServiceError,
    Storage,
    StorageOperations,
    TransportError,
    UnsafeKey,
    UnsupportedOperation,
)
from sealift.types import KiB, MiB
from tests.api.helpers import all_in, files_in, shows
from tests.api.servers import pattern
from tests.api.stores import Store, prefix
from tests.cli.program import run
from tests.services.http_server import Asked, OddServer, Reply, files, good, plain_files
from tests.services.s3 import S3Service, client, new_bucket, put_objects

pytestmark = pytest.mark.anyio

DATA = pattern(3 * MiB + 7)
SECRET = "Pa55word"
SIGNED = f"X-Amz-Signature={SECRET}&x=%2F+%41{{}}"
PARTS = [f"bytes={start}-{min(start + MiB, len(DATA)) - 1}" for start in range(0, len(DATA), MiB)]
Answer = Callable[[Asked], Reply]
Serve = Callable[..., OddServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers whose replies come from a function."""
    with ExitStack() as stack:
        yield lambda answer, **options: stack.enter_context(OddServer(answer, **options))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> HTTPConfig:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return HTTPConfig({"X-Api-Key": SECRET}, verify_ssl=str(path))


@pytest.fixture
def store(seaweedfs: S3Service) -> Store:
    return prefix(seaweedfs, new_bucket(seaweedfs, "http"), "models")


def storage(**limits: Any) -> AsyncStorage:
    return AsyncStorage(Limits(**{"part_size": MiB, "attempts": 1, **limits}), environ={})


def file(asked: Asked) -> Reply:
    return good(asked, DATA)


def without(reply: Reply, *names: str, **changes: Any) -> Reply:
    return replace(reply, headers={name: reply.headers[name] for name in reply.headers if name not in names}, **changes)


def in_one_go(asked: Asked) -> Reply:
    """The reply of a server without range support."""
    return without(Reply(200, DATA), framing="length")


def to(url: str, status: int = 302) -> Reply:
    return Reply(status, b"moved", {"Location": url})


def ranges_of(server: OddServer) -> list[str]:
    return sorted(asked.headers["range"] for asked in server.asked if "range" in asked.headers)


# --- destinations


async def test_to_a_directory_a_file_and_a_temporary_directory(
    serve: Serve, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    url = f"{serve(file).url}/models/my%20model.onnx"
    async with storage() as instance:
        assert await instance.download(url, f"{tmp_path}/new/") == f"{tmp_path}/new/my model.onnx"
        assert await instance.download(url, tmp_path) == f"{tmp_path}/my model.onnx"
        assert await instance.download(url, tmp_path / "deep/other") == f"{tmp_path}/deep/other"
        temporary = await instance.download(url, cache=False)
    assert Path(temporary).parent.parent == elsewhere
    assert files_in(Path(temporary).parent) == {"my model.onnx": DATA}
    assert files_in(tmp_path) == dict.fromkeys(("new/my model.onnx", "my model.onnx", "deep/other"), DATA)


def test_without_an_event_loop(serve: Serve, tmp_path: Path) -> None:
    url = f"{serve(file).url}/model.onnx"
    assert Storage.download(url, tmp_path) == f"{tmp_path}/model.onnx"
    assert Storage.read(url, start=5, length=10) == DATA[5:15]
    assert StorageOperations.list_objects(url) == ["model.onnx"]
    assert files_in(tmp_path) == {"model.onnx": DATA}


@pytest.mark.parametrize(
    ("path", "disposition", "name"),
    [
        ("/a/m.onnx", 'attachment; filename="other"', "m.onnx"),
        ("/a/", 'attachment; filename="m.onnx"', "m.onnx"),
        ("/", "attachment; filename*=UTF-8''mod%C3%A8le", "modèle"),
        ("", 'attachment; filename="../../m.onnx"', "m.onnx"),
        ("/%2e%2e%2f%2e%2e%2fm.onnx", None, "m.onnx"),
        ("/a/%2e%2e", 'attachment; filename="m.onnx"', "m.onnx"),
        ("/a%0Ab?name=x", None, "ab"),
    ],
)
async def test_what_the_file_is_called(
    serve: Serve, tmp_path: Path, path: str, disposition: str | None, name: str
) -> None:
    headers = {"Content_Disposition": disposition} if disposition else {}
    url = serve(lambda asked: good(asked, b"data", **headers)).url + path
    async with storage() as instance:
        assert await instance.download(url, f"{tmp_path}/in/") == f"{tmp_path}/in/{name}"
        assert await instance.list_objects(url) == [name]
    assert await asyncio.to_thread(files_in, tmp_path) == {f"in/{name}": b"data"}


@pytest.mark.parametrize("path", ["", "/", "/models/", "/models/.."])
@pytest.mark.parametrize("disposition", ["inline", 'attachment; filename=".."'])
async def test_a_file_without_a_name(serve: Serve, tmp_path: Path, path: str, disposition: str) -> None:
    url = serve(lambda asked: good(asked, b"data", Content_Disposition=disposition)).url + path
    async with storage() as instance:
        for dest in (tmp_path, None):
            with pytest.raises(InvalidConfig, match="contains no file name .pass the path of the file"):
                await instance.download(url, dest)
        with pytest.raises(InvalidConfig, match="no file name to store it under"):
            await instance.copy(
                url, "s3://bucket/", dest_config=S3Config("A", SECRET, endpoint_url="http://127.0.0.1:1")
            )
        assert all_in(tmp_path) == set()
        assert await instance.download(url, tmp_path / "m") == f"{tmp_path}/m"
        assert await instance.read(url) == b"data"


async def test_a_name_that_is_too_long(serve: Serve, tmp_path: Path) -> None:
    url = f"{serve(file).url}/{'x' * 256}"
    with pytest.raises(UnsafeKey, match="longer than 255 bytes"):
        await storage().download(url, tmp_path)
    assert await storage().download(url, tmp_path / "m") == f"{tmp_path}/m"


# --- ranges


async def test_parts_of_one_version_at_once(serve: Serve, tmp_path: Path) -> None:
    server = serve(file)
    events: list[Event] = []
    await storage().download(f"{server.url}/m?{SIGNED}", tmp_path, on_event=events.append)
    assert await asyncio.to_thread((tmp_path / "m").read_bytes) == DATA
    assert server.methods() == ["HEAD", *["GET"] * 4]
    assert ranges_of(server) == sorted(PARTS)
    assert {asked.headers.get("if-match") for asked in server.asked[1:]} == {'"v1"'}
    assert {asked.headers["accept-encoding"] for asked in server.asked} == {"identity"}
    assert {asked.target for asked in server.asked} == {f"/m?{SIGNED}"}
    assert sum(event.size for event in events if event.kind == "progress") == len(DATA)
    assert [(event.key, event.target, event.size) for event in events if event.kind == "object"] == [
        ("m", "m", len(DATA))
    ]
    assert SECRET not in repr(events)


async def test_a_real_file_server(tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "a b").write_bytes, DATA)
    with files(tmp_path) as url:
        async with storage() as instance:
            assert (await instance.get_object_metadata(f"{url}/a%20b"))["version"] is not None
            await instance.download(f"{url}/a%20b", tmp_path / "copy")
            assert await instance.read(f"{url}/a%20b", 5, 2 * MiB) == DATA[5 : 5 + 2 * MiB]
    assert await asyncio.to_thread((tmp_path / "copy").read_bytes) == DATA


def mixing(conditions: bool, size: int) -> Answer:
    """Serve the first parts from one version and the rest from another, as does each HEAD but the first."""
    other = bytes(size)
    heads = 0

    def answer(asked: Asked) -> Reply:
        nonlocal heads
        heads += asked.method == "HEAD"
        if not conditions:
            asked = replace(asked, headers={name: asked.headers[name] for name in asked.headers if name != "if-match"})
        first = heads == 1 if asked.method == "HEAD" else asked.headers.get("range") in PARTS[:2]
        return good(asked, *((DATA, '"v1"') if first else (other, '"v2"')))

    return answer


@pytest.mark.parametrize("conditions", [True, False], ids=["If-Match", "no conditions"])
@pytest.mark.parametrize("size", [len(DATA), len(DATA) + MiB, MiB + 5], ids=["as large", "larger", "smaller"])
async def test_a_file_that_changes_meanwhile(serve: Serve, tmp_path: Path, conditions: bool, size: int) -> None:
    """The result never mixes versions, whether or not the server supports conditional requests."""
    async with storage() as instance:
        with pytest.raises((ObjectChanged, TransportError)) as caught:
            await instance.download(f"{serve(mixing(conditions, size)).url}/m?{SIGNED}", tmp_path / "m")
        if size >= len(DATA):
            assert isinstance(caught.value, ObjectChanged)
        with pytest.raises((ObjectChanged, TransportError)):
            await instance.read(f"{serve(mixing(conditions, size)).url}/m?{SIGNED}")
    assert not shows(caught.value, SECRET)
    assert all_in(tmp_path) == set()


# --- single stream


def lengthless(asked: Asked) -> Reply:
    return Reply(200, DATA, {"Accept-Ranges": "bytes", "ETag": '"v1"'}, framing="chunked")


ODD: dict[str, Answer] = {
    "no ranges": lambda asked: without(Reply(200, DATA, {"ETag": '"v1"'})),
    "no entity tag": lambda asked: good(asked, DATA, None),
    "a weak entity tag": lambda asked: without(good(asked, DATA, 'W/"v1"'), "Last-Modified"),
    "chunked": lengthless,
    "until it closes": lambda asked: Reply(200, DATA, framing="close"),
    "a length that only the reply to HEAD lacks": lambda asked: Reply(
        200, DATA, framing="none" if asked.method == "HEAD" else "length"
    ),
}


@pytest.mark.parametrize("kind", ODD)
async def test_what_has_no_ranges_is_read_once(serve: Serve, tmp_path: Path, kind: str) -> None:
    server = serve(ODD[kind])
    events: list[Event] = []
    async with storage() as instance:
        await instance.download(f"{server.url}/m", tmp_path, on_event=events.append)
        # A range would tell the length that a HEAD with Accept-Ranges lacks.
        first_byte = ["GET"] if kind == "chunked" else []
        assert server.methods() == ["HEAD", *first_byte, "GET"]
        assert "range" not in server.asked[-1].headers
        assert await instance.read(f"{server.url}/m") == DATA
        assert await instance.read(f"{server.url}/m", MiB + 1, 1000) == DATA[MiB + 1 : MiB + 1001]
        assert await instance.read(f"{server.url}/m", 3 * MiB) == DATA[3 * MiB :]
        buffer = bytearray(1000)
        assert await instance.read_into(f"{server.url}/m", buffer, 99) == 1000
        assert buffer == DATA[99:1099]
        assert b"".join([chunk async for chunk in instance.stream(f"{server.url}/m")]) == DATA
    assert await asyncio.to_thread((tmp_path / "m").read_bytes) == DATA
    assert sum(event.size for event in events if event.kind == "progress") == len(DATA)


@pytest.mark.parametrize("kind", [*ODD, "ranges"])
def test_the_odd_server_speaks_http(serve: Serve, kind: str) -> None:
    """The standard library's client reads the same bytes."""
    server = serve(ODD.get(kind, file))
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    if kind == "ranges":
        connection.request("GET", "/m", headers={"Range": "bytes=5-14"})
        reply = connection.getresponse()
        assert (reply.status, reply.read()) == (206, DATA[5:15])
        assert reply.getheader("Content-Range") == f"bytes 5-14/{len(DATA)}"
    connection.request("GET", "/m")
    assert connection.getresponse().read() == DATA
    connection.close()


async def test_the_standard_library_s_server(tmp_path: Path) -> None:
    """HTTP/1.0, without ranges or entity tags."""
    await asyncio.to_thread((tmp_path / "m.onnx").write_bytes, DATA)
    with plain_files(tmp_path) as url:
        async with storage() as instance:
            metadata = await instance.get_object_metadata(f"{url}/m.onnx")
            await instance.download(f"{url}/m.onnx", tmp_path / "copy")
            with pytest.raises(ModelMissingError, match=f"download {url}/none: the server has no such file"):
                await instance.download(f"{url}/none", tmp_path / "none")
    assert (metadata["size"], metadata["version"]) == (len(DATA), None)
    assert await asyncio.to_thread((tmp_path / "copy").read_bytes) == DATA


async def test_an_empty_file(serve: Serve, tmp_path: Path) -> None:
    for name, answer in {
        "ranges": lambda asked: good(asked, b""),
        "length": lambda asked: Reply(200),
        "chunked": lambda asked: Reply(200, framing="chunked"),
        "close": lambda asked: Reply(200, framing="close"),
    }.items():
        url = serve(answer).url
        await storage().download(f"{url}/m", tmp_path / name)
        assert await storage().read(f"{url}/m") == b""
    assert await asyncio.to_thread(files_in, tmp_path) == dict.fromkeys(("ranges", "length", "chunked", "close"), b"")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, DATA, sent=2 * MiB),
        Reply(200, DATA, framing="chunked", sent=2 * MiB),
        Reply(200, gzip.compress(DATA)[:-1], {"Content-Encoding": "gzip"}),
        Reply(200, gzip.compress(DATA) + b"more", {"Content-Encoding": "gzip"}),
        Reply(200, DATA, {"Content-Encoding": "gzip"}),
        Reply(200, DATA, {"Content-Encoding": "br"}),
        Reply(200, gzip.compress(DATA), {"Content-Encoding": "gzip, br"}),
    ],
    ids=["short", "short chunks", "short gzip", "long gzip", "no gzip", "br", "twice"],
)
async def test_a_body_that_cannot_be_trusted(serve: Serve, tmp_path: Path, reply: Reply) -> None:
    url = f"{serve(lambda asked: reply).url}/m?{SIGNED}"
    async with storage() as instance:
        with pytest.raises(TransportError) as caught:
            await instance.download(url, tmp_path / "m")
        with pytest.raises(TransportError):
            await instance.read(url)
    assert not shows(caught.value, SECRET)
    assert all_in(tmp_path) == set()


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
async def test_a_file_of_another_size_than_was_told(serve: Serve, tmp_path: Path, size: int) -> None:
    sizes = [size]

    def answer(asked: Asked) -> Reply:
        return Reply(200, DATA, {"Content-Length": str(sizes.pop())} if sizes else {})

    with pytest.raises(ObjectChanged, match="size of the file has changed"):
        await storage().download(f"{serve(answer).url}/m", tmp_path / "m")
    assert all_in(tmp_path) == set()


async def test_a_stream_that_broke_off_is_begun_again(serve: Serve, tmp_path: Path) -> None:
    replies = [Reply(200, DATA, framing="none"), Reply(200, DATA, framing="chunked", sent=2 * MiB)]
    server = serve(lambda asked: replies.pop(0) if replies else Reply(200, DATA, framing="chunked"))
    events: list[Event] = []
    await storage(attempts=2).download(f"{server.url}/m", tmp_path / "m", on_event=events.append)
    assert await asyncio.to_thread((tmp_path / "m").read_bytes) == DATA
    assert [event.kind for event in events].count("retry") == 1
    assert sum(event.size for event in events if event.kind == "progress") == len(DATA)


# --- encoded bodies


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("identity", bytes),
    ],
)
@pytest.mark.parametrize("told", [True, False], ids=["told to HEAD", "not told to HEAD"])
async def test_what_is_encoded_although_it_should_not_be(
    serve: Serve, tmp_path: Path, coding: str, encode: Callable[[bytes], bytes], told: bool
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD" and not told:
            return Reply(200, DATA)
        tag = '"v1"' if coding == "identity" else 'W/"v1"'
        return Reply(200, encode(DATA), {"Content-Encoding": coding, "ETag": tag})

    server = serve(answer)
    async with storage() as instance:
        await instance.download(f"{server.url}/m", tmp_path / "m")
        assert await instance.read(f"{server.url}/m", 1000, 5000) == DATA[1000:6000]
        size = (await instance.get_object_metadata(f"{server.url}/m"))["size"]
    assert size == (None if told and coding != "identity" else len(DATA))
    assert await asyncio.to_thread((tmp_path / "m").read_bytes) == DATA
    assert {asked.headers["accept-encoding"] for asked in server.asked} == {"identity"}


async def test_an_encoded_range_is_refused(serve: Serve, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        reply = file(asked)
        return (
            reply if asked.method == "HEAD" else replace(reply, headers={**reply.headers, "Content-Encoding": "gzip"})
        )

    server = serve(answer)
    with pytest.raises(TransportError, match="encoded body .* without Content-Encoding") as caught:
        await storage(attempts=3, connections=1).download(f"{server.url}/m", tmp_path / "m")
    assert not caught.value.retryable
    assert all_in(tmp_path) == set()
    assert [asked.method for asked in server.asked] == ["HEAD", "GET"]  # not requested again


# --- redirects


async def test_redirects_are_followed_once_for_all_parts(serve: Serve, tmp_path: Path) -> None:
    cdn = serve(lambda asked: good(asked, DATA) if asked.path == "/cdn/b c".replace(" ", "%20") else Reply(404))
    hub = serve(lambda asked: to(f"{cdn.url}/cdn/b c?{SIGNED}") if asked.path == "/2" else to("2", 307))
    events: list[Event] = []
    await storage().download(f"{hub.url}/m", tmp_path, on_event=events.append)
    assert await asyncio.to_thread(files_in, tmp_path) == {"m": DATA}
    assert [asked.target for asked in hub.asked] == ["/m", "/2"]
    assert cdn.methods() == ["HEAD", *["GET"] * 4]
    assert {asked.target for asked in cdn.asked} == {f"/cdn/b%20c?{SIGNED}"}
    assert ranges_of(cdn) == sorted(PARTS)
    assert SECRET not in repr(events)


async def test_headers_go_to_the_origin_of_the_uri_only(serve: Serve, tmp_path: Path) -> None:
    """They are not sent to another port, nor after a redirect from there back to the origin."""
    urls: dict[str, str] = {}
    other = serve(lambda asked: to(f"{urls['hub']}/back"))
    hub = serve(lambda asked: file(asked) if asked.path in {"/back", "/same"} else to(urls["to"]))
    urls |= {"hub": hub.url, "to": f"{other.url}/x"}
    config = HTTPConfig({"Authorization": SECRET, "X-Api-Key": SECRET, "User-Agent": SECRET})
    async with storage() as instance:
        await instance.download(f"{hub.url}/m", tmp_path, config=config)
        assert [asked.path for asked in hub.asked] == ["/m", *["/back"] * 5]
        for asked in (*other.asked, *hub.asked[1:]):
            assert SECRET not in repr(asked.headers)
            assert asked.headers["user-agent"].startswith("sealift/")
        assert {hub.asked[0].headers[name.lower()] for name in config.headers} == {SECRET}
        urls["to"] = "/same"
        del hub.asked[:]
        await instance.download(f"{hub.url}/m", tmp_path, config=config)
        assert {asked.headers[name.lower()] for asked in hub.asked for name in config.headers} == {SECRET}


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_redirects_end(serve: Serve, method: str) -> None:
    """Up to ten redirects are followed, for HEAD and for the GET that replaces it."""

    def answer(asked: Asked) -> Reply:
        if asked.method != method:
            return Reply(405)
        left = int(asked.path[1:])
        return to(f"/{left - 1}?{SIGNED}") if left else Reply(200, b"data", framing="chunked")

    server = serve(answer)
    if method == "GET":
        assert await storage().read(f"{server.url}/10") == b"data"
    else:
        assert await storage().list_objects(f"{server.url}/10") == ["10"]
    with pytest.raises(TransportError, match="more than 10 redirects") as caught:
        await storage().read(f"{server.url}/11")
    assert not shows(caught.value, SECRET)


@pytest.mark.parametrize("location", ["/m", "/m#x", "/n", ""])
async def test_redirects_in_a_circle(serve: Serve, location: str) -> None:
    server = serve(lambda asked: to("/m" if asked.path == "/n" else location))
    with pytest.raises(TransportError, match=r"127.0.0.1:\d+ redirects in a loop"):
        await storage(attempts=5).read(f"{server.url}/m")
    assert len(server.asked) <= 2


async def test_a_redirect_to_nowhere(serve: Serve) -> None:
    with pytest.raises(ServiceError, match="the server answered 302"):
        await storage().read(f"{serve(lambda asked: Reply(302)).url}/m")


async def test_never_from_https_to_http(
    serve: Serve, certificate: ssl.SSLContext, trusted: HTTPConfig, tmp_path: Path
) -> None:
    plain = serve(file)
    secure = serve(lambda asked: to(f"{plain.url}/m?{SIGNED}"), tls=certificate)
    with pytest.raises(TransportError, match="redirects from https to http") as caught:
        await storage(attempts=5).download(f"{secure.url}/m", tmp_path, config=trusted)
    assert not shows(caught.value, SECRET)
    assert not plain.asked
    assert len(secure.asked) == 1


async def test_from_http_to_https(
    serve: Serve, certificate: ssl.SSLContext, trusted: HTTPConfig, tmp_path: Path
) -> None:
    secure = serve(file, tls=certificate)
    plain = serve(lambda asked: to(f"{secure.url}/m", 301))
    await storage().download(f"{plain.url}/m", tmp_path, config=trusted)
    assert await asyncio.to_thread(files_in, tmp_path) == {"m": DATA}
    assert plain.asked[0].headers["x-api-key"] == SECRET
    assert "x-api-key" not in repr(secure.asked)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_signed_url_that_expires_is_asked_for_again(serve: Serve, tmp_path: Path, status: int) -> None:
    """It is renewed once for all parts without using a retry; the new URL must serve the same version."""
    issued = 0

    def expiring(asked: Asked) -> Reply:
        return Reply(status) if asked.target == "/m?sig=1" and "range" in asked.headers else file(asked)

    def sign(asked: Asked) -> Reply:
        nonlocal issued
        issued += 1
        return to(f"{cdn.url}/m?sig={issued}")

    cdn = serve(expiring)
    hub = serve(sign)
    await storage().download(f"{hub.url}/m", tmp_path)
    assert await asyncio.to_thread(files_in, tmp_path) == {"m": DATA}
    assert hub.methods() == ["HEAD", "HEAD"]
    assert sum(asked.target == "/m?sig=2" and asked.method == "GET" for asked in cdn.asked) == 4


async def test_a_stream_behind_a_signed_url_that_expires(serve: Serve) -> None:
    issued = 0

    def sign(asked: Asked) -> Reply:
        nonlocal issued
        issued += 1
        return to(f"{cdn.url}/m?sig={issued}")

    cdn = serve(lambda asked: in_one_go(asked) if asked.method == "HEAD" or issued == 2 else Reply(403))
    assert await storage().read(f"{serve(sign).url}/m") == DATA


async def test_signed_urls_that_are_never_good(serve: Serve, tmp_path: Path) -> None:
    issued = 0

    def sign(asked: Asked) -> Reply:
        nonlocal issued
        issued += 1
        return to(f"{cdn.url}/m?sig={SECRET}{issued}")

    cdn = serve(lambda asked: file(asked) if asked.method == "HEAD" else Reply(403, SECRET.encode()))
    hub = serve(sign)
    with pytest.raises(AccessDenied, match=f"denied access .403. .the URL redirects to 127.0.0.1:{cdn.port}") as caught:
        await storage(part_size=8 * MiB).download(f"{hub.url}/m", tmp_path)
    assert len(hub.asked) == 2
    assert not shows(caught.value, SECRET)


# --- HEAD


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 410, 500, 501])
async def test_a_server_that_refuses_head(serve: Serve, tmp_path: Path, status: int) -> None:
    server = serve(lambda asked: Reply(status) if asked.method == "HEAD" else file(asked))
    await storage().download(f"{server.url}/m?{SIGNED}", tmp_path)
    assert await asyncio.to_thread(files_in, tmp_path) == {"m": DATA}
    assert server.methods()[:2] == ["HEAD", "GET"]
    assert ranges_of(server) == sorted(["bytes=0-0", *PARTS])
    assert {asked.target for asked in server.asked} == {f"/m?{SIGNED}"}


async def test_the_body_of_a_file_is_not_read_to_know_its_size(serve: Serve) -> None:
    """The body exceeds every buffer on the way and never ends."""
    size = 1 << 50
    server = serve(
        lambda asked: Reply(405) if asked.method == "HEAD" else Reply(200, DATA, {"Content-Length": str(size)})
    )
    assert (await storage().get_object_metadata(f"{server.url}/m"))["size"] == size


async def test_a_head_without_a_length_of_its_own(serve: Serve) -> None:
    """Some web frameworks answer HEAD like this when the application does not handle it."""
    server = serve(lambda asked: Reply(200) if asked.method == "HEAD" else file(asked))
    assert await storage().read(f"{server.url}/m") == DATA


# --- error replies


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (401, AccessDenied, "the server denied access .401."),
        (403, AccessDenied, "the server denied access .403."),
        (404, ModelMissingError, "the server has no such file .404."),
        (410, ModelMissingError, "the server has no such file .410."),
        (418, ServiceError, "the server answered 418"),
    ],
)
async def test_refusals(serve: Serve, tmp_path: Path, status: int, kind: type[Exception], text: str) -> None:
    server = serve(lambda asked: Reply(status, f"no {SIGNED}".encode()))
    url = f"{server.url}/a/m"
    with pytest.raises(kind, match=f"^download {url}: {text}") as caught:
        await storage(attempts=5).download(f"{url}?{SIGNED}", tmp_path / "m", config=HTTPConfig({"X-Api-Key": SECRET}))
    assert not shows(caught.value, SECRET)
    assert all_in(tmp_path) == set()
    assert server.methods() == ["HEAD", "GET"]


@pytest.mark.parametrize(
    ("query", "headers", "hint"),
    [
        ("", {}, r"pass them as HTTPConfig\(headers=…\)"),
        ("?sig=x", {}, "if the URL is signed, it may have expired"),
        ("", {"Authorization": SECRET}, r"check HTTPConfig\(headers=…\)"),
    ],
)
async def test_what_to_do_about_a_refusal(serve: Serve, query: str, headers: dict[str, str], hint: str) -> None:
    url = serve(lambda asked: Reply(401)).url
    with pytest.raises(AccessDenied, match=hint):
        await storage().read(f"{url}/m{query}", config=HTTPConfig(headers))


async def test_headers_that_the_redirect_s_target_does_not_get(serve: Serve) -> None:
    other = serve(lambda asked: Reply(401))
    hub = serve(lambda asked: to(f"{other.url}/x"))
    with pytest.raises(
        AccessDenied, match=f"redirects to 127.0.0.1:{other.port}, which does not get the headers of HTTPConfig"
    ):
        await storage().read(f"{hub.url}/m", config=HTTPConfig({"Authorization": SECRET}))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_busy_servers_are_asked_again_when_they_say(serve: Serve, tmp_path: Path, status: int) -> None:
    busy = [Reply(status, headers={"Retry-After": "0"}), Reply(status), Reply(status)]
    server = serve(lambda asked: busy.pop() if busy and asked.method == "GET" else file(asked))
    events: list[Event] = []
    await storage(attempts=5).download(f"{server.url}/m?{SIGNED}", tmp_path, on_event=events.append)
    assert await asyncio.to_thread(files_in, tmp_path) == {"m": DATA}
    assert [event.kind for event in events].count("retry") == 3
    assert SECRET not in repr(events) + "".join(str(event.error) for event in events)


async def test_a_server_that_asks_for_too_much_patience(serve: Serve) -> None:
    server = serve(lambda asked: Reply(503, headers={"Retry-After": "3600"}))
    with pytest.raises(ServiceError, match="given up, because the service asks to wait 3600 s"):
        await storage(attempts=5).read(f"{server.url}/m")
    assert len(server.asked) == 1


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"^download http://127.0.0.1:1/m: .*127.0.0.1:1") as caught:
        await storage().download(f"http://127.0.0.1:1/m?{SIGNED}", tmp_path)
    assert not shows(caught.value, SECRET)


# --- secrets


async def test_a_query_is_never_shown(serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"{serve(file).url}/m"
    async with storage() as instance:
        metadata = await instance.get_object_metadata(f"{url}?{SIGNED}")
        assert metadata["uri"] == url
        assert SECRET not in repr(metadata)
        assert SECRET not in repr([obj async for obj in instance.list(f"{url}?{SIGNED}")])
        assert SECRET not in await instance.copy(f"{url}?{SIGNED}", f"{tmp_path}/")
    assert SECRET not in caplog.text


def test_the_command_line_shows_no_query(serve: Serve, tmp_path: Path) -> None:
    url = f"{serve(file).url}/my%20model"
    done = run("cp", "-v", f"{url}?{SIGNED}", tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/my model\n")
    listed = run("ls", f"{url}?{SIGNED}")
    assert (listed.returncode, listed.stdout) == (0, "my model\n")
    as_json = run("cp", "--json", f"{url}?{SIGNED}", tmp_path / "copy")
    stat = run("stat", f"{url}?{SIGNED}")
    failed = run("cat", "-v", "--patience", "2", f"http://127.0.0.1:1/m?{SIGNED}")
    assert failed.returncode
    for each in (done, listed, as_json, stat, failed):
        assert SECRET not in each.stdout + each.stderr
    assert files_in(tmp_path) == dict.fromkeys(("my model", "copy"), DATA)


@pytest.fixture
def signed(seaweedfs: S3Service) -> str:
    """A presigned URL that allows only GET of one object."""
    bucket = new_bucket(seaweedfs, "signed")
    put_objects(seaweedfs, bucket, {"models/a b+c.bin": DATA})
    parameters = {"Bucket": bucket, "Key": "models/a b+c.bin"}
    url: str = client(seaweedfs).generate_presigned_url("get_object", Params=parameters, ExpiresIn=600)
    return url


async def test_a_url_signed_for_s3(signed: str, tmp_path: Path) -> None:
    """A real service checks the signature, so path and query must arrive exactly as signed."""
    async with storage() as instance:
        assert await instance.download(signed, tmp_path) == f"{tmp_path}/a b+c.bin"
        assert await instance.read(signed, MiB, 10) == DATA[MiB : MiB + 10]
        signature = signed.partition("?")[2]
        assert signature not in repr(await instance.get_object_metadata(signed))
        with pytest.raises(AccessDenied, match="it may have expired") as caught:
            await instance.read(signed[:-1] + ("0" if signed[-1] != "0" else "1"))
    assert not shows(caught.value, signature[-40:-1])
    assert await asyncio.to_thread(files_in, tmp_path) == {"a b+c.bin": DATA}


# --- reading


async def test_reading_into_memory(serve: Serve) -> None:
    server = serve(file)
    url = f"{server.url}/m"
    async with storage() as instance:
        assert await instance.read(url) == DATA
        assert await instance.read(url, 5, MiB) == DATA[5 : MiB + 5]
        assert await instance.read(url, len(DATA) + 5) == b""
        buffer = bytearray(len(DATA))
        assert await instance.read_into(url, buffer) == len(DATA)
        assert buffer == DATA
        assert b"".join([chunk async for chunk in instance.stream(url)]) == DATA
        assert b"".join([chunk async for chunk in instance.stream(url, 99, 2 * MiB)]) == DATA[99 : 99 + 2 * MiB]
        assert await instance.read_many([url, url]) == [DATA, DATA]
    assert all("range" in asked.headers for asked in server.asked if asked.method == "GET")


async def test_a_stream_within_a_small_budget(serve: Serve, tmp_path: Path) -> None:
    url = f"{serve(in_one_go).url}/m"
    instance = AsyncStorage(Limits(memory=256 * KiB), environ={})
    await instance.download(url, tmp_path)
    assert await asyncio.to_thread(files_in, tmp_path) == {"m": DATA}


# --- metadata


async def test_what_is_told_of_a_file(serve: Serve) -> None:
    told = {
        "Content_Type": "application/x-model",
        "Cache_Control": "no-store",
        "Content_Language": "de",
        "Expires": "0",
    }
    url = f"{serve(lambda asked: good(asked, DATA, **told)).url}/a/my%20model?{SIGNED}"
    async with storage() as instance:
        metadata = await instance.get_object_metadata(url)
        listed = await instance.list_objects(url)
    assert metadata.pop("modified_time").isoformat() == "2020-09-01T10:20:30+00:00"
    assert metadata == {
        "uri": url.partition("?")[0],
        "type": "object",
        "size": len(DATA),
        "etag": '"v1"',
        "version": '"v1"',
        "content_type": "application/x-model",
        "content_encoding": None,
        "content_language": "de",
        "content_disposition": None,
        "cache_control": "no-store",
        "expires": None,
        "checksums": {},
        "metadata": {},
        "tags": {},
    }
    assert listed == ["my model"]


async def test_patterns_are_about_its_name(serve: Serve, tmp_path: Path) -> None:
    url = f"{serve(file).url}/my%20model.onnx"
    async with storage() as instance:
        await instance.download(url, tmp_path, allow_patterns="my model*")
        with pytest.raises(ModelMissingError, match="the patterns exclude 'my model.onnx'"):
            await instance.download(url, tmp_path, ignore_patterns="*.onnx")


# --- writing


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_it_cannot_be_written(serve: Serve, tmp_path: Path, scheme: str) -> None:
    """The call fails without a request to either end."""
    source = serve(file)
    target = serve(file)
    there = f"{scheme}://127.0.0.1:{target.port}/m"
    path = tmp_path / "m"
    await asyncio.to_thread(path.write_bytes, b"data")
    async with storage() as instance:
        for call in (
            instance.upload(path, there),
            instance.copy(f"{source.url}/m", there),
            instance.copy_object(str(path), there),
            instance.sync(str(tmp_path), there),
            instance.sync(f"{source.url}/m", there),
            instance.delete(there),
            instance.delete(there, recursive=True),
            instance.delete_object(there),
        ):
            with pytest.raises(UnsupportedOperation, match=f"{scheme}:// can only be read"):
                await call
    assert not source.asked
    assert not target.asked


@pytest.mark.parametrize("answer", [file, in_one_go, lengthless, ODD["until it closes"]])
async def test_a_copy_to_s3(serve: Serve, store: Store, answer: Answer) -> None:
    server = serve(answer)
    async with AsyncStorage(Limits(memory=16 * MiB), environ={}) as instance:
        where = await instance.copy(f"{server.url}/a/my%20m?{SIGNED}", f"{store.uri}/x/", dest_config=store.config)
        assert where == f"{store.uri}/x/my m"
        assert await instance.copy_object(f"{server.url}/m", f"{store.uri}/y", dest_config=store.config)
    assert await asyncio.to_thread(store.content) == {"x/my m": DATA, "y": DATA}


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_large_copy_to_s3(serve: Serve, store: Store, framing: Any) -> None:
    """Multipart uploads from ranges and from a stream of unknown length; then one that is cut off."""
    data = pattern(12 * MiB + 5)
    sent: list[int | None] = [None]

    def answer(asked: Asked) -> Reply:
        return replace(good(asked, data), framing=framing, sent=None if asked.method == "HEAD" else sent[0])

    server = serve(answer)
    async with AsyncStorage(Limits(attempts=1, part_size=5 * MiB), environ={}) as instance:
        await instance.copy(f"{server.url}/m", f"{store.uri}/x", dest_config=store.config)
        sent[0] = 100 << 10  # too little for a read to continue
        with pytest.raises(TransportError):
            await instance.copy(f"{server.url}/m", f"{store.uri}/y", dest_config=store.config)
    assert await asyncio.to_thread(store.content) == {"x": data}


# --- configuration


async def test_certificates(serve: Serve, certificate: ssl.SSLContext, trusted: HTTPConfig, tmp_path: Path) -> None:
    server = serve(file, tls=certificate)
    url = f"{server.url}/m"
    async with storage() as instance:
        with pytest.raises(TransportError, match="is not trusted"):
            await instance.read(url)
        assert not server.asked
        assert await instance.read(url, config=trusted) == DATA
        assert await instance.read(url, config=HTTPConfig(verify_ssl=False)) == DATA
        with pytest.raises(TransportError, match="is not trusted"):
            await instance.read(url, config=HTTPConfig())
        with pytest.raises(InvalidConfig, match="cannot load the CA file '.*/none'"):
            await instance.read(url, config=HTTPConfig(verify_ssl=f"{tmp_path}/none"))


async def test_headers_are_sent_as_they_are(serve: Serve, tmp_path: Path) -> None:
    server = serve(file)
    config = HTTPConfig(
        {"Authorization": f"Bearer {SECRET}", "X-Tenant": "a b\tc", "Host": "models.example", "X-No": ""}
    )
    await storage().download(f"{server.url}/m", tmp_path, config=config)
    for asked in server.asked:
        assert asked.headers["authorization"] == f"Bearer {SECRET}"
        assert asked.headers["x-tenant"] == "a b\tc"
        assert asked.headers["host"] == "models.example"
        assert asked.headers["x-no"] == ""


@pytest.mark.parametrize("name", ["Range", "if-match", "Accept-Encoding", "Content-Length", "X Y", "", "x:", "ü", 1])
def test_headers_that_cannot_be_given(name: Any) -> None:
    with pytest.raises(InvalidConfig) as caught:
        HTTPConfig({name: SECRET})
    assert repr(name) in str(caught.value)
    assert not shows(caught.value, SECRET)


@pytest.mark.parametrize(
    "value", [f"{SECRET}\r\nX: y", f"{SECRET}\0", f"{SECRET}ü", f" {SECRET}", f"{SECRET} ", None, 1]
)
def test_values_that_http_cannot_carry(value: Any) -> None:
    with pytest.raises(InvalidConfig, match="the value of the header 'X-Key' is not valid in HTTP") as caught:
        HTTPConfig({"X-Key": value})
    assert not shows(caught.value, SECRET)
