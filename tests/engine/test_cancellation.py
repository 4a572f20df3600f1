"""A job that is cancelled at any time leaves nothing behind and does not affect other jobs."""

import asyncio
from collections.abc import AsyncGenerator

import anyio
import pytest

from sealift.engine.job import Job
from sealift.engine.transfer import Transfer
from sealift.errors import ServiceError
from tests.engine.backends import Gate, Streaming, Watched
from tests.engine.machine import PART, data, machine, settle, transfers, until

pytestmark = pytest.mark.anyio

LARGE = data(5 * PART)
SMALL = data(PART)


@pytest.mark.parametrize("verb", ["read", "open", "write", "complete"])
async def test_a_cancelled_job_leaves_nothing_and_another_does_not_notice(verb: str) -> None:
    cancelled, other = Watched({"a": LARGE, "b": LARGE}), Watched({"c": LARGE, "d": SMALL})
    destination, beside, gate, pause = Watched(), Watched(), Gate(verb), Gate("read")
    cancelled.before = destination.before = gate
    other.before = pause
    async with machine(memory=4 * PART) as instance:
        first = asyncio.ensure_future(Job(cancelled, destination, instance).run(transfers(cancelled)))
        await until(lambda: bool(gate.waiting))
        second = asyncio.ensure_future(Job(other, beside, instance).run(transfers(other)))
        await settle()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert destination.contents() == {}
        assert all(upload.state == "aborted" for upload in destination.uploads)
        await until(lambda: len(pause.waiting) == 4)  # the other job now has all memory
        pause.open()
        await second
    assert beside.contents() == {"c": LARGE, "d": SMALL}
    assert [upload.state for upload in beside.uploads] == ["complete"]


@pytest.mark.parametrize("kind", ["parts", "stream"])
async def test_an_upload_whose_opening_is_cancelled_is_aborted(kind: str) -> None:
    """The service may have started it already, and only its reply contains the upload to abort."""
    source = Streaming({"k": LARGE}, size=None) if kind == "stream" else Watched({"k": LARGE})
    destination, gate = Watched(), Gate("open")
    destination.before = gate
    async with machine() as instance:
        job = asyncio.ensure_future(Job(source, destination, instance).run(transfers(source)))
        await until(lambda: bool(gate.waiting))
        job.cancel()
        await settle()
        assert not job.done()
        job.cancel()
        await settle()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await job
    assert [upload.state for upload in destination.uploads] == ["aborted"]
    assert destination.contents() == {}


async def test_an_opening_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.engine.context._SUSPEND_DEADLINE", 0.01)
    source, destination, gate = Watched({"k": LARGE}), Watched(), Gate("open")
    destination.before = gate
    async with machine() as instance:
        job = asyncio.ensure_future(Job(source, destination, instance).run(transfers(source)))
        await until(lambda: bool(gate.waiting))
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
    assert destination.uploads == []


@pytest.mark.parametrize("error", [ServiceError("no"), ZeroDivisionError()])
async def test_an_opening_that_fails_after_the_cancellation(error: Exception) -> None:
    source, destination, gate = Watched({"k": LARGE}), Watched(), Gate("open")

    async def hold_and_fail(verb: str, key: str) -> None:
        await gate(verb, key)
        if verb == "open":
            raise error

    destination.before = hold_and_fail
    async with machine() as instance:
        job = asyncio.ensure_future(Job(source, destination, instance).run(transfers(source)))
        await until(lambda: bool(gate.waiting))
        job.cancel()
        await settle()
        gate.open()
        with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
            await job
    assert destination.uploads == []


async def test_cancelled_while_it_waits_for_memory() -> None:
    source, destination, gate = Watched({"k": LARGE}), Watched(), Gate("read")
    source.before = gate
    async with machine(memory=PART) as instance:
        job = asyncio.ensure_future(Job(source, destination, instance).run(transfers(source)))
        await until(lambda: bool(gate.waiting) and bool(instance.memory._waiting))
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert instance.memory.lent == 0


async def test_cancelled_while_it_waits_for_the_listing() -> None:
    source, destination, closed = Watched({"k": LARGE}), Watched(), False

    async def endless() -> AsyncGenerator[Transfer]:
        nonlocal closed
        try:
            yield Transfer(await source.stat("k"), "k")
            await anyio.sleep_forever()
        finally:
            closed = True

    async with machine() as instance:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(Job(source, destination, instance).run, endless())
                await until(lambda: "k" in destination.contents())
                scope.cancel()
        assert closed
    assert destination.contents() == {"k": LARGE}
