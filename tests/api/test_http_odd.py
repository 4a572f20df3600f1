"""HTTP servers that keep their promises only in part: the file is read in a slower way, or the error says why not."""

import asyncio
import gzip
import itertools
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from sealift import (
    AsyncStorage,
    Event,
    GCSConfig,
    HFConfig,
    HTTPConfig,
    Limits,
    ModelMissingError,
    ObjectChanged,
    ServiceError,
)
from sealift.errors import TransportError
from sealift.types import MiB
from tests.api.helpers import files_in
from tests.api.servers import pattern
from tests.cli.program import run
from tests.services.http_server import Asked, OddServer, Reply, good
from tests.wire.servers import Peer
from tests.wire.servers import serve as serving

pytestmark = pytest.mark.anyio

DATA = pattern(3 * MiB + 7)
OTHER = bytes(len(DATA))
Answer = Callable[[Asked], Reply]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], OddServer]]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(OddServer(answer))


Serve = Callable[[Answer], OddServer]


def storage(**limits: Any) -> AsyncStorage:
    return AsyncStorage(Limits(**{"part_size": MiB, "attempts": 1, **limits}), environ={})


async def every_read(url: str, tmp_path: Path, data: bytes) -> list[Event]:
    """Read a file in all ways; return the events of the download."""
    events: list[Event] = []
    async with storage() as instance:
        await instance.download(url, tmp_path / "copy", on_event=events.append)
        assert await asyncio.to_thread((tmp_path / "copy").read_bytes) == data
        assert await instance.read(url) == data
        assert await instance.read(url, MiB + 1, 1000) == data[MiB + 1 : MiB + 1001]
        buffer = bytearray(2 * MiB)
        assert await instance.read_into(url, buffer, 99) == 2 * MiB
        assert buffer == data[99 : 99 + 2 * MiB]
        assert b"".join([chunk async for chunk in instance.stream(url)]) == data
    assert sum(event.size for event in events if event.kind == "progress") == len(data)
    return events


# --- ranges


async def test_ranges_that_are_promised_and_not_given(serve: Serve, tmp_path: Path) -> None:
    server = serve(lambda asked: Reply(200, DATA, {"Accept-Ranges": "bytes", "ETag": '"v"'}))
    events = await every_read(f"{server.url}/m", tmp_path, DATA)
    (retried,) = [event for event in events if event.kind == "retry"]
    assert "the whole file instead of a range, so the object is read once, in order" in str(retried.error)


