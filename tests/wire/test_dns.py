"""DNS lookups and connecting to several addresses."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sealift.errors import TransportError
from sealift.wire import Origin, Request
from sealift.wire.dns import Resolver

from .servers import Peer, serve, wire_with

pytestmark = pytest.mark.anyio


class FakeResolver:
    """Replaces `run_blocking`: returns these addresses, or raises, instead of calling getaddrinfo."""

    def __init__(self, *results: str | BaseException) -> None:
        self.results = results
        self.lookups: list[tuple[Any, ...]] = []

    async def __call__(self, fn: Callable[[], Any]) -> Any:
        assert isinstance(fn, partial)
        assert fn.func is socket.getaddrinfo
        self.lookups.append(fn.args)
        await asyncio.sleep(0)
        port = fn.args[1]
        answers = []
        for one in self.results:
            if isinstance(one, BaseException):
                raise one
            family = socket.AF_INET6 if ":" in one else socket.AF_INET
            answers.append((family, socket.SOCK_STREAM, 6, "", (one, port, 0, 0) if ":" in one else (one, port)))
        return answers


async def handler(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.respond(b"ok", "Connection: close")


def named(port: int, name: str = "models.example") -> Request:
    return Request("GET", Origin("http", name, port), "/?secret")


async def test_an_address_that_refuses_connections_is_dropped() -> None:
    names = FakeResolver("127.0.0.2", "127.0.0.1")
    async with serve(handler) as server, wire_with(run_blocking=names) as wire:
        for _ in range(4):
            assert (await wire.send(named(server.origin.port))).body == b"ok"
        assert len(wire._dialer._resolver._entries["models.example", server.origin.port].addresses) == 1
        assert len(names.lookups) == 1


async def test_all_addresses_refuse_connections() -> None:
    async with serve(handler) as server:
        pass
    names = FakeResolver("127.0.0.2", "127.0.0.1")
    async with wire_with(run_blocking=names) as wire:
        for number in (1, 2, 3):
            with pytest.raises(
                TransportError, match=r"cannot connect to models.example:\d+: connection refused"
            ) as caught:
                await wire.send(named(server.origin.port))
            assert caught.value.retryable
            assert len(names.lookups) == number  # looked up again: the service may have moved


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), False),
        (socket.gaierror(socket.EAI_AGAIN, "x"), True),
        (UnicodeError(), False),
    ],
)
async def test_a_name_that_does_not_resolve(error: Exception, retryable: bool) -> None:
    names = FakeResolver(error)
    async with wire_with(run_blocking=names) as wire:
        for number in (1, 2):
            with pytest.raises(TransportError, match=r"the name models.example does not resolve") as caught:
                await wire.send(named(80))
            assert caught.value.retryable == retryable
            assert caught.value.hint
            assert len(names.lookups) == number


async def test_connections_rotate_over_addresses_and_families() -> None:
    names = FakeResolver("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2", "10.0.0.1")
    resolver = Resolver(names)  # type: ignore[arg-type]
    origin = Origin("http", "models.example", 80)
    orders = [[address.sockaddr[0] for address in await resolver.addresses(origin)] for _ in range(5)]
    assert {order[0] for order in orders} == {"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"}
    assert all(len(order) == 5 for order in orders)
    first = orders[-1]
    assert first == ["10.0.0.1", "fd00::1", "10.0.0.2", "fd00::2", "10.0.0.3"]


async def test_lookups_are_shared_and_cached_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    names = FakeResolver("10.0.0.1")
    resolver = Resolver(names)  # type: ignore[arg-type]
    origin = Origin("http", "models.example", 80)
    await asyncio.gather(*(resolver.addresses(origin) for _ in range(10)))
    assert len(names.lookups) == 1
    monkeypatch.setattr("sealift.wire.dns._CACHE_SECONDS", 0.0)
    resolver = Resolver(names)  # type: ignore[arg-type]
    await resolver.addresses(origin)
    await resolver.addresses(origin)
    assert len(names.lookups) == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_ip_address_is_not_looked_up(host: str) -> None:
    names = FakeResolver(AssertionError())
    (address,) = await Resolver(names).addresses(Origin("http", host, 80))  # type: ignore[arg-type]
    assert address.sockaddr == (host, 80)


async def test_a_real_name() -> None:
    async with serve(handler) as server, wire_with() as wire:
        assert (await wire.send(named(server.origin.port, "localhost"))).body == b"ok"
