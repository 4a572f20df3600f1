"""A job that must not replace objects, and one that continues without those that fail."""

from dataclasses import replace
from typing import Any

import pytest

from sealift.engine.job import Job
from sealift.engine.transfer import Transfer
from sealift.engine.verification import Verification
from sealift.engine.write import ObjectWriter
from sealift.errors import (
    AccessDenied,
    IntegrityError,
    ObjectChanged,
    ObjectExists,
    ServiceError,
    StorageError,
    TransportError,
)
from sealift.integrity import checksums
from sealift.types import Event, Head, ObjectInfo
from tests.engine.backends import Damaging, Faults, Streaming, Watched
from tests.engine.machine import PART, data, machine, transfers

pytestmark = pytest.mark.anyio

LARGE, SMALL = data(5 * PART), data(PART)
BODIES = [pytest.param(LARGE, id="parts"), pytest.param(SMALL, id="whole"), pytest.param(b"", id="empty")]


@pytest.mark.parametrize("body", BODIES)
async def test_what_exists_is_not_replaced(body: bytes) -> None:
    source, destination = Watched({"k": body}), Watched({"k": b"before"})
    async with machine() as instance:
        with pytest.raises(ObjectExists, match="the object 'k' exists already"):
            await Job(source, destination, instance, overwrite=False).run(transfers(source))
    assert destination.contents() == {"k": b"before"}
    assert all(upload.state == "aborted" for upload in destination.uploads)


async def test_a_copy_inside_the_service_replaces_nothing() -> None:
    store = Watched({"k": SMALL, "to": b"before"})

    async def listing() -> Any:
        yield Transfer(await store.stat("k"), "to", listed=True)

    async with machine() as instance:
        with pytest.raises(ObjectExists):
            await Job(store, store, instance, overwrite=False).run(listing())
    assert store.content("to") == b"before"


