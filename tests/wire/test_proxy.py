"""HTTP proxies and NO_PROXY."""

import asyncio
import logging
from typing import Any

import pytest

from sealift.config import Proxies
from sealift.errors import ClosedError, InvalidConfig, TransportError
from sealift.wire import TLS, Origin, Request, check_range
from sealift.wire.proxy_choice import proxy_for

from .forward_proxy import ForwardProxy
from .servers import Peer, pattern, receive, serve, server_tls, wire_with

pytestmark = pytest.mark.anyio

BODY = pattern(700_000)


async def handler(peer: Peer) -> None:
    while True:
        request = await peer.request()
        size = int(request.headers.get("content-length", 0))
        if size:
            await peer.respond(b"same" if await peer.reader.readexactly(size) == BODY else b"different")
        elif request.target.startswith("/chunked"):
            chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
            await peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
        elif request.target.startswith("/redirect"):
            await peer.respond(b"go", "Location: http://elsewhere.invalid/?SECRET", status="302 Found")
        elif request.target.startswith("/gzip"):
            await peer.respond(BODY, "Content-Encoding: gzip")
        elif request.target.startswith("/silent"):
            await peer.until_disconnected()
        elif request.target.startswith("/cut"):
            await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n12345" % len(BODY))
            return
        else:
            await peer.respond(
                BODY,
                f"Content-Range: bytes 0-{len(BODY) - 1}/{len(BODY)}",
                f"X-Saw: {request.target}",
                status="206 Partial",
            )


def through(port: int, *exempt: str, user: str = "") -> Proxies:
    url = f"http://{user}127.0.0.1:{port}"
    return Proxies(http=url, https=url, exempt=exempt)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_fetch_send_and_stream_go_through_the_proxy(secure: bool, authority: Any, ca_file: str) -> None:
    forward_proxy = ForwardProxy()
    tls = server_tls(authority) if secure else None
    async with (
        serve(handler, tls=tls) as server,
        forward_proxy.running() as proxy,
        wire_with(proxies=through(proxy.origin.port)) as wire,
    ):

        def make_request(target: str, method: str = "GET") -> Request:
            return Request(method, server.origin, target, [("X-A", "b")], TLS(ca_file=ca_file))

        memory = bytearray(len(BODY) + 2)
        response = await wire.fetch(make_request("//a%2F%41//b?c=d%20&e"), memoryview(memory)[1:-1])
        assert memory == b"\0" + BODY + b"\0"
        assert check_range(response, 0, len(BODY)) == len(BODY)
        assert response.header("x-saw") == "//a%2F%41//b?c=d%20&e"
        await wire.fetch(make_request("/chunked"), memoryview(memory)[1:-1])
        assert memory == b"\0" + BODY + b"\0"
        async with wire.stream(make_request("/chunked")) as streamed:
            view, got = memoryview(bytearray(100_000)), bytearray()
            while count := await streamed.readinto(view):
                got += view[:count]
            assert got == BODY
            assert streamed.status == 200
        assert (await wire.send(make_request("/k", "PUT"), memoryview(BODY))).body == b"same"
        assert (await wire.send(make_request("/redirect"))).status == 302
        error = await wire.fetch(make_request("/redirect"), memoryview(memory))
        assert (error.status, error.body) == (302, b"go")
        with pytest.raises(TransportError, match="encoded"):
            await wire.fetch(make_request("/gzip"), memoryview(memory)[1:-1])
        with pytest.raises(TransportError, match="bytes, expected"):
            await wire.fetch(make_request("/short"), memoryview(memory))
        with pytest.raises(TransportError, match="length"):
            await wire.fetch(make_request("/chunked"), memoryview(memory))
        with pytest.raises(TransportError, match="length"):
            await wire.fetch(make_request("/chunked"), memoryview(memory)[:10])
        with pytest.raises(TransportError, match="lost") as caught:
            await wire.fetch(make_request("/cut"), memoryview(memory)[1:-1])
        assert caught.value.retryable
        with pytest.raises(InvalidConfig):
            await wire.send(Request("GET", server.origin, "/", [("X", "a\r\nb")]))
    assert forward_proxy.seen
    assert all((head.method == "CONNECT") == secure for head in forward_proxy.seen)


