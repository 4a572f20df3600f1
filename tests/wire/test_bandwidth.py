"""`Limits.bandwidth`: no transfer is faster, and a transfer that waits for its share has not stalled.

Only lower bounds of the time are checked, which hold on any machine.
"""

import asyncio
import time
from pathlib import Path

import pytest

from sealift.wire import Request
from tests.workers.parts import BODY as LARGE
from tests.workers.parts import fetch, file, pids, ranges, wire_with_workers

from .forward_proxy import ForwardProxy
from .servers import Peer, receive, serve, until, wire_with
from .test_proxy import BODY, handler, through

pytestmark = pytest.mark.anyio

RATE = 1_400_000
LEAST = len(BODY) / RATE - 0.11  # a tenth of a second is credit


@pytest.mark.parametrize("call", ["fetch", "stream", "send"])
async def test_a_transfer_takes_its_time(call: str) -> None:
    async with serve(handler) as server, wire_with(bandwidth=RATE, idle_timeout=0.2, min_throughput=10**8) as wire:
        request, began = Request("GET", server.origin, "/"), time.monotonic()
        if call == "send":
            response = await wire.send(Request("PUT", server.origin, "/"), memoryview(BODY))
            assert response.body == b"same"
        else:
            await receive(wire, call, request, memoryview(bytearray(len(BODY))))
        assert time.monotonic() - began > LEAST


async def test_transfers_share_the_limit() -> None:
    async with serve(handler) as server, wire_with(bandwidth=2 * RATE) as wire:
        began = time.monotonic()
        buffers = [bytearray(len(BODY)) for _ in range(3)]
        await asyncio.gather(*(wire.fetch(Request("GET", server.origin, "/"), memoryview(each)) for each in buffers))
        assert buffers == [BODY] * 3
        assert time.monotonic() - began > 1.5 * len(BODY) / RATE - 0.11


async def test_through_a_proxy() -> None:
    async with serve(handler) as server, ForwardProxy().running() as proxy:
        async with wire_with(proxies=through(proxy.origin.port), bandwidth=2 * RATE) as wire:
            began, body = time.monotonic(), bytearray(len(BODY))
            await wire.fetch(Request("GET", server.origin, "/"), memoryview(body))
            received = time.monotonic()
            response = await wire.send(Request("PUT", server.origin, "/"), memoryview(BODY))
            assert (body, response.body) == (BODY, b"same")
            assert received - began > len(BODY) / RATE / 2 - 0.11
            assert time.monotonic() - received > len(BODY) / RATE / 2 - 0.11


async def test_worker_processes_share_the_limit(tmp_path: Path) -> None:
    rate = 4_000_000
    async with serve(ranges()) as server, wire_with_workers(processes=2, bandwidth=rate) as wire:
        with file(tmp_path / "m") as target:
            began = time.monotonic()
            half = len(LARGE) // 2
            await asyncio.gather(*(fetch(wire, server, target.part(start, half)) for start in (0, half)))
            assert time.monotonic() - began > len(LARGE) / rate - 0.11
            assert target.holds(size=2 * half)
        assert len(pids(wire)) == 2


async def test_a_transfer_that_waits_can_be_cancelled() -> None:
    async def slow(peer: Peer) -> None:
        await peer.request()
        await peer.respond(BODY)

    async with serve(slow) as server, wire_with(bandwidth=100) as wire:
        fetching = asyncio.ensure_future(
            wire.fetch(Request("GET", server.origin, "/"), memoryview(bytearray(len(BODY))))
        )
        await until(lambda: server.peers and server.peers[0].requests)
        await asyncio.sleep(0)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
