"""A limit of threads: fewer threads do the work, and only if there is none it is an error."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from sealift.errors import LocalIOError
from sealift.runtime.detached import run_detached
from sealift.runtime.disk_threads import DiskThreads
from sealift.runtime.start_thread import NoThreadError, start_thread

pytestmark = pytest.mark.anyio


@contextmanager
def no_more_threads() -> Iterator[None]:
    """Let the system refuse to start threads: their stacks would not fit into the address space."""
    before = threading.stack_size(1 << 47)
    try:
        yield
    finally:
        threading.stack_size(before)


def test_the_error_names_the_cause_and_the_way_out() -> None:
    with (
        no_more_threads(),
        pytest.raises(NoThreadError, match="the limit of threads and processes .* is reached") as no,
    ):
        start_thread(print, name="never")
    assert isinstance(no.value, LocalIOError)
    assert no.value.code == "EAGAIN"
    assert "ulimit -u" in str(no.value)
    assert not [thread for thread in threading.enumerate() if thread.name == "never"]


async def test_the_threads_that_there_are_do_all_the_work() -> None:
    disk = DiskThreads(4)
    try:
        await disk.run(threading.get_ident)
        with no_more_threads():
            jobs = [disk.run(threading.get_ident, short=bool(number % 2)) for number in range(20)]
            assert len(set(await asyncio.gather(*jobs))) == 1
        assert await asyncio.gather(*(disk.run(partial(int, number)) for number in range(4))) == [0, 1, 2, 3]
    finally:
        disk.close()


async def test_without_any_it_is_an_error() -> None:
    disk = DiskThreads(4)
    try:
        with no_more_threads():
            for short in (False, True):
                with pytest.raises(NoThreadError):
                    await disk.run(threading.get_ident, short=short)
            with pytest.raises(NoThreadError):
                await run_detached(threading.get_ident)
        assert await disk.run(lambda: 1) == 1
    finally:
        disk.close()