async def test_ranges_that_are_given_only_at_first(serve: Serve, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        reply = good(asked, DATA)
        if asked.headers.get("range", "bytes=0-").startswith("bytes=0-"):
            return reply
        return Reply(200, DATA, {"ETag": '"v1"'})

    await every_read(f"{serve(answer).url}/m", tmp_path, DATA)


def _without_content_range(asked: Asked) -> Reply:
    reply = good(asked, DATA)
    return replace(reply, headers={name: reply.headers[name] for name in reply.headers if name != "Content-Range"})


def _several_parts(asked: Asked) -> Reply:
    reply = _without_content_range(asked)
    if reply.status != 206:
        return reply
    head = b"--x\r\nContent-Range: bytes 0-0/1\r\n\r\n"
    body = head + reply.body + b"\r\n--x--\r\n"
    return replace(reply, body=body, headers={**reply.headers, "Content-Type": "multipart/byteranges; boundary=x"})


def _refusing(status: int, header: str) -> Answer:
    return lambda asked: Reply(status, b"") if header in asked.headers else good(asked, DATA)


@pytest.mark.parametrize(
    "answer",
    [
        _without_content_range,
        _several_parts,
        _refusing(400, "range"),
        _refusing(501, "range"),
        _refusing(416, "range"),
        _refusing(400, "if-match"),
    ],
    ids=["no Content-Range", "multipart", "400", "501", "416", "400 for If-Match"],
)
async def test_ranges_that_are_promised_and_refused(serve: Serve, tmp_path: Path, answer: Answer) -> None:
    events = await every_read(f"{serve(answer).url}/m", tmp_path, DATA)
    assert "so the object is read once, in order" in str([event.error for event in events if event.kind == "retry"])


# --- versions


@pytest.mark.parametrize("conditions", [True, False], ids=["If-Match", "no conditions"])
async def test_etags_that_differ_from_one_response_to_the_next(serve: Serve, tmp_path: Path, conditions: bool) -> None:
    number = itertools.count()

    def answer(asked: Asked) -> Reply:
        if not conditions:
            asked = replace(asked, headers={name: asked.headers[name] for name in asked.headers if name != "if-match"})
        return good(asked, DATA, f'"{next(number)}"')

    events = await every_read(f"{serve(answer).url}/m", tmp_path, DATA)
    assert "differs from one response to the next" in str([event.error for event in events if event.kind == "retry"])


async def test_ranges_without_an_etag(serve: Serve, tmp_path: Path) -> None:
    """Some proxies send the ETag with a HEAD and with the whole file only."""

    def answer(asked: Asked) -> Reply:
        plain = {name: value for name, value in asked.headers.items() if name != "if-match"}
        return good(replace(asked, headers=plain), DATA, None if "range" in asked.headers else '"v1"')

    events = await every_read(f"{serve(answer).url}/m", tmp_path, DATA)
    assert "without their version" in str([event.error for event in events if event.kind == "retry"])


async def test_parts_of_another_version_than_head_says(serve: Serve, tmp_path: Path) -> None:
    """Two servers behind one address, of which one has an old file: its metadata is never that of the other."""

    def answer(asked: Asked) -> Reply:
        first = asked.method == "HEAD" or asked.headers.get("range") in {"bytes=0-1048575", "bytes=0-3145734"}
        return good(asked, *((DATA, '"v1"') if first else (OTHER, '"v2"')))

    async with storage() as instance:
        await instance.download(f"{serve(answer).url}/m", tmp_path / "m")
    assert await asyncio.to_thread((tmp_path / "m").read_bytes) == OTHER


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
@pytest.mark.parametrize("tag", ['"v1"', None])
async def test_a_length_that_differs_between_head_and_get(
    serve: Serve, tmp_path: Path, size: int, tag: str | None
) -> None:
    def answer(asked: Asked) -> Reply:
        length = {"Content-Length": str(size)} if asked.method == "HEAD" else {}
        return Reply(200, DATA, {**length, **({"ETag": tag} if tag else {})})

    async with storage() as instance:
        await instance.download(f"{serve(answer).url}/m", tmp_path / "m")
        assert await instance.read(f"{serve(answer).url}/m") == DATA
    assert await asyncio.to_thread((tmp_path / "m").read_bytes) == DATA


@pytest.mark.parametrize("tag", ['W/"v1"', "3f786850e387550f", "v1-gzip"])
async def test_a_weak_or_unquoted_etag(serve: Serve, tmp_path: Path, tag: str) -> None:
    def answer(asked: Asked) -> Reply:
        assert "if-match" not in asked.headers
        return good(asked, DATA, tag)

    server = serve(answer)
    await every_read(f"{server.url}/m", tmp_path, DATA)
    assert sum("range" in asked.headers for asked in server.asked) > 4


@pytest.mark.parametrize("changed", ["ETag", "Last-Modified"])
async def test_a_file_with_a_weak_etag_that_is_replaced(serve: Serve, tmp_path: Path, changed: str) -> None:
    heads = itertools.count()

    def answer(asked: Asked) -> Reply:
        old = next(heads) == 0 if asked.method == "HEAD" else asked.headers.get("range") == "bytes=0-1048575"
        if old:
            return good(asked, DATA, 'W/"v1"')
        reply = good(asked, OTHER, 'W/"v1"')
        new = {"ETag": 'W/"v2"'} if changed == "ETag" else {"Last-Modified": "Tue, 01 Sep 2020 10:20:31 GMT"}
        return replace(reply, headers={**reply.headers, **new})

    async with storage() as instance:
        if changed == "ETag":
            with pytest.raises(ObjectChanged):
                await instance.download(f"{serve(answer).url}/m", tmp_path / "m")
            assert await asyncio.to_thread(files_in, tmp_path) == {}
        else:  # the same version, as far as its name says: read once, from one response
            await instance.download(f"{serve(answer).url}/m", tmp_path / "m")
            assert await asyncio.to_thread((tmp_path / "m").read_bytes) == OTHER


async def test_a_weak_etag_of_a_file_that_has_just_changed_pins_nothing(serve: Serve, tmp_path: Path) -> None:
    date = {"Date": "Tue, 01 Sep 2020 10:20:30 GMT"}

    def answer(asked: Asked) -> Reply:
        reply = good(asked, DATA, 'W/"v1"')
        return replace(reply, headers={**reply.headers, **date})

    server = serve(answer)
    await every_read(f"{server.url}/m", tmp_path, DATA)
    assert not any("range" in asked.headers for asked in server.asked)


# --- HEAD


async def test_a_head_without_the_length_of_a_file_with_ranges(serve: Serve, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        reply = good(asked, DATA)
        return replace(reply, framing="none") if asked.method == "HEAD" else reply

    server = serve(answer)
    assert [event for event in await every_read(f"{server.url}/m", tmp_path, DATA) if event.kind == "retry"] == []
    ranges = {asked.headers["range"] for asked in server.asked if "range" in asked.headers}
    assert "bytes=1048576-2097151" in ranges


async def test_a_head_that_closes_the_connection(serve: Serve) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD":
            raise ConnectionResetError
        return good(asked, DATA)

    server = serve(answer)
    async with storage() as instance:
        assert await instance.read(f"{server.url}/m") == DATA


@pytest.mark.parametrize("status", [403, 405, 500, 502, 503, 504])
async def test_a_server_that_refuses_head(serve: Serve, status: int, tmp_path: Path) -> None:
    server = serve(lambda asked: Reply(status) if asked.method == "HEAD" else good(asked, DATA))
    assert [event for event in await every_read(f"{server.url}/m", tmp_path, DATA) if event.kind == "retry"] == []


@pytest.mark.parametrize("status", [400, 416, 501])
async def test_a_server_that_refuses_head_and_ranges(serve: Serve, status: int) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(status) if asked.method == "HEAD" or "range" in asked.headers else Reply(200, DATA)

    async with storage() as instance:
        assert await instance.read(f"{serve(answer).url}/m") == DATA


@pytest.mark.parametrize("data", [b"", b"x"])
async def test_a_small_file_whose_server_refuses_head(serve: Serve, data: bytes) -> None:
    server = serve(lambda asked: Reply(404) if asked.method == "HEAD" else good(asked, data))
    async with storage() as instance:
        assert await instance.read(f"{server.url}/m") == data
        assert (await instance.get_object_metadata(f"{server.url}/m"))["size"] == len(data)


async def test_a_missing_file_costs_one_request_more(serve: Serve) -> None:
    server = serve(lambda asked: Reply(404))
    async with storage() as instance:
        with pytest.raises(ModelMissingError):
            await instance.read(f"{server.url}/m")
    assert server.methods() == ["HEAD", "GET"]


async def test_the_first_byte_may_take_longer_than_other_bytes(serve: Serve) -> None:
    server = serve(lambda asked: good(asked, DATA))
    async with storage() as instance:
        assert await instance.read(f"{server.url}/m", config=HTTPConfig(first_byte_timeout=1000)) == DATA
    with pytest.raises(ValueError, match="first_byte_timeout"):
        HTTPConfig(first_byte_timeout=0)


# --- encodings


@pytest.mark.parametrize(
    ("name", "coding", "data"),
    [
        ("model.tar.gz", "x-gzip", gzip.compress(DATA)),
        ("model.TGZ", "gzip", gzip.compress(DATA)),
        ("model.tar.zst", "zstd", DATA),
        ("model.br", "br", DATA),
        ("model.onnx", "aws-chunked", DATA),
        ("model.tar.gz", "aws-chunked, gzip", gzip.compress(DATA)),
    ],
)
async def test_a_stored_encoding_is_kept(serve: Serve, tmp_path: Path, name: str, coding: str, data: bytes) -> None:
    def answer(asked: Asked) -> Reply:
        return good(asked, data, Content_Encoding=coding)

    server = serve(answer)
    async with storage() as instance:
        await instance.download(f"{server.url}/{name}", f"{tmp_path}/")
        assert await instance.read(f"{server.url}/{name}", 5, 100) == data[5:105]
    assert await asyncio.to_thread((tmp_path / name).read_bytes) == data


@pytest.mark.parametrize(
    ("name", "coding", "body", "data"),
    [
        ("m", "gzip, gzip", gzip.compress(gzip.compress(DATA)), DATA),
        ("m", "deflate,gzip", gzip.compress(zlib.compress(DATA)), DATA),
        ("m.gz", "gzip, gzip", gzip.compress(gzip.compress(DATA)), gzip.compress(DATA)),
        ("m.json", "gzip", gzip.compress(DATA), DATA),
        ("m", "GZIP", gzip.compress(DATA), DATA),
        # What uploaders write by mistake: no encodings, so the file is sent as it is.
        ("m", "none", DATA, DATA),
        ("m", "utf-8", DATA, DATA),
        ("m", "binary", DATA, DATA),
        ("m", "UTF-8, gzip", gzip.compress(DATA), DATA),
    ],
)
async def test_other_encodings_are_decoded(
    serve: Serve, tmp_path: Path, name: str, coding: str, body: bytes, data: bytes
) -> None:
    server = serve(lambda asked: Reply(200, body, {"Content-Encoding": coding}))
    async with storage() as instance:
        await instance.download(f"{server.url}/{name}", f"{tmp_path}/")
    got = await asyncio.to_thread((tmp_path / name).read_bytes)
    assert (got == data) if name != "m.gz" else (gzip.decompress(got) == DATA)


# --- names and pages


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/download/models/126688?type=Model", "v1-5.safetensors"),
        ("/api/records/1/files/v1-5.safetensors/content", "v1-5.safetensors"),
        ("/download.php?id=3", "v1-5.safetensors"),
        ("/v1.0", "v1-5.safetensors"),
        ("/files/own.onnx", "own.onnx"),
    ],
)
async def test_the_name_in_a_directory(serve: Serve, tmp_path: Path, path: str, name: str) -> None:
    server = serve(lambda asked: good(asked, b"w", Content_Disposition='attachment; filename="v1-5.safetensors"'))
    async with storage() as instance:
        await instance.download(f"{server.url}{path}", f"{tmp_path}/")
    assert await asyncio.to_thread(files_in, tmp_path) == {name: b"w"}


