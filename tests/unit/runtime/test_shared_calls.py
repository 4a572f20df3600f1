"""Calls that share one task: what a caller gets that begins when the last one before it has failed."""

import asyncio

import pytest

from sealift.runtime.shared_calls import SharedCalls
from sealift.types import Event, OnEvent

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("steps", range(4))
async def test_a_call_just_after_an_error_of_the_last_callback(steps: int) -> None:
    """The work may have ended, or not, when the error of the callback is raised."""
    calls, runs, events = SharedCalls(), list[int](), list[Event]()

    async def work(on_event: OnEvent | None) -> int:
        assert on_event is not None
        runs.append(len(runs))
        on_event(Event("listed", "m", 1))
        for _ in range(steps):
            await asyncio.sleep(0)
        return len(runs)

    def fail(event: Event) -> None:
        raise LookupError(event.key)

    with pytest.raises(LookupError):
        await calls.run("m", work, fail)
    assert await calls.run("m", work, events.append) == 2
    assert [event.size for event in events] == [1]
