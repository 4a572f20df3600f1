"""How worker processes start and end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sealift.errors import ClosedError, TransportError
from sealift.wire import Wire
from tests.wire.servers import Handler, Peer, serve, until

from .parts import BODY, crc, fetch, file, gone, pids, ranges, wire_with_workers, workers_of

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc"),
]


def half_first(more: asyncio.Event) -> Handler:
    """Send half of a body on the first connection and wait; answer normally on others."""

    async def handler(peer: Peer) -> None:
        if peer.number:
            await ranges()(peer)
            return
        await peer.request()
        head = f'HTTP/1.1 206 x\r\nETag: "1"\r\nContent-Length: {len(BODY)}\r\n'
        content_range = f"Content-Range: bytes 0-{len(BODY) - 1}/{len(BODY)}\r\n\r\n"
        await peer.write((head + content_range).encode() + BODY[: len(BODY) // 2])
        await more.wait()
        await peer.write(BODY[len(BODY) // 2 :])
        await peer.until_disconnected()

    return handler


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
async def test_a_worker_that_ends_or_stops_costs_a_retry(number: signal.Signals, tmp_path: Path) -> None:
    handler = half_first(asyncio.Event())
    async with serve(handler) as server, wire_with_workers(silence=1.0) as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            task = asyncio.ensure_future(fetch(wire, server, part))
            await until(lambda: part.received)
            (pid,) = pids(wire)
            os.kill(pid, number)
            with pytest.raises(TransportError, match="a worker process ended unexpectedly") as caught:
                await task
            assert caught.value.retryable
            await until(lambda: gone(pid))
            assert part.received
            await fetch(wire, server, part)  # in a new worker
            assert target.holds()
            assert part.crcs == crc(BODY)
            assert pids(wire) not in ([], [pid])


async def test_a_worker_that_is_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    async with serve(ranges()) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            await fetch(wire, server, target.part())
            (pid,) = pids(wire)
            os.kill(pid, signal.SIGKILL)
            await until(lambda: not workers_of(wire))
            await fetch(wire, server, target.part())
            assert pids(wire) not in ([], [pid])


async def test_threads_serve_alone_if_workers_keep_ending(tmp_path: Path) -> None:
    async with serve(ranges()) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            for _ in range(4):
                await fetch(wire, server, target.part())
                os.kill(pids(wire)[0], signal.SIGKILL)
                await until(lambda: not workers_of(wire))
            await fetch(wire, server, target.part())
            assert target.holds()
            assert not workers_of(wire)


async def test_a_cancelled_order_writes_nothing_more(tmp_path: Path) -> None:
    more = asyncio.Event()
    async with serve(half_first(more)) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            task = asyncio.ensure_future(fetch(wire, server, part))
            await until(lambda: part.received)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            written = part.received
            os.ftruncate(target.descriptor, 0)
            more.set()
            await fetch(wire, server, target.part(2_000_000, 100_000))  # the worker is alive
            assert target.path.read_bytes()[:2_000_000] == bytes(2_000_000)
            assert part.received == written
            assert len(pids(wire)) == 1


async def test_cancelled_while_connecting(tmp_path: Path) -> None:
    async def handler(peer: Peer) -> None:
        await peer.until_disconnected()

    async with serve(handler) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            task = asyncio.ensure_future(fetch(wire, server, target.part()))
            await until(lambda: server.peers)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert wire._pool._open == 0


async def test_an_order_of_a_stopped_worker_can_be_cancelled(tmp_path: Path) -> None:
    async with serve(half_first(asyncio.Event())) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            task = asyncio.ensure_future(fetch(wire, server, part))
            await until(lambda: part.received)
            (worker,) = workers_of(wire)
            worker.patience = 0.2
            os.kill(worker._process.pid, signal.SIGSTOP)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: gone(worker._process.pid))


@pytest.mark.parametrize("stopped", [False, True])
async def test_aclose_ends_workers_and_their_orders(stopped: bool, tmp_path: Path) -> None:
    async with serve(half_first(asyncio.Event())) as server, wire_with_workers(processes=2) as wire:
        with file(tmp_path / "m") as target:
            part = target.part()
            task = asyncio.ensure_future(fetch(wire, server, part))
            await until(lambda: part.received)
            workers = workers_of(wire)
            for worker in workers:
                worker.patience = 0.2
                if stopped:
                    os.kill(worker._process.pid, signal.SIGSTOP)
            await wire.aclose()
            with pytest.raises(ClosedError):
                await task
            assert len(workers) == 2
            assert all(gone(worker._process.pid) for worker in workers)


async def test_idle_workers_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.wire.workers.workers._IDLE_SECONDS", 0.0)
    async with serve(ranges()) as server, wire_with_workers(silence=0.5) as wire:
        with file(tmp_path / "m") as target:
            await fetch(wire, server, target.part())
            (pid,) = pids(wire)
            await until(lambda: gone(pid))
            await fetch(wire, server, target.part())  # retired workers do not count as failed
            assert wire._workers._unexpected_ends == 0


async def test_secrets_are_neither_arguments_nor_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("SSL_CERT_DIR", "/etc/ssl/certs")
    async with serve(ranges()) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            await fetch(wire, server, target.part())
        process = Path("/proc") / str(pids(wire)[0])
        environ = process.joinpath("environ").read_bytes()
        assert b"s3cret" not in process.joinpath("cmdline").read_bytes() + environ
        assert b"SSL_CERT_DIR=/etc/ssl/certs" in environ


async def test_a_worker_is_apart_from_the_host(tmp_path: Path) -> None:
    async with serve(ranges()) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            await fetch(wire, server, target.part())
        (pid,) = pids(wire)
        assert os.getsid(pid) == os.getpgid(pid) == pid
        assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
        os.kill(pid, signal.SIGINT)
        with file(tmp_path / "m") as target:
            await fetch(wire, server, target.part())
        assert pids(wire) == [pid]
        modules = Path(f"/proc/{pid}/maps").read_text()
        assert "_asyncio" not in modules


async def test_zero_starts_none(tmp_path: Path) -> None:
    async with serve(ranges()) as server, wire_with_workers(processes=0) as wire:
        await _only_threads(wire, server, tmp_path)


@pytest.mark.parametrize(
    "host",
    [
        lambda patch: patch.setattr(sys, "frozen", True, raising=False),
        lambda patch: patch.setattr(sys, "executable", ""),
        lambda patch: patch.setattr(sys, "executable", "/usr/bin/uwsgi"),
    ],
    ids=["frozen", "embedded", "uwsgi"],
)
async def test_hosts_that_cannot_start_python(
    host: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host(monkeypatch)
    async with serve(ranges()) as server, wire_with_workers() as wire:
        await _only_threads(wire, server, tmp_path)


@pytest.mark.parametrize(
    "script",
    ["exec sleep 1000", "exit 0", "exit 1", "exec cat <&0 >&0", None],
    ids=["hangs", "ends", "fails", "echoes", "missing"],
)
async def test_an_executable_that_does_not_serve(script: str | None, tmp_path: Path) -> None:
    executable = tmp_path / "python3"
    if script is not None:
        executable.write_text(f"#!/bin/sh\n{script}\n")
        executable.chmod(0o700)
    async with serve(ranges()) as server:
        async with wire_with_workers(executable=str(executable), start_timeout=0.3) as wire:
            await _only_threads(wire, server, tmp_path)


async def _only_threads(wire: Wire, server: object, tmp_path: Path) -> None:
    with file(tmp_path / "m") as target:
        for _ in range(2):
            await fetch(wire, server, target.part())  # type: ignore[arg-type]
        assert target.holds()
    assert not wire._workers.running
    await until(lambda: not workers_of(wire))


async def test_a_worker_of_another_version_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.wire.workers.worker.PROTOCOL", 1_000)
    async with serve(ranges()) as server, wire_with_workers() as wire:
        await _only_threads(wire, server, tmp_path)


async def test_a_forked_child_uses_and_ends_no_worker_of_its_parent(tmp_path: Path) -> None:
    async with serve(ranges()) as server, wire_with_workers() as wire:
        with file(tmp_path / "m") as target:
            await fetch(wire, server, target.part())
            (worker,) = workers_of(wire)
            child = os.fork()
            if not child:
                used = True
                try:
                    worker.kill()
                    worker.retire()
                    worker._process.reap()
                    used = wire._workers._usable()
                finally:
                    os._exit(used)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            await fetch(wire, server, target.part())
            assert workers_of(wire) == [worker]
