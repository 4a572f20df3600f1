"""Small objects are moved by lanes; what a lane gives up is moved alone."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from sealift.engine.job import Job
from sealift.errors import IntegrityError, StorageError, TransportError
from sealift.lane_contract import Lane
from sealift.types import Event, Head, ObjectInfo
from sealift.types.properties import NO_PROPERTIES, Properties
from tests.engine.backends import Watched, transient
from tests.engine.machine import PART, data, machine, transfers, until

pytestmark = pytest.mark.anyio
T = TypeVar("T")

OBJECTS = {f"{number:03}": data(PART - number, number) for number in range(100)}


class FakeLane:
    """A lane to a `Laned` backend, on a thread of its own."""

    def __init__(self, backend: "Laned") -> None:
        self.fastest = backend.round_trip
        self.usable = True
        self._backend = backend

    @property
    def ahead(self) -> int:
        return self._backend.ahead

    def ask(self, obj: ObjectInfo) -> None:
        self._backend.asked.append(obj.key)

    async def run(self, function: Callable[[], T]) -> T:
        running = asyncio.get_running_loop().run_in_executor(None, function)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._backend.cancelled.set()
            await running
            raise

    def read(self, obj: ObjectInfo, into: memoryview) -> Head:
        return self._backend.read_now(obj, into)

    def put(
        self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES, *, overwrite: bool = True
    ) -> ObjectInfo:
        return self._backend.put_now(key, data, properties)


class Laned(Watched):
    """A backend with lanes.

    Attributes:
        opened: How many lanes were opened.
        open_now: How many are open.
        fail: Called by a lane with each key; may raise.
        refuse: Raised when a lane is opened.
    """

    def __init__(self, objects: dict[str, bytes] | None = None, **capabilities: Any) -> None:
        super().__init__(objects, **capabilities)
        self.opened = self.open_now = self.most_open = 0
        self.moved: list[str] = []
        self.asked: list[str] = []
        self.ahead = 1
        self.fail: Callable[[str], None] = lambda key: None
        self.refuse: StorageError | None = None
        self.round_trip = 0.0
        self.cancelled = threading.Event()

    def open_lane(self) -> Any:
        return self._open_lane()

    @asynccontextmanager
    async def _open_lane(self) -> AsyncGenerator[Lane]:
        if self.refuse is not None:
            raise self.refuse
        self.opened += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            yield FakeLane(self)
        finally:
            self.open_now -= 1

    def read_now(self, obj: ObjectInfo, into: memoryview) -> Head:
        self.fail(obj.key)
        into[:] = self.content(obj.key)
        self.moved.append(obj.key)
        return Head(obj.version, obj.size, obj.checksums)

    def put_now(self, key: str, data: memoryview, properties: Properties) -> ObjectInfo:
        self.fail(key)
        self.moved.append(key)
        return self.store(key, bytes(data), properties)


class Threaded(Watched):
    """A backend whose small objects are read and stored in any thread."""

    def __init__(self, objects: dict[str, bytes] | None = None, **capabilities: Any) -> None:
        super().__init__(objects, **{"properties": False, **capabilities})
        self.small_objects = self  # type: ignore[assignment]  # a test double for both roles
        self.fail: Callable[[str], None] = lambda key: None

    def read(self, obj: ObjectInfo, into: memoryview) -> Head:
        self.fail(obj.key)
        into[:] = self.content(obj.key)
        return Head(obj.version, obj.size)

    def put(self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES, **options: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.fail(key)
            return self.store(key, bytes(data), properties)
        return super().put(key, data, properties, **options)


async def test_a_download() -> None:
    source, destination, events = Laned(OBJECTS), Threaded(), list[Event]()
    async with machine() as instance:
        await Job(source, destination, instance, events.append).run(transfers(source))
    assert destination.contents() == OBJECTS
    assert sorted(source.moved) == sorted(OBJECTS)
    assert source.calls == destination.calls == []
    assert source.open_now == 0
    done = [event for event in events if event.kind == "object"]
    assert {event.key: (event.size, event.verified) for event in done} == {
        key: (len(data), "crc64nvme") for key, data in OBJECTS.items()
    }


async def test_an_upload() -> None:
    source, destination = Threaded(OBJECTS), Laned()
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == OBJECTS
    assert sorted(destination.moved) == sorted(OBJECTS)
    assert source.calls == destination.calls == []


async def test_two_ends_with_lanes_use_none() -> None:
    """A lane to each would wait for two connections at once."""
    source, destination = Laned(OBJECTS), Laned()
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == OBJECTS
    assert source.opened == destination.opened == 0


async def test_objects_that_are_not_small_or_not_listed() -> None:
    source = Laned({"empty": b"", "parts": data(3 * PART)})
    async with machine() as instance:
        await Job(source, Threaded(), instance).run(transfers(source))
        alone = Laned({"one": b"1"})
        await Job(alone, destination := Threaded(), instance).run(transfers(alone, listed=False))
    assert source.opened == alone.opened == 0
    assert destination.contents() == {"one": b"1"}


@pytest.mark.parametrize("error", [transient(), OSError(28, "full"), IntegrityError("wrong", retryable=True)])
@pytest.mark.parametrize("side", ["source", "destination"])
async def test_what_a_lane_gives_up_is_moved_alone(error: Exception, side: str) -> None:
    source, destination, failing = Laned(OBJECTS), Threaded(), {"007", "042", "099"}

    def fail(key: str) -> None:
        if key in failing:
            raise error

    (source if side == "source" else destination).fail = fail
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == OBJECTS
    assert sorted(source.calls) == [("read", key) for key in sorted(failing)]
    assert sorted(destination.calls) == [("put", key) for key in sorted(failing)]


async def test_lanes_that_always_fail_are_given_up() -> None:
    source, destination = Laned(OBJECTS), Threaded()
    tried = []

    def fail(key: str) -> None:
        tried.append(key)
        raise transient()

    source.fail = fail
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == OBJECTS
    assert len(tried) < 40


async def test_lanes_that_cannot_be_opened() -> None:
    source, destination = Laned(OBJECTS), Threaded()
    source.refuse = TransportError("refused", retryable=True)
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == OBJECTS


async def test_an_error_of_a_listener_ends_the_job() -> None:
    source = Laned(OBJECTS)

    def on_event(event: Event) -> None:
        if event.kind == "object":
            raise ZeroDivisionError

    async with machine() as instance:
        with pytest.raises(ZeroDivisionError):
            await Job(source, Threaded(), instance, on_event).run(transfers(source))
    assert source.open_now == 0


async def test_a_distant_service_gets_more_lanes() -> None:
    """It gets them before its first response has arrived."""
    near, distant, responding = Laned(OBJECTS), Laned(OBJECTS), threading.Event()
    distant.round_trip = 0.1
    distant.fail = lambda key: responding.wait() and None
    async with machine(connections=64, per_host=64, memory=100 * PART) as instance:
        await Job(near, Threaded(), instance).run(transfers(near))
        assert near.most_open <= 16
        call = asyncio.ensure_future(Job(distant, Threaded(), instance).run(transfers(distant)))
        await until(lambda: distant.open_now == 32)
        assert not distant.moved
        responding.set()
        await call
    assert distant.most_open == 32


async def test_a_lane_that_stalls_does_not_hold_up_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """One lane is enough for a near service, until it waits for a response that does not arrive."""
    monkeypatch.setattr("sealift.engine.bundles._BUSY", 1000.0)
    monkeypatch.setattr("sealift.engine.bundles._SHORTEST_REQUEST", 0.001)
    source, destination, responding = Laned(OBJECTS), Threaded(), threading.Event()
    source.fail = lambda key: key == "050" and responding.wait() and None
    async with machine() as instance:
        call = asyncio.ensure_future(Job(source, destination, instance).run(transfers(source)))
        while len(destination.contents()) < len(OBJECTS) - 2:  # that lane has requested one object ahead
            await asyncio.sleep(0.001)
        assert not call.done()
        responding.set()
        await call
    assert destination.contents() == OBJECTS
    assert source.open_now == 0


async def test_cancelled() -> None:
    """The call ends when the lanes have ended; later nothing is stored."""
    source, destination = Laned(OBJECTS), Threaded()

    def stall(key: str) -> None:
        if len(source.moved) > 30:
            source.cancelled.wait()
            raise transient("interrupted")

    source.fail = stall
    async with machine() as instance:
        call = asyncio.ensure_future(Job(source, destination, instance).run(transfers(source)))
        while len(source.moved) <= 30:
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        stored = destination.contents()
        assert source.open_now == 0
    assert destination.contents() == stored
    assert len(stored) < len(OBJECTS)


@pytest.mark.parametrize("side", ["source", "destination"])
async def test_a_checksum_that_is_required(side: str) -> None:
    source, destination = Threaded(OBJECTS), Laned(compares=False)
    if side == "source":
        source, destination = Laned(OBJECTS), Threaded(compares=False)  # type: ignore[assignment]
    for key, (info, content) in source._objects.items():
        source._objects[key] = (ObjectInfo(key, info.size, info.version), content)
    async with machine() as instance:
        with pytest.raises(IntegrityError, match="there is no checksum"):
            await Job(source, destination, instance, verify="require").run(transfers(source))
    assert destination.contents() == {}


async def test_lanes_are_given_up_while_the_listing_waits() -> None:
    """The listing waits for room among the objects of the lanes, and the service is slow."""
    objects = {f"{number:04}": b"1" for number in range(1100)}
    source, destination = Laned(objects), Threaded()

    def fail(key: str) -> None:
        raise transient()

    async def slow(verb: str, key: str) -> None:
        for _ in range(500 if len(source.calls) < 40 else 0):
            await asyncio.sleep(0)

    source.fail, source.before = fail, slow
    async with machine(connections=1) as instance, asyncio.timeout(60):
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == objects
