"""Connection pool: limits, order and cancellation."""

import asyncio
from typing import Any

import pytest

from sealift.errors import TransportError
from sealift.wire import TLS, Request

from .servers import Peer, Server, serve, until, wire_with

pytestmark = pytest.mark.anyio


class Gate:
    """A handler that responds only once opened, and records the order of requests."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.open = asyncio.Event()
        self.turns = asyncio.Semaphore(0)

    async def __call__(self, peer: Peer) -> None:
        while True:
            self.targets.append((await peer.request()).target)
            if not self.open.is_set():
                await self.turns.acquire()
            await peer.respond(b"ok")

    def open_all(self) -> None:
        self.open.set()
        for _ in range(100):
            self.turns.release()


def request(server: Server, target: str = "/", tls: TLS | None = None) -> Request:
    return Request("GET", server.origin, target, (), tls or TLS())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("limits", [{"connections": 2}, {"per_host": 2}], ids=["overall", "per-host"])
async def test_connections_are_limited(limits: dict[str, int]) -> None:
    gate = Gate()
    async with serve(gate) as server, wire_with(**limits) as wire:
        calls = [asyncio.ensure_future(wire.send(request(server))) for _ in range(9)]
        await until(lambda: len(gate.targets) == 2)
        await settle()
        assert len(gate.targets) == 2
        gate.open_all()
        await asyncio.gather(*calls)
        assert server.most_open == len(server.peers) == 2


async def test_requests_are_served_in_the_order_they_came() -> None:
    gate = Gate()
    async with serve(gate) as server, wire_with(connections=1) as wire:
        calls = []
        for number in range(6):
            calls.append(asyncio.ensure_future(wire.send(request(server, f"/{number}"))))
            await asyncio.sleep(0)
        for number in range(6):
            await until(lambda number=number: len(gate.targets) == number + 1)
            gate.turns.release()
        await asyncio.gather(*calls)
        assert gate.targets == [f"/{number}" for number in range(6)]


async def test_the_connection_used_last_is_used_next() -> None:
    gate = Gate()
    async with serve(gate) as server, wire_with() as wire:
        calls = [asyncio.ensure_future(wire.send(request(server))) for _ in range(3)]
        await until(lambda: len(gate.targets) == 3)
        gate.open_all()
        await asyncio.gather(*calls)
        for _ in range(5):
            await wire.send(request(server))
        assert sorted(peer.requests for peer in server.peers) == [1, 1, 6]


async def test_an_idle_connection_makes_room_for_another_origin() -> None:
    first, second = Gate(), Gate()
    first.open_all()
    second.open_all()
    async with serve(first) as one, serve(second) as other, wire_with(connections=1) as wire:
        for _ in range(3):
            await wire.send(request(one))
            await wire.send(request(other))
        await until(lambda: one.open + other.open == 1)
        assert len(one.peers) == len(other.peers) == 3


async def test_a_waiter_for_another_origin_gets_its_turn() -> None:
    """One origin holds all slots and has more requests; an older request to another origin is served first."""
    busy, quiet = Gate(), Gate()
    quiet.open_all()
    async with serve(busy) as one, serve(quiet) as other, wire_with(connections=1) as wire:
        calls = [asyncio.ensure_future(wire.send(request(one, "/1")))]
        await until(lambda: busy.targets)
        calls.append(asyncio.ensure_future(wire.send(request(other, "/2"))))
        await asyncio.sleep(0)
        calls.append(asyncio.ensure_future(wire.send(request(one, "/3"))))
        await asyncio.sleep(0)
        busy.turns.release()
        await until(lambda: len(busy.targets) == 2)
        assert quiet.targets == ["/2"]
        busy.open_all()
        await asyncio.gather(*calls)


async def test_one_origin_at_its_limit_does_not_block_another() -> None:
    stuck, quick = Gate(), Gate()
    quick.open_all()
    async with serve(stuck) as one, serve(quick) as other, wire_with(per_host=1, connections=2) as wire:
        calls = [asyncio.ensure_future(wire.send(request(one))) for _ in range(3)]
        await until(lambda: stuck.targets)
        assert (await wire.send(request(other))).body == b"ok"
        stuck.open_all()
        await asyncio.gather(*calls)


async def test_connections_with_different_tls_settings_are_not_shared() -> None:
    gate = Gate()
    gate.open_all()
    async with serve(gate) as server, wire_with(per_host=1) as wire:
        for number in range(1, 4):
            await wire.send(request(server, tls=TLS(ca_file=str(number))))
            assert len(server.peers) == number
        await wire.send(request(server, tls=TLS(ca_file="3")))
        assert len(server.peers) == 3


async def test_a_cancelled_waiter_does_not_leak_a_slot() -> None:
    gate = Gate()
    async with serve(gate) as server, wire_with(connections=1) as wire:
        holding = asyncio.ensure_future(wire.send(request(server, "/holds")))
        await until(lambda: gate.targets)
        waiting = [asyncio.ensure_future(wire.send(request(server, f"/{number}"))) for number in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        assert wire._pool._waiters == 2
        gate.open_all()
        await asyncio.wait([holding, *waiting])
        assert [task.result().body for task in waiting[1:]] == [b"ok", b"ok"]
        assert gate.targets == ["/holds", "/1", "/2"]


@pytest.mark.parametrize("granted", ["a connection", "room for one"])
async def test_a_grant_to_a_cancelled_waiter_goes_to_the_next(granted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            await may_respond.wait()
            await peer.respond(b"ok", *(["Connection: close"] if granted == "room for one" else []))

    may_respond = asyncio.Event()
    async with serve(handler) as server, wire_with(connections=1) as wire:
        holding = asyncio.ensure_future(wire.send(request(server)))
        await until(lambda: server.peers)
        waiting = [asyncio.ensure_future(wire.send(request(server))) for _ in range(3)]
        await asyncio.sleep(0)
        grant = wire._pool._grant

        def grant_and_cancel(host: Any) -> bool:
            if grant(host):
                waiting[0].cancel()
                return True
            return False

        monkeypatch.setattr(wire._pool, "_grant", grant_and_cancel)
        may_respond.set()
        await asyncio.wait([holding, *waiting])
        assert waiting[0].cancelled()
        assert [task.result().body for task in (holding, *waiting[1:])] == [b"ok"] * 3


async def test_waiters_do_not_wait_for_a_running_request_if_more_may_run() -> None:
    """The reply to a request is recorded, and more may run, after its connection was passed on."""
    gate = Gate()
    async with serve(gate) as server, wire_with() as wire:
        pace = wire._pool.pace(server.origin)
        pace.limited, pace._level = True, 1.0
        calls = [asyncio.ensure_future(wire.send(request(server))) for _ in range(2)]
        await until(lambda: gate.targets)
        pace._level = 2.0
        await until(lambda: len(gate.targets) == 2)
        gate.open_all()
        await asyncio.gather(*calls)


async def test_a_failure_to_connect_frees_its_slot() -> None:
    async with serve(Gate()) as server:
        pass
    async with wire_with(connections=1) as wire:
        for result in await asyncio.gather(*(wire.send(request(server)) for _ in range(5)), return_exceptions=True):
            assert isinstance(result, TransportError)
            assert "connection refused" in str(result)
            assert result.retryable


async def test_many_calls_over_few_connections_with_some_cancelled() -> None:
    gate = Gate()
    gate.open_all()
    async with serve(gate) as server, serve(gate) as other, wire_with(connections=3, per_host=2) as wire:
        calls = [
            asyncio.ensure_future(wire.send(request((server, other)[number % 2], f"/{number}")))
            for number in range(200)
        ]
        for number, call in enumerate(calls):
            if number % 7 == 0:
                await asyncio.sleep(0)
                call.cancel()
        await asyncio.wait(calls)
        assert all(
            call.result().body == b"ok" for number, call in enumerate(calls) if number % 7 and not call.cancelled()
        )
        assert sum(call.cancelled() for call in calls) <= 29
        await asyncio.gather(*(wire.send(request(server)) for _ in range(10)))
        assert max(server.most_open, other.most_open) <= 3
