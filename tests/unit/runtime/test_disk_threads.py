"""Disk threads: results, cancellation that leaves nothing running, and shutdown."""

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from sealift.errors import ClosedError
from sealift.runtime.disk_threads import DiskThreads

pytestmark = pytest.mark.anyio

PATIENCE = 10.0  # seconds until a test that hangs fails


_others: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def other_threads() -> None:
    """Ignores the threads of the process-wide `Storage`, which another test may have started."""
    _others.clear()
    _others.update(threading.enumerate())


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sealift-disk" and thread not in _others]


@pytest.fixture
def disk() -> Iterator[DiskThreads]:
    disk = DiskThreads(threads=2)
    yield disk
    disk.close()
    for thread in threads():
        thread.join(PATIENCE)
        assert not thread.is_alive()


class Work:
    """A function that starts, waits for permission and ends, and records each step."""

    def __init__(self, result: object = None) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.ended = threading.Event()
        self._result = result

    def __call__(self) -> object:
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        self.ended.set()
        return self._result


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop and the threads run until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def test_results_and_exceptions(disk: DiskThreads) -> None:
    assert await disk.run(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        await disk.run(lambda: 1 // 0)
    assert await disk.run(threading.current_thread) is not threading.current_thread()


async def test_all_of_many_come_back_in_their_places(disk: DiskThreads) -> None:
    results = await asyncio.gather(*(disk.run(partial(int, number)) for number in range(500)))
    assert results == list(range(500))
    assert len(threads()) <= 2


async def test_no_more_threads_than_allowed_and_none_before_they_are_needed(disk: DiskThreads) -> None:
    assert not threads()
    works = [Work(number) for number in range(5)]
    running = [asyncio.ensure_future(disk.run(work)) for work in works]
    await until(lambda: works[0].begun.is_set() and works[1].begun.is_set())
    assert len(threads()) == 2
    assert not any(work.begun.is_set() for work in works[2:])
    for work in works:
        work.go_on.set()
    assert await asyncio.gather(*running) == list(range(5))


async def test_work_that_arrives_together_runs_together(disk: DiskThreads) -> None:
    await disk.run(lambda: None)
    await until(lambda: disk._long.pending == 0)
    barrier = threading.Barrier(2, timeout=PATIENCE)  # passes only if both run at once
    assert sorted(await asyncio.gather(disk.run(barrier.wait), disk.run(barrier.wait))) == [0, 1]


async def test_results_come_in_batches(disk: DiskThreads) -> None:
    drained: list[int] = []
    drain = disk._drain

    def counted() -> None:
        drained.append(len(disk._done))
        drain()

    disk._drain = counted  # type: ignore[method-assign]
    jobs = [asyncio.ensure_future(disk.run(lambda: None)) for _ in range(20)]
    await asyncio.sleep(0)
    deadline = time.monotonic() + PATIENCE
    while len(disk._done) < 20 and time.monotonic() < deadline:
        time.sleep(0.001)  # the loop is busy
    await asyncio.gather(*jobs)
    assert drained == [20]


async def test_cancelled_before_it_begins_it_never_runs(disk: DiskThreads) -> None:
    first, second, third = Work(), Work(), Work()
    running = [asyncio.ensure_future(disk.run(work)) for work in (first, second)]
    waiting = asyncio.ensure_future(disk.run(third))
    await until(lambda: first.begun.is_set() and second.begun.is_set())
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for work in (first, second):
        work.go_on.set()
    await asyncio.gather(*running)
    await disk.run(lambda: None)
    assert not third.begun.is_set()


async def test_cancelled_while_it_runs_it_returns_only_when_the_function_has_ended(disk: DiskThreads) -> None:
    work = Work()
    running = asyncio.ensure_future(disk.run(work))
    await until(work.begun.is_set)
    running.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()  # a second cancellation: it still waits
    for _ in range(20):
        await asyncio.sleep(0)
    assert not running.done()
    work.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert work.ended.is_set()


async def test_a_buffer_is_not_touched_after_the_cancelled_call_has_returned(disk: DiskThreads) -> None:
    buffer = bytearray(4)
    begun, go_on = threading.Event(), threading.Event()

    def fill() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        buffer[:] = b"late"

    running = asyncio.ensure_future(disk.run(fill))
    await until(begun.is_set)
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert buffer == b"late"  # written before the return, so the buffer can be reused now
    buffer[:] = b"next"
    await disk.run(lambda: None)
    assert buffer == b"next"


async def wait_for_the_thread(disk: DiskThreads) -> None:
    """Block the loop until a thread has finished a job, before the loop has received its result."""
    deadline = time.monotonic() + PATIENCE
    while not disk._done:
        assert time.monotonic() < deadline
        time.sleep(0.001)


async def test_cancelled_when_the_result_is_there_but_not_yet_told(disk: DiskThreads) -> None:
    running = asyncio.ensure_future(disk.run(lambda: 1))
    await asyncio.sleep(0)
    await wait_for_the_thread(disk)
    running.cancel()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_cancelled_when_the_result_is_told_but_not_yet_taken(disk: DiskThreads) -> None:
    running = asyncio.ensure_future(disk.run(lambda: 1))
    await asyncio.sleep(0)
    await wait_for_the_thread(disk)
    disk._drain()
    running.cancel()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_cancelled_and_told_before_the_caller_goes_on(disk: DiskThreads) -> None:
    running = asyncio.ensure_future(disk.run(lambda: 1))
    await asyncio.sleep(0)
    await wait_for_the_thread(disk)
    running.cancel()
    disk._drain()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_an_exception_of_a_cancelled_function_is_dropped(disk: DiskThreads) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        raise OSError("too late")

    running = asyncio.ensure_future(disk.run(fail))
    await until(begun.is_set)
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_after_close_nothing_runs_and_the_threads_end() -> None:
    disk = DiskThreads(threads=3)
    work = Work("done")
    running = asyncio.ensure_future(disk.run(work))
    await until(work.begun.is_set)
    started = threads()
    disk.close()
    with pytest.raises(ClosedError, match="closed"):
        await disk.run(lambda: None)
    work.go_on.set()
    assert await running == "done"  # running work finishes
    for thread in started:
        thread.join(PATIENCE)
    assert not threads()
    disk.close()


async def test_idle_threads_end_with_close_too() -> None:
    disk = DiskThreads(threads=2)
    await asyncio.gather(disk.run(lambda: None), disk.run(lambda: None))
    started = threads()
    assert started
    disk.close()
    for thread in started:
        thread.join(PATIENCE)
    assert not threads()


async def test_the_threads_do_not_hold_up_the_interpreters_exit(disk: DiskThreads) -> None:
    await disk.run(lambda: None)
    assert all(thread.daemon for thread in threads())


async def test_stop_iteration_reaches_the_caller_as_an_error(disk: DiskThreads) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await disk.run(lambda: next(iter(())))


async def test_a_function_is_let_go_before_its_caller_is_told(
    disk: DiskThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller could not resize or close the memory that a function filled while the thread refers to it."""

    class Function:
        def __call__(self) -> None: ...

    function: Function | None = Function()
    assert function is not None
    reference = weakref.ref(function)
    loop, left = asyncio.get_running_loop(), list[object]()
    await disk.run(lambda: None)

    class Loop:
        is_closed = loop.is_closed

        def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
            left.append(reference())
            loop.call_soon_threadsafe(callback)

    monkeypatch.setattr(disk, "_loop", Loop())
    monkeypatch.setattr(Loop, "create_future", loop.create_future, raising=False)
    waiting = asyncio.ensure_future(disk.run(function))
    function = None
    await waiting
    assert left == [None]


async def test_a_small_file_is_read_while_the_interpreter_exits(
    disk: DiskThreads, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The default executor rejects work once the main thread has ended, although other threads still transfer."""
    monkeypatch.setattr("concurrent.futures.thread._shutdown", True)
    with pytest.raises(RuntimeError, match="shutdown"):
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    (tmp_path / "token").write_bytes(b"secret")
    assert await disk.read_file(str(tmp_path / "token")) == b"secret"
    with pytest.raises(FileNotFoundError):
        await disk.read_file(str(tmp_path / "absent"))