async def test_exempt_hosts_are_reached_directly() -> None:
    async with serve(handler) as server, wire_with(proxies=through(1, "127.0.0.0/8")) as wire:
        assert (await wire.send(Request("GET", server.origin, "/"))).status == 206


@pytest.mark.parametrize("target", ["/a/../b", "/./a", "/a/..", "/a/%2e%2E/b", "/a b", "/a{b}"])
async def test_a_target_that_would_be_rewritten_is_refused(target: str) -> None:
    forward_proxy = ForwardProxy()
    async with forward_proxy.running() as proxy, wire_with(proxies=through(proxy.origin.port)) as wire:
        with pytest.raises(InvalidConfig):
            await wire.send(Request("GET", Origin.of("http://127.0.0.1:1"), target))
    assert not forward_proxy.seen


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_credentials_are_sent_to_the_proxy_and_never_shown(
    secure: bool, authority: Any, ca_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tls = server_tls(authority) if secure else None
    async with serve(handler, tls=tls) as server, ForwardProxy("me:PASSWORD").running() as proxy:
        request = Request("GET", server.origin, "/redirect?SECRET", [("Authorization", "SECRET")], TLS(ca_file=ca_file))
        async with wire_with(proxies=through(proxy.origin.port, user="me:PASSWORD@")) as wire:
            assert (await wire.send(request)).status == 302
        async with wire_with(proxies=through(proxy.origin.port, user="me:WRONG@")) as wire:
            with pytest.raises(TransportError, match="the proxy .* refused") as caught:
                await wire.send(request)
            assert caught.value.status == 407
            assert not caught.value.retryable
            assert "WRONG" not in str(caught.value)
    for secret in ("SECRET", "PASSWORD", "WRONG"):
        assert secret not in caplog.text


async def test_only_log_records_of_this_library_are_silenced(caplog: pytest.LogCaptureFixture) -> None:
    import httpx

    caplog.set_level(logging.DEBUG)
    async with serve(handler) as server, ForwardProxy().running() as proxy:
        async with wire_with(proxies=through(proxy.origin.port)) as wire:
            await wire.send(Request("GET", server.origin, "/redirect"))
        assert "httpcore" not in caplog.text
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"http://{server.origin.netloc}/redirect")
        assert "httpcore" in caplog.text


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_errors_are_translated(secure: bool, authority: Any) -> None:
    tls = server_tls(authority) if secure else None
    async with serve(handler, tls=tls) as server, ForwardProxy().running() as proxy:
        async with wire_with(proxies=through(proxy.origin.port), idle_timeout=0.3) as wire:
            for call in ("fetch", "send", "stream"):
                request = Request("GET", server.origin, "/silent?SECRET", (), TLS(verify=False))
                with pytest.raises(TransportError, match="stalled: no byte for|took longer than") as caught:
                    await receive(wire, call, request, memoryview(bytearray(1)))
                assert caught.value.retryable
                assert "SECRET" not in str(caught.value)
        if secure:
            async with wire_with(proxies=through(proxy.origin.port)) as wire:
                with pytest.raises(TransportError, match="is not trusted") as caught:
                    await wire.send(Request("GET", server.origin, "/"))
                assert not caught.value.retryable
    async with wire_with(proxies=through(proxy.origin.port, user="me:PASSWORD@")) as wire:
        with pytest.raises(
            TransportError, match=f"cannot connect to the proxy 127.0.0.1:{proxy.origin.port}, for "
        ) as caught:
            await wire.send(Request("GET", server.origin, "/"))
        assert caught.value.retryable
        assert "PASSWORD" not in str(caught.value)


async def test_aclose_fails_running_calls() -> None:
    async with (
        serve(handler) as server,
        ForwardProxy().running() as proxy,
        wire_with(proxies=through(proxy.origin.port)) as wire,
    ):
        call = asyncio.ensure_future(wire.send(Request("GET", server.origin, "/silent")))
        while not any(peer.requests for peer in server.peers):
            await asyncio.sleep(0.001)
        await wire.aclose()
        with pytest.raises(ClosedError):
            await call
        with pytest.raises(ClosedError):
            await wire.send(Request("GET", server.origin, "/"))


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_a_407_is_the_proxy_s(secure: bool) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.request()
        await peer.respond(b"", status="407 Proxy Authentication Required")

    origin = Origin.of(f"{'https' if secure else 'http'}://host.test")
    async with serve(refuse) as proxy, wire_with(proxies=through(proxy.origin.port, user="me:PASSWORD@")) as wire:
        with pytest.raises(
            TransportError, match=f"the proxy {proxy.origin.address} refused .* host.test:.*407"
        ) as caught:
            await wire.send(Request("GET", origin, "/"))
        assert caught.value.status == 407
        assert "credentials in the proxy URL" in (caught.value.hint or "")
        assert "PASSWORD" not in str(caught.value)


