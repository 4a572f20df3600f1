"""`Wire.fetch`: bodies received in place, and every response that is not the expected one."""

import asyncio

import pytest

from sealift.errors import InvalidConfig, TransportError
from sealift.wire import Request

from .servers import Handler, Peer, Server, pattern, serve, wire_with

pytestmark = pytest.mark.anyio

BODY = pattern(300_000)
CHUNKED_OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


def answering(*pieces: bytes) -> Handler:
    """Respond to every request on a connection with these pieces, sent one after the other."""

    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            for piece in pieces:
                await peer.write(piece)
                await asyncio.sleep(0.002)

    return handler


def get(server: Server, target: str = "/bucket/key", **headers: str) -> Request:
    return Request("GET", server.origin, target, list(headers.items()))


@pytest.mark.parametrize("status", ["200 OK", "206 Partial Content"])
async def test_a_body_is_received_in_place_and_adjacent_memory_is_not_touched(status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(BODY)}\r\nX-A: b\r\n\r\n".encode()
    async with serve(answering(head + BODY[:10], BODY[10:70_000], BODY[70_000:])) as server, wire_with() as wire:
        memory = bytearray(b"\xee") * (len(BODY) + 2000)
        for _ in range(3):
            response = await wire.fetch(get(server), memoryview(memory)[1000:-1000])
            assert response.status == int(status[:3])
            assert response.header("X-a") == "b"
            assert response.body == b""
            assert memory == b"\xee" * 1000 + BODY + b"\xee" * 1000
        assert len(server.peers) == 1


async def test_a_buffer_of_another_item_type() -> None:
    from array import array

    async with (
        serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\1\0\0\0\2\0\0\0")) as server,
        wire_with() as wire,
    ):
        numbers = array("i", [0, 0])
        await wire.fetch(get(server), memoryview(numbers))
        assert list(numbers) == [1, 2]


async def test_the_target_and_headers_are_sent_unchanged() -> None:
    seen = []

    async def handler(peer: Peer) -> None:
        while True:
            seen.append(await peer.reader.readuntil(b"\r\n\r\n"))
            await peer.respond(b"x")

    async with serve(handler) as server, wire_with() as wire:
        await wire.fetch(get(server, "//a/../b%2f?q=%20#&x", Range="bytes=0-0"), memoryview(bytearray(1)))
        await wire.fetch(get(server, Host="other"), memoryview(bytearray(1)))
    lines = seen[0].decode().split("\r\n")
    assert lines == ["GET //a/../b%2f?q=%20#&x HTTP/1.1", f"Host: {server.origin.netloc}", "Range: bytes=0-0", "", ""]
    assert seen[1].count(b"ost:") == 1


@pytest.mark.parametrize(
    ("data", "what"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", "sent 9 bytes, expected 10", id="short"),
        pytest.param(b"HTTP/1.1 206 OK\r\nContent-Length: 11\r\n\r\n12345678901", "sent 11 bytes", id="long"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "sent 0 bytes", id="empty"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n",
            "9 bytes",
            id="short-chunked",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n",
            "more than the expected 10",
            id="long-chunked",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not HTTP", id="bad-chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n1234567890", "not HTTP", id="coded-transfer"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n", "not HTTP", id="two-lengths"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not HTTP", id="negative"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP", id="ssh"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n", "not HTTP", id="tls-alert"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "not HTTP", id="switching"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "not HTTP", id="endless-head"),
        pytest.param(b"HTTP/1.1 103 Hint\r\n\r\n" * 20_000, "endless response head", id="endless-informational"),
    ],
)
async def test_an_unexpected_response_is_an_error_and_closes_the_connection(data: bytes, what: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(data)
        await peer.until_disconnected()

    async with serve(handler) as server, wire_with() as wire:
        for attempt in range(2):
            with pytest.raises(TransportError, match=what) as caught:
                await wire.fetch(get(server), memoryview(bytearray(10)))
            assert caught.value.retryable
            assert f"127.0.0.1:{server.origin.port}" in str(caught.value)
            assert len(server.peers) == attempt + 1


async def test_an_unrequested_content_encoding_is_a_permanent_error() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Encoding: gzip\r\n\r\n1234567890"
    async with serve(answering(data)) as server, wire_with() as wire:
        body = bytearray(10)
        with pytest.raises(
            TransportError, match=r"encoded body .* \(configure the server, or the proxy .* without"
        ) as caught:
            await wire.fetch(get(server, **{"Accept-Encoding": "identity"}), memoryview(body))
        assert not caught.value.retryable
        assert body == bytes(10)
        request = Request("GET", server.origin, "/stored-so", encoded=True)
        await wire.fetch(request, memoryview(body))
        assert body == b"1234567890"


@pytest.mark.parametrize("cut", [0, 5, 40, 45])
async def test_a_truncated_response_is_an_error(cut: int) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234567890"

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(data[:cut])

    async with serve(handler) as server, wire_with() as wire:
        with pytest.raises(TransportError, match=r"closed|was lost|was reset") as caught:
            await wire.fetch(get(server), memoryview(bytearray(10)))
        assert caught.value.retryable


async def test_chunks_are_received_on_the_same_connection() -> None:
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(c), c) for c in (BODY[:1], BODY[1:200_000], BODY[200_000:]))
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: 1\r\n\r\n"
    async with (
        serve(answering(data[:30], data[30:900], data[900:])) as server,
        wire_with() as wire,
    ):
        for _ in range(2):
            body = bytearray(len(BODY))
            await wire.fetch(get(server), memoryview(body))
            assert body == BODY
        assert len(server.peers) == 1


