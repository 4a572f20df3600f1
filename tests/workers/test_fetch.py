"""What a worker process receives: the same as a thread."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest
import trustme

from sealift.errors import InvalidConfig, LocalIOError, TransportError
from sealift.wire import TLS, Origin, Request
from sealift.wire.workers.lane import connection_for
from tests.wire.servers import Peer, Server, serve, server_tls

from .parts import BODY, File, answer, crc, fetch, file, pids, ranges, wire_with_workers

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_the_bytes_are_in_their_place(secure: bool, tmp_path: Path, authority: trustme.CA, ca_file: str) -> None:
    tls = server_tls(authority) if secure else None
    async with serve(ranges(), tls=tls) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            parts = [target.part(start, 500_000) for start in range(0, len(BODY), 500_000)]
            for part in parts:
                response = await fetch(wire, server, part, TLS(ca_file=ca_file))
                assert response.status == 206
                assert response.header("etag") == '"1"'
            assert target.holds()
            assert [part.crcs for part in parts] == [
                crc(BODY[start : start + 500_000]) for start in range(0, len(BODY), 500_000)
            ]
        assert len(pids(wire)) == 1
        assert len(server.peers) == 1  # kept alive between the parts


async def test_many_parts_at_once_stay_within_the_limit_of_connections(tmp_path: Path) -> None:
    limits = {"processes": 2, "per_host": 3, "connections": 3}
    async with serve(ranges()) as server, wire_with_workers(**limits) as wire:
        with file(tmp_path / "m") as target:
            memory = bytearray(1000)
            await asyncio.gather(
                *(fetch(wire, server, target.part(start, 100_000)) for start in range(0, len(BODY), 100_000)),
                wire.fetch(_request(server), memoryview(memory)),
            )
            assert target.holds()
            assert memory == BODY[:1000]
        assert len(pids(wire)) == 2
        # An idle connection of one worker may still be closing while another worker opens the one that replaces it.
        assert server.most_open <= 3 + 2


def _request(server: Server) -> Request:
    return Request("GET", server.origin, "/", [("Range", "bytes=0-999")])


async def test_another_version_is_not_written(tmp_path: Path) -> None:
    async with serve(ranges(etag='"2"')) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            response = await fetch(wire, server, part)
            assert response.unexpected
            assert response.body == BODY[: 64 << 10]
            assert (part.received, target.path.stat().st_size) == (0, 0)


async def test_another_range_is_not_written(tmp_path: Path) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.respond(BODY[1:], f"Content-Range: bytes 1-{len(BODY) - 1}/{len(BODY)}", status="206 x")

    async with serve(handler) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            assert (await fetch(wire, server, target.part())).unexpected
            assert target.path.stat().st_size == 0


@pytest.mark.parametrize("status", ["307 Temporary Redirect", "404 Not Found", "503 Slow Down"])
async def test_other_responses_are_returned(status: str, tmp_path: Path) -> None:
    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.respond(b"<Error/>", "Location: https://example.com/", "X-Bytes: \xe9", status=status)

    async with serve(handler) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            for _ in range(2):
                response = await fetch(wire, server, target.part())
                assert (response.status, response.body) == (int(status[:3]), b"<Error/>")
                assert response.header("location") == "https://example.com/"
        assert len(server.peers) == 1


async def test_a_chunked_body(tmp_path: Path) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nTransfer-Encoding: chunked\r\n\r\n')
        await peer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))

    async with serve(handler) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            await fetch(wire, server, part)
            assert target.holds()
            assert part.crcs == crc(BODY)


async def test_a_truncated_body_is_continued_where_it_broke(tmp_path: Path) -> None:
    async def handler(peer: Peer) -> None:
        if peer.number == 0:
            await peer.request()
            head = f'HTTP/1.1 206 x\r\nETag: "1"\r\nContent-Length: {len(BODY)}\r\n'
            content_range = f"Content-Range: bytes 0-{len(BODY) - 1}/{len(BODY)}\r\n\r\n"
            await peer.write((head + content_range).encode() + BODY[:1_234_567])
        else:
            await answer(peer)

    async with serve(handler) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            with pytest.raises(TransportError, match="after 1234567 of 3000000 bytes") as caught:
                await fetch(wire, server, part)
            assert caught.value.retryable
            assert part.position == 1_234_567
            assert part.crcs == crc(BODY[:1_234_567])
            await fetch(wire, server, part)
            assert target.holds()
            assert part.crcs == crc(BODY)


async def test_a_malformed_body_starts_again(tmp_path: Path) -> None:
    async def handler(peer: Peer) -> None:
        if peer.number == 0:
            await peer.request()
            await peer.write(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nTransfer-Encoding: chunked\r\n\r\n')
            await peer.write(b"%x\r\n%b\r\nnonsense\r\n" % (2_000_000, BODY[:2_000_000]))
        else:
            await answer(peer)

    async with serve(handler) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            with pytest.raises(TransportError, match=r"not HTTP/1\.1"):
                await fetch(wire, server, part)
            assert (part.position, part.crcs) == (0, crc(b""))
            await fetch(wire, server, part)
            assert part.crcs == crc(BODY)


async def test_an_idle_connection_that_the_server_closed_is_replaced(tmp_path: Path) -> None:
    async with serve(answer) as server, wire_with_workers() as wire:  # it closes after each response
        with file(tmp_path / "m") as target:
            for start in range(0, len(BODY), 1_000_000):
                await fetch(wire, server, target.part(start, 1_000_000))
            assert target.holds()
        assert len(server.peers) == 3


async def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.touch()
    target = File(path, os.O_RDONLY)
    try:
        async with serve(ranges()) as server, wire_with_workers() as wire:
            with pytest.raises(LocalIOError, match=f"Bad file descriptor: {path}"):
                await fetch(wire, server, target.part())
    finally:
        os.close(target.descriptor)


async def test_nobody_listens(tmp_path: Path) -> None:
    async with serve(ranges()) as server:
        pass
    async with wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            with pytest.raises(TransportError, match="cannot connect to .*: connection refused") as caught:
                await fetch(wire, server, target.part())
            assert caught.value.retryable


async def test_a_certificate_that_is_not_trusted(tmp_path: Path, authority: trustme.CA) -> None:
    async with serve(ranges(), tls=server_tls(authority)) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            with pytest.raises(TransportError, match="certificate of .* is not trusted") as caught:
                await fetch(wire, server, target.part())
            assert not caught.value.retryable
            assert caught.value.hint is not None
            await fetch(wire, server, target.part(), TLS(verify=False))
            assert target.holds()


async def test_a_certificate_for_another_host(tmp_path: Path, authority: trustme.CA, ca_file: str) -> None:
    tls = server_tls(authority, "example.com")
    async with serve(ranges(), tls=tls) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target, pytest.raises(TransportError, match="is not trusted"):
            await fetch(wire, server, target.part(), TLS(ca_file=ca_file))


async def test_a_ca_file_that_is_none(tmp_path: Path, authority: trustme.CA) -> None:
    async with serve(ranges(), tls=server_tls(authority)) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target, pytest.raises(InvalidConfig, match="cannot load the CA file"):
            await fetch(wire, server, target.part(), TLS(ca_file=str(tmp_path / "missing")))


@pytest.mark.parametrize("named", [True, False], ids=["configuration", "environment"])
async def test_a_relative_ca_file(
    tmp_path: Path, authority: trustme.CA, ca_file: str, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker runs in another directory."""
    monkeypatch.chdir(Path(ca_file).parent)
    name = Path(ca_file).name
    if not named:
        monkeypatch.setenv("SSL_CERT_FILE", name)
    async with serve(ranges(), tls=server_tls(authority)) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            await fetch(wire, server, target.part(), TLS(ca_file=name) if named else TLS())
            assert target.holds()
        assert len(pids(wire)) == 1