PAGE = b"\n<!DOCTYPE html><html><title>Log in</title></html>"


async def test_a_web_page_instead_of_a_file(serve: Serve, tmp_path: Path) -> None:
    server = serve(lambda asked: good(asked, PAGE, Content_Type="text/html; charset=utf-8"))
    async with storage() as instance:
        with pytest.raises(ServiceError, match="a web page instead of the file"):
            await instance.download(f"{server.url}/m.safetensors", tmp_path)
        for name in ("index.html", "m", "page.php"):
            assert await instance.read(f"{server.url}/{name}") == PAGE
    assert await asyncio.to_thread(files_in, tmp_path) == {}


@pytest.mark.parametrize("start", [b"<!-- saved -->\n", b'<?xml version="1.0"?>\n<!-- a --> ', b"\xef\xbb\xbf\n"])
async def test_the_beginnings_of_web_pages(serve: Serve, start: bytes) -> None:
    server = serve(lambda asked: good(asked, start + PAGE, Content_Type="text/html"))
    with pytest.raises(ServiceError, match="a web page instead of the file"):
        await storage().read(f"{server.url}/model.bin")


async def test_a_web_page_that_arrives_in_pieces(serve: Serve) -> None:
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in PAGE) + b"0\r\n\r\n"
    headers = {"Content-Type": "text/html", "Transfer-Encoding": "chunked"}
    server = serve(lambda asked: Reply(200, body, headers, framing="none"))
    with pytest.raises(ServiceError, match="a web page instead of the file"):
        await storage().read(f"{server.url}/model.bin")