async def test_a_slow_body_may_be_tried_again() -> None:
    async def trickle(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            await peer.write(b"x")
            await asyncio.sleep(0.01)

    async with serve(trickle) as server, ForwardProxy().running() as proxy:
        async with wire_with(proxies=through(proxy.origin.port), idle_timeout=0.2, min_throughput=100_000) as wire:
            with pytest.raises(TransportError, match="less than 100000 bytes/s") as caught:
                await wire.fetch(Request("GET", server.origin, "/"), memoryview(bytearray(1_000_000)))
            assert caught.value.retryable


@pytest.mark.parametrize("scheme", ["socks4", "socks5", "socks5h"])
async def test_socks_is_named(scheme: str) -> None:
    async with wire_with(proxies=Proxies(http=f"{scheme}://me:PASSWORD@127.0.0.1:1")) as wire:
        with pytest.raises(InvalidConfig, match=f"{scheme}://, but SOCKS proxies are not supported") as caught:
            await wire.send(Request("GET", Origin.of("http://127.0.0.1:1"), "/"))
        assert "PASSWORD" not in str(caught.value)


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "http://", "http://SECRET:x:y"])
async def test_invalid_proxy_urls(url: str) -> None:
    async with wire_with(proxies=Proxies(http=url)) as wire:
        with pytest.raises(InvalidConfig, match="proxy") as caught:
            await wire.send(Request("GET", Origin.of("http://127.0.0.1:1"), "/"))
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "exempt", "direct"),
    [
        ("http://host", (), False),
        ("http://host", ("*",), True),
        ("http://host", ("host",), True),
        ("http://HOST", ("Host",), True),
        ("http://a.host", ("host",), True),
        ("http://a.host", (".host",), True),
        ("http://a.host", ("*.host",), True),
        ("http://host", (".host",), True),
        ("http://ahost", ("host",), False),
        ("http://host", ("a.host",), False),
        ("http://host.", ("host",), True),
        ("http://a.host.", ("host",), True),
        ("http://a.host", ("host.",), True),
        ("http://a.modèles.example", ("modèles.example",), True),
        ("http://a.xn--modles-5ua.example", ("modèles.example",), True),
        ("http://host:8080", ("host:8080",), True),
        ("http://host:8080", ("host:80",), False),
        ("http://host", ("host:80",), True),
        ("http://10.1.2.3", ("10.1.2.3",), True),
        ("http://10.1.2.3", ("10.0.0.0/8",), True),
        ("http://11.1.2.3", ("10.0.0.0/8",), False),
        ("http://host", ("10.0.0.0/8",), False),
        ("http://110.1.2.3", ("10.1.2.3",), False),
        ("http://[::1]", ("::1",), True),
        ("http://[::1]:80", ("[::1]:80",), True),
        ("http://[::1]:81", ("[::1]:80",), False),
        ("http://[fd00::5]", ("fd00::/8",), True),
        ("http://host", ("", ".", "other", " host "), True),
        ("http://host", ("", ".", "x/y"), False),
    ],
)
def test_no_proxy(url: str, exempt: tuple[str, ...], direct: bool) -> None:
    assert proxy_for(Origin.of(url), Proxies(http="http://proxy:1", exempt=exempt)) == (
        None if direct else "http://proxy:1"
    )


def test_each_scheme_has_its_own_proxy() -> None:
    proxies = Proxies(http="one:1", https="http://two:2")
    assert proxy_for(Origin.of("http://host"), proxies) == "http://one:1"
    assert proxy_for(Origin.of("https://host"), proxies) == "http://two:2"
    assert proxy_for(Origin.of("https://host"), Proxies(http="http://one:1")) is None
