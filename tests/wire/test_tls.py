"""TLS: certificate verification, and failed handshakes."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import certifi
import pytest

from sealift.errors import InvalidConfig, TransportError
from sealift.types import Limits
from sealift.wire import TLS, Origin, Request, Wire
from sealift.wire.tls import ca_paths, create_context

from .servers import Peer, Server, pattern, serve, server_tls, wire_with

pytestmark = pytest.mark.anyio

BODY = pattern(8_000_000)


async def handler(peer: Peer) -> None:
    while True:
        request = await peer.request()
        size = int(request.target[1:])
        if request.method == "PUT":
            got = await peer.reader.readexactly(int(request.headers["content-length"]))
            await peer.respond(b"same" if got == BODY[:size] else b"different")
        else:
            await peer.respond(BODY[:size])


def ask(server: Server, size: int, tls: TLS, method: str = "GET") -> Request:
    return Request(method, server.origin, f"/{size}", (), tls)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_bodies_of_all_sizes(authority: Any, ca_file: str, version: ssl.TLSVersion) -> None:
    context = server_tls(authority)
    context.minimum_version = context.maximum_version = version
    trust = TLS(ca_file=ca_file)
    async with serve(handler, tls=context) as server, wire_with() as wire:
        for size in (1, 10_240, 65_536, 1_000_000, 8_000_000):
            memory = bytearray(size + 2)
            await wire.fetch(ask(server, size, trust), memoryview(memory)[1:-1])
            assert memory == b"\0" + BODY[:size] + b"\0"
            assert (await wire.send(ask(server, size, trust, "PUT"), memoryview(BODY)[:size])).body == b"same"
            async with wire.stream(ask(server, size, trust)) as response:
                view, got = memoryview(bytearray(100_000)), bytearray()
                while count := await response.readinto(view):
                    got += view[:count]
                assert got == BODY[:size]
        assert len(server.peers) == 1


async def test_concurrent_requests(authority: Any, ca_file: str) -> None:
    trust = TLS(ca_file=ca_file)
    async with serve(handler, tls=server_tls(authority)) as server, wire_with(connections=4) as wire:
        memories = [bytearray(size) for size in range(100_000, 900_000, 50_000)]
        await asyncio.gather(*(wire.fetch(ask(server, len(m), trust), memoryview(m)) for m in memories))
        assert all(memory == BODY[: len(memory)] for memory in memories)
        assert len(server.peers) == 4


async def test_an_unknown_authority_is_refused(authority: Any) -> None:
    async with serve(handler, tls=server_tls(authority)) as server, wire_with() as wire:
        with pytest.raises(TransportError, match=r"certificate of 127.0.0.1:.* is not trusted") as caught:
            await wire.send(ask(server, 1, TLS()))
        assert not caught.value.retryable
        assert caught.value.hint
        assert not any(peer.requests for peer in server.peers)


async def test_a_certificate_for_another_name_is_refused(authority: Any, ca_file: str) -> None:
    async with serve(handler, tls=server_tls(authority, "other.example")) as server, wire_with() as wire:
        with pytest.raises(TransportError, match=r"not trusted.*127.0.0.1") as caught:
            await wire.send(ask(server, 1, TLS(ca_file=ca_file)))
        assert not caught.value.retryable


async def test_verification_can_be_disabled_for_single_requests(authority: Any) -> None:
    async with serve(handler, tls=server_tls(authority, "other.example")) as server, wire_with() as wire:
        assert (await wire.send(ask(server, 1, TLS(verify=False)))).body == BODY[:1]
        with pytest.raises(TransportError, match="not trusted"):
            await wire.send(ask(server, 1, TLS()))


async def test_a_server_without_tls(ca_file: str) -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.respond(b"bad request", status="400 Bad Request")

    async with serve(plain) as server, wire_with() as wire:
        origin = Origin("https", server.origin.host, server.origin.port)
        with pytest.raises(TransportError, match="does not speak TLS") as caught:
            await wire.send(Request("GET", origin, "/"))
        assert not caught.value.retryable


async def test_a_server_that_disconnects_during_the_handshake() -> None:
    async def resetting(peer: Peer) -> None:
        await peer.reader.read(10)
        peer.reset()

    async with serve(resetting) as server, wire_with() as wire:
        origin = Origin("https", server.origin.host, server.origin.port)
        with pytest.raises(TransportError, match="during the TLS handshake") as caught:
            await wire.send(Request("GET", origin, "/"))
        assert caught.value.retryable


async def test_a_truncated_body_is_an_error(authority: Any, ca_file: str) -> None:
    async def truncating(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + BODY[:500_000])

    async with serve(truncating, tls=server_tls(authority)) as server, wire_with() as wire:
        with pytest.raises(TransportError, match=r"closed|lost|reset") as caught:
            await wire.fetch(ask(server, 1, TLS(ca_file=ca_file)), memoryview(bytearray(1_000_000)))
        assert caught.value.retryable


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_cannot_be_loaded(tmp_path: Any, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    async with wire_with() as wire:
        with pytest.raises(InvalidConfig, match=r"ca.pem"):
            await wire.send(Request("GET", Origin.of("https://127.0.0.1:1"), "/", (), TLS(ca_file=str(path))))


def test_which_variables_name_certificates(ca_file: str, tmp_path: Path) -> None:
    directory = str(tmp_path)
    assert ca_paths({"REQUESTS_CA_BUNDLE": ca_file}) == (ca_file, None)
    assert ca_paths({"CURL_CA_BUNDLE": ca_file}) == (ca_file, None)
    assert ca_paths({"CURL_CA_BUNDLE": directory}) == (None, directory)
    assert ca_paths({"CURL_CA_BUNDLE": "/curl", "REQUESTS_CA_BUNDLE": "/requests"}) == ("/requests", None)
    assert ca_paths({"SSL_CERT_FILE": ca_file, "REQUESTS_CA_BUNDLE": "/requests"})[0] == ca_file


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
async def test_a_ca_of_the_environment_is_trusted(authority: Any, ca_file: str, name: str) -> None:
    async with serve(handler, tls=server_tls(authority)) as server:
        for environ in ({name: ca_file}, {}):
            wire = Wire(Limits(), run_blocking=asyncio.to_thread, environ=environ)
            try:
                if environ:
                    assert (await wire.send(ask(server, 1, TLS()))).body == BODY[:1]
                else:
                    with pytest.raises(TransportError, match="is not trusted"):
                        await wire.send(ask(server, 1, TLS()))
            finally:
                await wire.aclose()


def test_without_certificates_of_the_system_those_of_certifi_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ssl.get_default_verify_paths()._replace(openssl_cafile="/none/file", openssl_capath="/none")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert ca_paths({}) == (certifi.where(), None)
    assert create_context(TLS(), {}).cert_store_stats()["x509_ca"] > 50


def test_a_directory_of_certificates(tmp_path: Path) -> None:
    assert create_context(TLS(ca_file=str(tmp_path)), {}).cert_store_stats()["x509_ca"] == 0