async def test_a_file_with_the_type_of_a_web_page(serve: Serve) -> None:
    server = serve(lambda asked: good(asked, DATA, Content_Type="text/html"))
    async with storage() as instance:
        assert await instance.read(f"{server.url}/m.safetensors") == DATA


def test_the_command_line_does_not_list_http(serve: Serve, tmp_path: Path) -> None:
    server = serve(lambda asked: Reply(200, PAGE, {"Content-Type": "text/html"}))
    result = run("cp", "-r", f"{server.url}/models/", f"{tmp_path}/models")
    assert result.returncode == 2
    assert "cannot be listed" in str(result.stderr)
    assert server.asked == []


# --- cookies


def consent(cookie: str, headers: Mapping[str, str] | None = None) -> Answer:
    def answer(asked: Asked) -> Reply:
        if "seen=1" in asked.headers.get("cookie", ""):
            return good(asked, DATA)
        return Reply(302, b"", {"Set-Cookie": cookie, "Location": asked.target, **(headers or {})})

    return answer


@pytest.mark.parametrize("cookie", ["seen=1; Path=/", "seen=1", "seen=1; Domain=127.0.0.1; HttpOnly; SameSite=Lax"])
async def test_a_cookie_that_a_redirect_sets_is_sent_back(serve: Serve, tmp_path: Path, cookie: str) -> None:
    server = serve(consent(cookie))
    await every_read(f"{server.url}/m", tmp_path, DATA)
    async with storage() as instance:
        assert await instance.read(f"{server.url}/m", config=HTTPConfig({"Cookie": "own=2"})) == DATA
    assert server.asked[-1].headers["cookie"] == "own=2; seen=1"


