"""Failures: transient ones are retried, others are raised at once, and nothing is left behind."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import pytest

from sealift.backends.local import LocalBackend
from sealift.contract import EVERYTHING, Walk
from sealift.engine.job import Job
from sealift.engine.transfer import Transfer
from sealift.errors import (
    AccessDenied,
    IntegrityError,
    ModelMissingError,
    ObjectChanged,
    ServiceError,
    StorageError,
    TransportError,
)
from sealift.types import Event, ObjectInfo
from tests.engine.backends import Damaging, Faults, Gate, Watched, transient
from tests.engine.machine import PART, data, machine, transfers, until

pytestmark = pytest.mark.anyio

LARGE = data(5 * PART)
SMALL = data(PART)


def notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("read", LARGE), ("read", SMALL), ("open", LARGE), ("write", LARGE), ("complete", LARGE), ("put", SMALL),
        ("put", b""), ("copy", SMALL),
    ],
)  # fmt: skip
async def test_transient_failures_are_tried_again(verb: str, body: bytes) -> None:
    source, destination = Watched({"k": body}), Watched()
    if verb == "copy":
        destination = source
    failures: list[StorageError] = [transient("first"), transient("second")]
    source.before = destination.before = Faults(**{verb: failures})
    events: list[Event] = []

    async def listing() -> AsyncGenerator[Transfer]:
        async for obj in source.list(""):
            yield Transfer(obj, "to")

    async with machine() as instance:
        await Job(source, destination, instance, events.append).run(listing())
    assert destination.content("to") == body
    retries = [event for event in events if event.kind == "retry"]
    assert [event.error for event in retries] == failures
    assert all(event.key == "k" and event.delay >= 0 for event in retries)
    assert sum(event.size for event in events if event.kind == "progress") == len(body)
    assert all(upload.state == "complete" for upload in destination.uploads)


async def test_a_stat_is_tried_again_too() -> None:
    class Terse(Watched):
        async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
            async for obj in super().list(prefix, walk):
                yield ObjectInfo(obj.key, obj.size)

    source, destination = Terse({"k": SMALL}), Watched()
    source.before = Faults(stat=[transient()])
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert source.count("stat") == 2
    assert destination.contents() == {"k": SMALL}


@pytest.mark.parametrize("body", [LARGE, SMALL], ids=["parts", "whole"])
@pytest.mark.parametrize("retryable", [True, False])
async def test_a_failure_that_stays_ends_the_job(body: bytes, retryable: bool) -> None:
    source, destination = Watched({"k": body}), Watched()
    source.before = Faults(read=[ServiceError("no", retryable=retryable) for _ in range(100)])
    async with machine(attempts=3, connections=1) as instance:
        with pytest.raises(ServiceError, match="no") as caught:
            await Job(source, destination, instance).run(transfers(source))
    assert source.count("read") == (3 if retryable else 1)
    assert caught.value.given_up == ("given up after 3 attempts in 0.0 s" if retryable else "")
    assert destination.contents() == {}
    assert all(upload.state == "aborted" for upload in destination.uploads)


@pytest.mark.parametrize("verb", ["open", "write", "complete", "put"])
async def test_a_destination_that_refuses(verb: str) -> None:
    source, destination = Watched({"k": SMALL if verb == "put" else LARGE}), Watched()
    destination.before = Faults(**{verb: [AccessDenied("not here")]})
    async with machine() as instance:
        with pytest.raises(AccessDenied, match="not here"):
            await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == {}
    assert all(upload.state == "aborted" for upload in destination.uploads)


async def test_several_failures_are_one_plain_error_with_the_others_as_notes() -> None:
    source, destination, together = Watched({str(key): SMALL for key in range(8)}), Watched(), anyio.Event()

    async def fail(verb: str, key: str) -> None:
        await together.wait()
        raise ServiceError(f"no {key}")

    source.before = fail
    async with machine() as instance, anyio.create_task_group() as group:
        group.start_soon(_release, source, together)
        with pytest.raises(ServiceError) as caught:
            await Job(source, destination, instance).run(transfers(source))
    assert str(caught.value) == "no 0"
    assert notes(caught.value) == [f"also: no {key}" for key in range(1, 6)]
    assert caught.value.__cause__ is None


async def _release(source: Watched, event: anyio.Event) -> None:
    await until(lambda: source.reading == 8)
    event.set()


async def test_an_object_that_arrived_before_the_failure_stays() -> None:
    source, destination = Watched({"a": SMALL, "b": LARGE}), Watched()

    async def fail(verb: str, key: str) -> None:
        if verb == "read" and key == "b":
            await until(lambda: "a" in destination.contents())
            raise ServiceError("no b")

    source.before = fail
    async with machine() as instance:
        with pytest.raises(ServiceError, match="no b"):
            await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == {"a": SMALL}


async def test_an_error_that_is_not_of_a_storage_comes_as_it_is() -> None:
    source, destination = Watched({"k": LARGE}), Watched()

    async def broken(verb: str, key: str) -> None:
        raise ZeroDivisionError

    source.before = broken
    async with machine() as instance:
        with pytest.raises(ZeroDivisionError):
            await Job(source, destination, instance).run(transfers(source))
    assert [upload.state for upload in destination.uploads] == ["aborted"]


async def test_an_abort_that_fails_hides_nothing_and_stops_no_other() -> None:
    source, destination, gate = Watched({"a": LARGE, "b": LARGE}), Watched(), Gate("read")
    source.before = gate
    destination.before = Faults(write=[ServiceError("the disk is full")], abort=[ServiceError("cannot abort")])
    async with machine() as instance, anyio.create_task_group() as group:
        group.start_soon(_open_when, gate, lambda: len(destination.uploads) == 2)
        with pytest.raises(ServiceError, match="the disk is full"):
            await Job(source, destination, instance).run(transfers(source))
    assert sorted(upload.state for upload in destination.uploads) == ["aborted", "open"]
    assert destination.contents() == {}


async def test_an_abort_is_tried_again() -> None:
    source, destination = Watched({"k": LARGE}), Watched()
    destination.before = Faults(write=[AccessDenied("revoked")], abort=[transient(), transient()])
    async with machine() as instance:
        with pytest.raises(AccessDenied, match="revoked"):
            await Job(source, destination, instance).run(transfers(source))
    assert [upload.state for upload in destination.uploads] == ["aborted"]


async def _open_when(gate: Gate, condition: Callable[[], bool]) -> None:
    await until(condition)
    gate.open()


async def test_damaged_bytes_are_read_again() -> None:
    source, destination, events = Damaging({"k": SMALL}, times=2), Watched(), list[Event]()
    async with machine() as instance:
        await Job(source, destination, instance, events.append).run(transfers(source))
    assert destination.contents() == {"k": SMALL}
    errors = [event.error for event in events if event.kind == "retry"]
    assert [type(error) for error in errors] == [IntegrityError, IntegrityError]
    assert events[-1].verified == "crc64nvme"


async def test_bytes_that_stay_damaged_are_not_published() -> None:
    source, destination = Damaging({"k": SMALL}, times=100), Watched()
    async with machine(attempts=3) as instance:
        with pytest.raises(IntegrityError, match="'k' do not match its crc64nvme checksum") as caught:
            await Job(source, destination, instance).run(transfers(source))
    assert caught.value.given_up == "given up after 3 attempts in 0.0 s"
    assert len(source.reads) == 3
    assert destination.contents() == {}
    assert destination.calls == []


async def test_a_damaged_part_is_not_published() -> None:
    source, destination = Damaging({"k": LARGE}, times=1), Watched()
    async with machine() as instance:
        with pytest.raises(IntegrityError, match="'k' do not match its crc64nvme checksum"):
            await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == {}
    assert [upload.state for upload in destination.uploads] == ["aborted"]
    assert destination.count("complete") == 0


@pytest.mark.parametrize("body", [LARGE, SMALL], ids=["parts", "whole"])
async def test_an_object_that_changes_on_the_way_is_never_a_mixture(body: bytes) -> None:
    source, destination = Watched({"k": body}), Watched({"k": b"old"})
    reads = 0

    async def change(verb: str, key: str) -> None:
        nonlocal reads
        reads += 1
        if reads == (3 if body is LARGE else 1):
            source.store("k", data(len(body), seed=9))

    source.before = change
    async with machine(connections=2) as instance:
        with pytest.raises(ObjectChanged):
            await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == {"k": b"old"}
    assert all(upload.state == "aborted" for upload in destination.uploads)


async def test_an_object_that_vanishes_on_the_way() -> None:
    source, destination = Watched({"k": LARGE}), Watched()

    async def vanish(verb: str, key: str) -> None:
        source._objects.pop("k", None)

    source.before = vanish
    async with machine() as instance:
        with pytest.raises(ModelMissingError):
            await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == {}


async def test_a_failed_job_leaves_another_alone() -> None:
    failing, other = Watched({"a": LARGE}), Watched({"c": LARGE})
    destination, pause = Watched(), Gate("read")
    failing.before = Faults(read=[ServiceError("no")])
    other.before = pause
    async with machine() as instance:
        second = asyncio.ensure_future(Job(other, destination, instance).run(transfers(other)))
        await until(lambda: bool(pause.waiting))
        with pytest.raises(ServiceError):
            await Job(failing, destination, instance).run(transfers(failing))
        pause.open()
        await second
    assert destination.contents() == {"c": LARGE}


async def test_an_instance_works_on_after_a_failure() -> None:
    source, destination = Watched({"k": LARGE}), Watched()
    source.before = Faults(read=[ServiceError("no")])
    async with machine() as instance:
        with pytest.raises(ServiceError):
            await Job(source, destination, instance).run(transfers(source))
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == {"k": LARGE}


@pytest.mark.parametrize("verb", ["read", "fail"])
async def test_no_file_and_no_thread_stays(verb: str, tmp_path: Path) -> None:
    others = set(threading.enumerate())
    source, gate = Watched({"a": LARGE, "b/c": LARGE, "d": SMALL}), Gate("read")
    source.before = gate if verb == "read" else Faults(read=[ServiceError("no") for _ in range(30)])
    async with machine() as instance:
        destination = LocalBackend(str(tmp_path), instance.disk)
        job = asyncio.ensure_future(Job(source, destination, instance).run(transfers(source)))
        if verb == "read":
            while not gate.waiting:  # threads need real time
                await asyncio.sleep(0.001)
            job.cancel()
        with pytest.raises((asyncio.CancelledError, ServiceError)):
            await job
        await destination.aclose()
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not (tmp_path / ".sealift").exists()
    while {thread for thread in threading.enumerate() if thread.name == "sealift-disk"} - others:
        await asyncio.sleep(0.01)


async def test_from_memory_to_disk_and_back(tmp_path: Path) -> None:
    objects = {f"size/{size}": data(size, size) for size in (0, 1, PART, PART + 1, 30 * PART + 7)}
    source, back = Watched(objects), Watched()
    async with machine() as instance:
        disk = LocalBackend(str(tmp_path), instance.disk)
        await Job(source, disk, instance).run(transfers(source))
        assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(objects)
        await Job(disk, back, instance).run(transfers(disk))
        await disk.aclose()
    assert back.contents() == objects


async def test_a_broken_connection_is_a_transport_error() -> None:
    source, destination = Watched({"k": LARGE}), Watched()
    source.before = Faults(read=[transient("reset") for _ in range(100)])
    async with machine(attempts=2) as instance:
        with pytest.raises(TransportError, match="reset"):
            await Job(source, destination, instance).run(transfers(source))