async def test_informational_responses_are_skipped() -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    data = hints + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    for pieces in ([data], [data[:25], data[25:90], data[90:]]):
        async with serve(answering(*pieces)) as server, wire_with() as wire:
            body = bytearray(2)
            assert (await wire.fetch(get(server), memoryview(body))).status == 200
            assert body == b"ok"


async def test_an_error_body_is_returned_up_to_a_limit() -> None:
    async def handler(peer: Peer) -> None:
        while True:
            size = int((await peer.request()).target[1:])
            await peer.respond(b"e" * size, status="503 Slow Down")

    async with serve(handler) as server, wire_with() as wire:
        into = bytearray(10)
        response = await wire.fetch(get(server, "/10"), memoryview(into))
        assert (response.status, response.body) == (503, b"e" * 10)
        response = await wire.fetch(get(server, "/65536"), memoryview(into))
        assert len(response.body) == 65536
        assert len(server.peers) == 1
        response = await wire.fetch(get(server, "/1000000"), memoryview(into))
        assert len(response.body) == 65536
        await wire.fetch(get(server, "/1"), memoryview(into))
        assert len(server.peers) == 2
        assert into == bytes(10)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nConnection: close", b"HTTP/1.0 200 OK"], ids=["connection-close", "http-1.0"]
)
async def test_a_connection_that_the_server_closes_is_not_reused(head: bytes) -> None:
    async with serve(answering(head + b"\r\nContent-Length: 2\r\n\r\nok")) as server, wire_with() as wire:
        for number in range(1, 4):
            await wire.fetch(get(server), memoryview(bytearray(2)))
            assert len(server.peers) == number


async def test_the_length_of_a_body_delimited_by_the_end_of_the_connection_is_checked() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.0 200 OK\r\n\r\n12345")

    async with serve(handler) as server, wire_with() as wire:
        body = bytearray(5)
        await wire.fetch(get(server), memoryview(body))
        assert body == b"12345"
        for wrong in (4, 6):
            with pytest.raises(TransportError):
                await wire.fetch(get(server), memoryview(bytearray(wrong)))


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
        CHUNKED_OK + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 30\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
    ids=["after-length", "after-chunks", "both-framings"],
)
async def test_unsolicited_bytes_are_never_taken_for_the_next_response(data: bytes) -> None:
    async with serve(answering(data)) as server, wire_with() as wire:
        for number in range(1, 4):
            body = bytearray(2)
            await wire.fetch(get(server), memoryview(body))
            assert body == b"ok"
            assert len(server.peers) == number


@pytest.mark.parametrize(
    "into", [b"abc", bytearray(), memoryview(bytearray(8))[::2]], ids=["readonly", "empty", "strided"]
)
async def test_an_unusable_buffer_is_refused(into: bytes) -> None:
    async with serve(answering()) as server, wire_with() as wire:
        with pytest.raises(InvalidConfig, match="buffer"):
            await wire.fetch(get(server), memoryview(into))
        assert not server.peers


async def test_head_has_no_body_to_fetch() -> None:
    async with serve(answering()) as server, wire_with() as wire:
        with pytest.raises(InvalidConfig, match="HEAD"):
            await wire.fetch(Request("HEAD", server.origin, "/"), memoryview(bytearray(1)))
