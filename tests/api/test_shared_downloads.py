"""Callers that want the same thing at once: what they share, and what each has for itself."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, DeadlineExceeded, Event, Limits, ModelMissingError, Storage
from sealift.types import KiB
from tests.api.helpers import all_in, files_in, open_journals
from tests.api.servers import FakeS3, pattern
from tests.api.test_download_resumed import fetched
from tests.api.test_lifetimes import until

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

PART = 256 * KiB
LARGE = pattern(10 * PART)
OBJECTS = {"p/m": LARGE, "p/small": b"small"}
LIMITS = Limits(part_size=PART, attempts=1)
EVERY_PART = sorted([*(("p/m", number * PART) for number in range(10)), ("p/small", 0)])


def download(server: FakeS3, dest: Path, uri: str = "s3://b/p", **options: Any) -> asyncio.Task[str]:
    environ = options.pop("environ", None)
    return asyncio.create_task(
        AsyncStorage(LIMITS, environ=environ).download(uri, dest, config=server.config, **options)
    )


async def test_many_calls_are_one_transfer(tmp_path: Path) -> None:
    with FakeS3({"b": OBJECTS}, stall={"p/m": 6 * PART}) as server:
        calls = [download(server, tmp_path / "p") for _ in range(32)]
        await until(server.stalled.is_set)
        server.release()
        assert await asyncio.gather(*calls) == [str(tmp_path / "p")] * 32
        assert sorted(fetched(server)) == EVERY_PART
        assert len(server.asked) <= len(EVERY_PART) + 3  # two HEADs and a listing
    assert all_in(tmp_path) == {"p", "p/m", "p/small"}


async def test_the_items_of_one_call_are_shared_too(tmp_path: Path) -> None:
    with FakeS3({"b": OBJECTS}) as server:
        items = [("s3://b/p", tmp_path / "p")] * 5
        assert await AsyncStorage(LIMITS).download_many(items, config=server.config) == [str(tmp_path / "p")] * 5
        assert sorted(fetched(server)) == EVERY_PART


async def test_each_has_events_of_its_own(tmp_path: Path) -> None:
    first, second = list[Event](), list[Event]()
    with FakeS3({"b": OBJECTS}, stall={"p/m": 6 * PART}) as server:
        one = download(server, tmp_path / "p", on_event=first.append)
        await until(server.stalled.is_set)
        await until(lambda: sum(event.size for event in first if event.kind == "progress") >= 6 * PART)
        other = download(server, tmp_path / "p", on_event=second.append)
        await until(lambda: second)
        server.release()
        await asyncio.gather(one, other)
        assert sorted(fetched(server)) == EVERY_PART
    size = sum(map(len, OBJECTS.values()))
    for seen in (first, second):
        assert sum(event.size for event in seen if event.kind == "listed") == size
        assert sum(event.size for event in seen if event.kind == "progress") == size
        assert seen[-1].total == size
        assert {event.call for event in seen} == {"s3://b/p"}
    assert [event.kind for event in second[:2]] == ["listed", "progress"]
    assert second[1].size >= 6 * PART
    assert {event.key for event in first if event.kind == "object"} == set(OBJECTS)
    assert "p/m" in {event.key for event in second if event.kind == "object"}


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_it_goes_on_for_the_one_that_is_left(tmp_path: Path, cancelled: int) -> None:
    with FakeS3({"b": OBJECTS}, stall={"p/m": 6 * PART}) as server:
        calls = [download(server, tmp_path / "p") for _ in range(2)]
        await until(server.stalled.is_set)
        calls[cancelled].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[cancelled]
        server.release()
        await calls[1 - cancelled]
        assert sorted(fetched(server)) == EVERY_PART
    assert files_in(tmp_path / "p") == {key[2:]: data for key, data in OBJECTS.items()}


async def test_it_ends_with_the_last_one(tmp_path: Path) -> None:
    with FakeS3({"b": OBJECTS}, stall={"p/m": 6 * PART}) as server:
        calls = [download(server, tmp_path / "p") for _ in range(3)]
        await until(server.stalled.is_set)
        for call in calls:
            call.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*calls, return_exceptions=True)
        )
        assert open_journals() == []
        server.release()
        await download(server, tmp_path / "p")
    assert files_in(tmp_path / "p") == {key[2:]: data for key, data in OBJECTS.items()}


async def test_each_has_a_timeout_of_its_own(tmp_path: Path) -> None:
    with FakeS3({"b": OBJECTS}, stall={"p/m": 6 * PART}) as server:
        hurried, patient = download(server, tmp_path / "p", timeout=0.2), download(server, tmp_path / "p", timeout=100)
        with pytest.raises(DeadlineExceeded):
            await hurried
        server.release()
        await patient
        assert sorted(fetched(server)) == EVERY_PART


async def test_all_get_the_error(tmp_path: Path) -> None:
    with FakeS3({"b": {}}) as server:
        calls = [download(server, tmp_path / "m", "s3://b/m") for _ in range(5)]
        errors = await asyncio.gather(*calls, return_exceptions=True)
        asked = len(server.asked)
        with pytest.raises(ModelMissingError):
            await download(server, tmp_path / "m", "s3://b/m")
        assert len(server.asked) == 2 * asked
    assert all(isinstance(error, ModelMissingError) for error in errors)
    assert {str(error) for error in errors} == {str(errors[0])}


async def test_an_error_of_a_callback_is_that_caller_s(tmp_path: Path) -> None:
    def fail(event: Event) -> None:
        raise LookupError(event.kind)

    with FakeS3({"b": OBJECTS}, stall={"p/m": 6 * PART}) as server:
        events = list[Event]()
        good = download(server, tmp_path / "p", on_event=events.append)
        bad = download(server, tmp_path / "p", on_event=fail)
        with pytest.raises(LookupError):
            await bad
        server.release()
        await good
        with pytest.raises(LookupError):
            await download(server, tmp_path / "p", on_event=fail)
    assert files_in(tmp_path / "p") == {key[2:]: data for key, data in OBJECTS.items()}


@pytest.mark.parametrize(
    ("options", "fetches"),
    [
        ({"environ": {}}, 1),
        ({"on_event": lambda event: None}, 1),
        ({"ignore_patterns": "small"}, 2),
        ({"durability": "fsync"}, 2),
    ],
)
async def test_others_wait_for_each_other(tmp_path: Path, options: dict[str, Any], fetches: int) -> None:
    """Calls for the same objects and destination that differ otherwise. The second one has nothing to do if only
    who calls is different.
    """
    with FakeS3({"b": OBJECTS}, stall={"p/m": 6 * PART}) as server:
        one = download(server, tmp_path / "p")
        await until(server.stalled.is_set)
        other = download(server, tmp_path / "p", **options)
        await until(lambda: len(open_journals()) == 2)
        server.release()
        await asyncio.gather(one, other)
        assert sum(key == ("p/m", 0) for key in fetched(server)) == fetches
    assert files_in(tmp_path / "p") == {key[2:]: data for key, data in OBJECTS.items()}
    assert not [path for path in all_in(tmp_path) if ".sealift" in path]


@pytest.mark.parametrize("uri", ["s3://b/p"])
async def test_another_loop_and_the_facade(tmp_path: Path, uri: str) -> None:
    results, events = list[str](), list[Event]()

    def elsewhere() -> None:
        results.append(
            asyncio.run(AsyncStorage().download(uri, tmp_path / "d", config=server.config, on_event=events.append))
        )

    def blocking() -> None:
        results.append(Storage.download(uri, tmp_path / "d", config=server.config))

    with FakeS3({"b": OBJECTS}, stall={"p/m": 6 * PART}) as server:
        first = download(server, tmp_path / "d", uri)
        await until(server.stalled.is_set)
        threads = [threading.Thread(target=function) for function in (elsewhere, blocking, blocking)]
        for thread in threads:
            thread.start()
        await until(lambda: len(open_journals()) == 3)
        server.release()
        results.append(await first)
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert len(fetched(server)) == len(set(fetched(server)))
    assert results == [str(tmp_path / "d")] * 4
    size = sum(map(len, OBJECTS.values())) if uri.endswith("p") else len(LARGE)
    for kind in ("listed", "resumed", "progress"):
        assert [event.size for event in events if event.kind == kind] == [size]
    assert not [path for path in all_in(tmp_path) if ".sealift" in path]


async def test_one_that_waits_takes_over(tmp_path: Path) -> None:
    """The first one is cancelled, and the second one continues where it was."""
    with FakeS3({"b": OBJECTS}, stall={"p/m": 6 * PART}) as server:
        seen = list[Event]()
        one = download(server, tmp_path / "p", on_event=seen.append)
        await until(server.stalled.is_set)
        await until(lambda: sum(event.size for event in seen if event.kind == "progress") >= 6 * PART)
        other = download(server, tmp_path / "p", environ={})
        await until(lambda: len(open_journals()) == 2)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        server.release()
        before = len(server.asked)
        await other
        assert {start for key, start in fetched(server, before) if key == "p/m"} <= {n * PART for n in range(6, 10)}
    assert files_in(tmp_path / "p") == {key[2:]: data for key, data in OBJECTS.items()}
    assert not [path for path in all_in(tmp_path) if ".sealift" in path]