class Forgetful(Watched):
    """Stores objects, but loses its first reply."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        super().__init__(objects)
        self.lost = False

    def lose_reply(self) -> None:
        if not self.lost:
            self.lost = True
            raise TransportError("the connection broke", retryable=True)

    async def put(self, *arguments: Any, **options: Any) -> Any:
        stored = await super().put(*arguments, **options)
        self.lose_reply()
        return stored

    async def open_upload(self, *arguments: Any, **options: Any) -> Any:
        upload = await super().open_upload(*arguments, **options)
        complete = upload.complete

        async def completed(receipts: Any) -> Any:
            stored = await complete(receipts)
            self.lose_reply()
            return stored

        upload.complete = completed
        return upload


@pytest.mark.parametrize("body", BODIES)
async def test_an_object_whose_reply_was_lost_is_recognized(body: bytes) -> None:
    source, destination = Watched({"k": body}), Forgetful()
    async with machine() as instance:
        await Job(source, destination, instance, overwrite=False).run(transfers(source))
    assert destination.lost
    assert destination.contents() == {"k": body}


@pytest.mark.parametrize("body", BODIES)
async def test_written_content_whose_reply_was_lost_is_recognized(body: bytes) -> None:
    destination = Forgetful()
    async with machine() as instance:
        verification = Verification(True, destination)
        writer = ObjectWriter(destination, instance, "k", verification, overwrite=False)
        assert (await writer.write_bytes(memoryview(body))).size == len(body)
        assert destination.lost
        other = ObjectWriter(destination, instance, "k", verification, overwrite=False)
        with pytest.raises(ObjectExists):
            await other.write_bytes(memoryview(bytes(PART)))
    assert destination.contents() == {"k": body}


async def test_another_object_that_appeared_after_a_lost_request_is_not_taken_for_ours() -> None:
    source, destination = Watched({"k": SMALL}), Watched()

    async def appear(verb: str, key: str) -> None:
        if verb == "put" and key not in destination.contents():
            destination.store(key, bytes(reversed(SMALL)))
            raise TransportError("the connection broke", retryable=True)

    destination.before = appear
    async with machine() as instance:
        with pytest.raises(ObjectExists):
            await Job(source, destination, instance, overwrite=False).run(transfers(source))
    assert destination.content("k") == bytes(reversed(SMALL))


FAILURES: list[StorageError] = [
    AccessDenied("no"),
    ServiceError("no"),
    ServiceError("no", retryable=True),
    ObjectChanged("no"),
    IntegrityError("no", retryable=True),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("verb", ["read", "put", "open", "write", "complete", "stat"])
@pytest.mark.parametrize("body", [LARGE, SMALL], ids=["parts", "whole"])
async def test_the_others_are_moved(failure: StorageError, verb: str, body: bytes) -> None:
    """Whatever fails, and however: the other objects arrive, and no upload stays open."""
    objects = {f"{number}": body for number in range(8)}
    source, destination = Watched(objects), Watched()
    failed: list[tuple[str, StorageError]] = []

    async def fail(called: str, key: str) -> None:
        if called == verb and key == "3":
            raise failure

    source.before = destination.before = fail
    events = list[Event]()
    async with machine(attempts=2) as instance:
        job = Job(
            source,
            destination,
            instance,
            events.append,
            on_failure=lambda transfer, error: failed.append((transfer.obj.key, error)),
        )
        await job.run(transfers(source))
    used = {verb for verb, key in [*source.calls, *destination.calls] if key == "3"}
    expected = [("3", failure)] if verb in used else []
    assert failed == expected
    assert destination.contents() == {key: data for key, data in objects.items() if key != "3" or not expected}
    assert all(upload.state in {"complete", "aborted"} for upload in destination.uploads)
    assert sum(event.kind == "object" for event in events) == 8 - len(expected)


@pytest.mark.parametrize("failing_part", range(5))
async def test_one_part_of_an_object_whose_hash_needs_its_parts_in_order(failing_part: int) -> None:
    """The parts after it do not wait for its turn."""

    class Hashed(Watched):
        async def list(self, *arguments: Any) -> Any:
            async for obj in super().list(*arguments):
                yield replace(obj, checksums={"sha256": checksums.digest("sha256", self.content(obj.key))})

        async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
            if (obj.key, start) == ("a", failing_part * PART):
                raise ServiceError("no")
            return await super().read_range(obj, start, into)

    source, destination = Hashed({"a": LARGE, "b": LARGE}), Watched()
    failed: list[str] = []

    async with machine() as instance:
        await Job(source, destination, instance, on_failure=lambda transfer, _: failed.append(transfer.obj.key)).run(
            transfers(source)
        )
    assert failed == ["a"]
    assert destination.contents() == {"b": LARGE}


async def test_damaged_bytes() -> None:
    source, destination = Damaging({"a": SMALL}, times=100), Watched()
    failed: list[StorageError] = []
    async with machine(attempts=2) as instance:
        await Job(source, destination, instance, on_failure=lambda _, error: failed.append(error)).run(
            transfers(source)
        )
    assert [type(error) for error in failed] == [IntegrityError]
    assert destination.contents() == {}


async def test_an_object_that_is_read_in_order() -> None:
    source, destination = Streaming({"a": LARGE, "b": LARGE}, size=None, cut=[100, 100, 100, 100]), Watched()
    failed: list[str] = []
    async with machine(attempts=1) as instance:
        await Job(source, destination, instance, on_failure=lambda transfer, _: failed.append(transfer.obj.key)).run(
            transfers(source)
        )
    assert failed == ["a", "b"]
    assert destination.contents() == {}


async def test_a_handler_that_raises_ends_the_job() -> None:
    source, destination = Watched({str(number): SMALL for number in range(50)}), Watched()
    source.before = Faults(read=[ServiceError("the first")])

    def refuse(_: Transfer, error: StorageError) -> None:
        raise error

    async with machine(connections=1) as instance:
        with pytest.raises(ServiceError, match="the first"):
            await Job(source, destination, instance, on_failure=refuse).run(transfers(source))
    assert len(destination.contents()) < 50