@pytest.mark.parametrize(
    "cookie",
    [
        "seen=1; Secure", "__Host-seen=1; Path=/", "seen=1; Domain=example.com", "seen=1; Path=/other",
        "seen=1; Max-Age=0",
        "seen=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "seen", "seen=1\x01",
    ],
)  # fmt: skip
async def test_a_cookie_that_must_not_be_sent(serve: Serve, cookie: str) -> None:
    server = serve(consent(cookie))
    async with storage() as instance:
        with pytest.raises(TransportError, match="redirects in a loop"):
            await instance.read(f"{server.url}/m")
    assert not any("cookie" in asked.headers for asked in server.asked)


async def test_cookies_stay_with_their_host_and_call(serve: Serve) -> None:
    other = serve(lambda asked: good(asked, DATA))
    elsewhere = other.url.replace("127.0.0.1", "localhost")
    server = serve(consent("a=1", {"Location": f"{elsewhere}/m"}))
    async with storage() as instance:
        config = HTTPConfig({"Cookie": "own=2"}, allow_local_redirects=True)
        for _ in range(2):
            assert await instance.read(f"{server.url}/m", config=config) == DATA
    assert not any("cookie" in asked.headers for asked in other.asked)
    assert {asked.headers["cookie"] for asked in server.asked} == {"own=2"}


async def test_a_head_that_is_never_answered() -> None:
    async def handler(peer: Peer) -> None:
        while True:
            head = await peer.request()
            if head.method == "HEAD":
                await peer.until_disconnected()
                return
            await peer.respond(DATA)

    async with serving(handler) as server, storage(idle_timeout=0.5, min_throughput=0) as instance:
        assert await instance.read(f"http://{server.origin.netloc}/m") == DATA


# --- certificates


@pytest.mark.parametrize("scheme", ["hf", "gs", "https"])
async def test_every_configuration_can_name_certificates(scheme: str, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca = tmp_path / "ca.pem"
    await asyncio.to_thread(authority.cert_pem.write_to_path, str(ca))
    with OddServer(lambda asked: Reply(404), tls=context) as server:
        uri, configure = {
            "hf": ("hf://owner/name/m", partial(HFConfig, endpoint=server.url, anonymous=True)),
            "gs": ("gs://bucket/m", partial(GCSConfig, endpoint_url=server.url, anonymous=True)),
            "https": (f"{server.url}/m", HTTPConfig),
        }[scheme]
        async with storage() as instance:
            with pytest.raises(TransportError, match="is not trusted"):
                await instance.read(uri, config=configure())
            for verify in (str(ca), False):
                with pytest.raises(ModelMissingError):
                    await instance.read(uri, config=configure(verify_ssl=verify))