async def test_a_name_is_resolved_here(tmp_path: Path) -> None:
    async with serve(ranges(), name="localhost") as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            await fetch(wire, server, target.part())
            assert target.holds()


async def test_a_redirect_must_not_reach_this_machine(tmp_path: Path) -> None:
    async with serve(ranges()) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target, pytest.raises(TransportError, match="was blocked: a loopback address"):
            await fetch(wire, server, target.part(), TLS(allowed_addresses="public"))
        assert not server.peers


@pytest.mark.parametrize("beginning", [b"", b'HTTP/1.1 206 x\r\nETag: "1"\r\n'])
async def test_a_silent_server(beginning: bytes, tmp_path: Path) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(beginning)
        await peer.until_disconnected()

    async with serve(handler) as server, wire_with_workers(idle_timeout=0.2) as wire:
        with file(tmp_path / "m") as target:
            with pytest.raises(TransportError, match=r"stalled: no byte for 0\.2 s") as caught:
                await fetch(wire, server, target.part())
            assert caught.value.retryable
        assert len(pids(wire)) == 1


async def test_a_trickle(tmp_path: Path) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        head = f'HTTP/1.1 206 x\r\nETag: "1"\r\nContent-Length: {len(BODY)}\r\n'
        await peer.write(f"{head}Content-Range: bytes 0-{len(BODY) - 1}/{len(BODY)}\r\n\r\n".encode())
        for byte in BODY:
            await peer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    async with serve(handler) as server, wire_with_workers(idle_timeout=0.3, min_throughput=100_000) as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            with pytest.raises(TransportError, match="stalled: less than 100000 bytes/s"):
                await fetch(wire, server, part)
            assert target.holds(size=part.received)


async def test_progress_is_reported_while_bytes_arrive_slowly(tmp_path: Path) -> None:
    ahead = asyncio.Event()

    async def handler(peer: Peer) -> None:
        await peer.request()
        head = f'HTTP/1.1 206 x\r\nETag: "1"\r\nContent-Length: {len(BODY)}\r\n'
        await peer.write(f"{head}Content-Range: bytes 0-{len(BODY) - 1}/{len(BODY)}\r\n\r\n".encode())
        for at in range(50_000):
            if ahead.is_set():
                break
            await peer.write(BODY[at : at + 1])
            await asyncio.sleep(0.01)
        await peer.write(BODY[at:])

    async with serve(handler) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            task = asyncio.ensure_future(fetch(wire, server, part))
            while not part.received:
                await asyncio.sleep(0.001)
            ahead.set()
            await task
            assert target.holds()


def test_tls_needs_no_more_than_what_is_sent() -> None:
    """Everything that `Origin` and `TLS` say about a connection is sent to the worker."""
    assert set(Origin.__slots__) == {"scheme", "host", "port"}
    fields = ("verify", "ca_file", "allowed_addresses", "certificate", "key")
    assert TLS.__slots__ == fields  # the addresses are checked before
    tls = TLS(verify=False, ca_file="ca", certificate="certificate", key="key")
    assert connection_for(("https", "h", 1), (False, "ca", "any", "certificate", "key")).tls == tls
    assert ssl.HAS_SNI
