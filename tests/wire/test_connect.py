"""Names with several addresses, of which some do not answer or refuse connections."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sealift.errors import ClosedError, TransportError
from sealift.wire import Origin, Request

from .servers import Peer, serve, until, wire_with

pytestmark = pytest.mark.anyio

FOREVER = 1e6


@pytest.fixture
def hole() -> Iterator[Callable[[str, int], None]]:
    """Make addresses swallow connections: their backlog is full."""
    with ExitStack() as stack:

        def make(host: str, port: int) -> None:
            listening = stack.enter_context(socket.socket())
            listening.bind((host, port))
            listening.listen(0)
            for _ in range(3):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex((host, port))

        yield make


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the name models.test have these addresses."""

    def resolve(port: int, *hosts: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return resolve


async def answer(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.respond(b"data")


@pytest.mark.parametrize(
    "others", [("127.0.0.2",), ("127.0.0.2", "127.0.0.3"), ("127.0.0.4", "127.0.0.2"), ("127.0.0.2", "127.0.0.4")]
)
async def test_an_address_that_swallows_connections_is_not_waited_for(
    others: tuple[str, ...], hole: Callable[[str, int], None], names: Callable[..., None]
) -> None:
    """127.0.0.4 refuses connections. The connect timeout is longer than that of this test."""
    async with serve(answer) as server, wire_with() as wire:
        wire._dialer._timeout = FOREVER
        port = server.origin.port
        for host in {*others} - {"127.0.0.4"}:
            hole(host, port)
        # Rotated by one before the first connection.
        names(port, "127.0.0.1", *others)
        origin = Origin("http", "models.test", port)
        assert (await wire.send(Request("GET", origin, "/"))).body == b"data"
        left = wire._dialer._resolver._entries["models.test", port].addresses
        assert [address.sockaddr[0] for address in left] == ["127.0.0.1"]


async def test_no_address_answers(hole: Callable[[str, int], None], names: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.2", 0)) as free:
        port = free.getsockname()[1]
    hole("127.0.0.2", port)
    names(port, "127.0.0.2", "127.0.0.4")
    async with wire_with() as wire:
        wire._dialer._timeout = 0.4
        with pytest.raises(TransportError, match="cannot connect to models.test"):
            await wire.send(Request("GET", Origin("http", "models.test", port), "/"))


async def test_aclose_while_addresses_are_tried(hole: Callable[[str, int], None], names: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.2", 0)) as free:
        port = free.getsockname()[1]
    hole("127.0.0.2", port)
    hole("127.0.0.3", port)
    names(port, "127.0.0.2", "127.0.0.3")
    async with wire_with() as wire:
        wire._dialer._timeout = FOREVER
        call = asyncio.create_task(wire.send(Request("GET", Origin("http", "models.test", port), "/")))
        await until(lambda: any(len(connection._tried) == 2 for connection in wire._dialer._opening))  # type: ignore[attr-defined]  # none of a worker
        await wire.aclose()
        with pytest.raises(ClosedError):
            await call
