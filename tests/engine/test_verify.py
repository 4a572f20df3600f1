"""Verification: which checksums are compared and reported, and which objects fail if one is required."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from sealift.backends.memory import MemoryBackend
from sealift.contract import EVERYTHING, Upload, Walk
from sealift.engine.job import Job
from sealift.errors import IntegrityError, ServiceError
from sealift.integrity import checksums as checksum
from sealift.lane_contract import ByteCount
from sealift.types import Event, Head, ObjectInfo, Part, Receipt, Verify
from sealift.types.properties import NO_PROPERTIES, Properties
from sealift.types.write_options import WriteOptions
from sealift.uri import Location
from tests.engine.backends import Damaging, Faults, Streaming, Watched
from tests.engine.machine import PART, data, machine, transfers

pytestmark = pytest.mark.anyio

SIZES = {"small": data(PART), "large": data(3 * PART + 7)}


class Untold(Watched):
    """Reports checksums only in these replies: "list", "stat", "read", "copy"; or on request, for "parts"."""

    def __init__(self, objects: dict[str, bytes] | None = None, *where: str, wrong: bool = False, **more: Any) -> None:
        super().__init__(objects, **more)
        self._where = where
        self._wrong = wrong

    def _told(self, obj: ObjectInfo, where: str) -> ObjectInfo:
        if where not in self._where:
            return replace(obj, checksums={}, composite="parts" in self._where)
        return replace(obj, checksums={"crc64nvme": "0" * 16}) if self._wrong else obj

    async def stat(self, key: str) -> ObjectInfo:
        return self._told(await super().stat(key), "stat")

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        async for obj in super().list(prefix, walk):
            yield self._told(obj, "list")

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        head = await super().read_range(obj, start, into)
        found = self._told(self._find(obj.key)[0], "read")
        return replace(head, checksums=found.checksums if len(into) == head.size else {})

    async def checksums(self, obj: ObjectInfo) -> dict[str, str]:
        await self.called("checksums", obj.key)
        return {"crc32c": checksum.digest("crc32c", self.content(obj.key))}

    async def copy(
        self, src: Location, obj: ObjectInfo, key: str, options: WriteOptions | None = None, **how: Any
    ) -> ObjectInfo:
        return self._told(await super().copy(src, obj, key, options, **how), "copy")


class Silent(Watched):
    """Stores objects without reporting that it has compared them."""

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        return replace(await super().put(key, data, properties, overwrite=overwrite, sent=sent), checksums={})

    async def open_upload(
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> Any:
        return _Unanswered(await super().open_upload(key, size, properties=properties, overwrite=overwrite))


class _Unanswered(Upload):
    token = ""

    def __init__(self, upload: Any) -> None:
        self._upload = upload

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        return replace(await self._upload.write_part(part, data, sent), checksums={})

    async def complete(self, receipts: Any) -> ObjectInfo:
        found: ObjectInfo = await self._upload.complete(receipts)
        return replace(found, checksums={})

    async def abort(self) -> None:
        await self._upload.abort()


async def moved(source: MemoryBackend, destination: MemoryBackend, verify: Verify) -> dict[str, str | None]:
    """Key → the checksum that the object was verified with."""
    events: list[Event] = []
    async with machine() as instance:
        await Job(source, destination, instance, events.append, verify=verify).run(transfers(source))
    return {event.key: event.verified for event in events if event.kind == "object"}


@pytest.mark.parametrize("where", ["list", "stat", "read"])
async def test_nothing_is_compared_and_no_checksum_is_asked_for(where: str) -> None:
    source, destination = Untold(SIZES, where, wrong=True), Watched()
    assert await moved(source, destination, verify=False) == {"small": "size-only", "large": "size-only"}
    assert destination.contents() == SIZES
    assert source.count("stat") == 0


async def test_a_checksum_costs_a_question_where_the_listing_does_not_tell_it() -> None:
    source, destination = Untold(SIZES, "stat", "read"), Silent()
    assert await moved(source, destination, verify=True) == {"small": "crc64nvme", "large": "crc64nvme"}
    assert source.count("stat") == 1


@pytest.mark.parametrize("key", SIZES)
async def test_checksums_of_parts_are_asked_for_once(key: str) -> None:
    source = Untold({key: SIZES[key]}, "parts")
    assert await moved(source, Silent(), verify=True) == {key: "crc32c"}
    assert source.count("checksums") == 1
    source = Untold({key: SIZES[key]}, "parts")
    assert await moved(source, Silent(), verify=False) == {key: "size-only"}
    assert source.count("checksums") == 0


@pytest.mark.parametrize("key", SIZES)
async def test_where_one_is_required_an_object_without_is_refused_before_anything_is_written(key: str) -> None:
    source, destination = Untold({key: SIZES[key]}), Watched(compares=False)
    with pytest.raises(IntegrityError, match=f"no checksum to verify '{key}' with .*verify=True compares only"):
        await moved(source, destination, verify="require")
    assert destination.calls == []
    assert await moved(source, Silent(compares=False), verify=True) == {key: "size-only"}


async def test_where_one_is_required_a_stream_without_is_refused_before_it_is_read() -> None:
    source, destination = Streaming(SIZES, ranged=False, checksums={}), Watched(compares=False)
    with pytest.raises(IntegrityError, match="no checksum to verify 'large' with"):
        await moved(source, destination, verify="require")
    assert destination.calls == []
    assert source.count("stream") == 0


@pytest.mark.parametrize("key", SIZES)
async def test_what_the_destination_compares_is_enough(key: str) -> None:
    destination = Watched()
    assert await moved(Untold({key: SIZES[key]}), destination, verify="require") == {key: "crc64nvme"}
    assert destination.contents() == {key: SIZES[key]}


async def test_parts_that_were_not_compared_are_not_published() -> None:
    destination = Silent()
    with pytest.raises(IntegrityError, match="'large' has no checksum, and the destination did not verify its parts"):
        await moved(Untold({"large": SIZES["large"]}), destination, verify="require")
    assert destination.contents() == {}
    assert [upload.state for upload in destination.uploads] == ["aborted"]


async def test_an_object_of_one_request_that_was_not_compared_is_told_of() -> None:
    with pytest.raises(IntegrityError, match="'small' is stored, but neither side provides a checksum"):
        await moved(Untold({"small": SIZES["small"]}), Silent(), verify="require")


async def test_what_is_empty_needs_no_checksum() -> None:
    objects = {"empty": b"", "marker/": b""}
    source, destination = Untold(objects), Silent(compares=False)
    assert await moved(source, destination, verify="require") == {"empty": "size-only", "marker/": "size-only"}
    assert destination.contents() == objects


@pytest.mark.parametrize("size", [PART, 3 * PART + 7])
async def test_a_stream_is_verified(size: int) -> None:
    source, destination = Streaming({"k": data(size)}, ranged=False), Silent(compares=False)
    assert await moved(source, destination, verify="require") == {"k": "crc64nvme"}
    assert destination.contents() == {"k": data(size)}


@pytest.mark.parametrize("size", [PART, 3 * PART + 7])
async def test_a_stream_of_other_bytes_is_not_published(size: int) -> None:
    source, destination = Streaming({"k": data(size)}, ranged=False, checksums={"md5": "0" * 32}), Watched()
    with pytest.raises(IntegrityError, match="'k' do not match its md5 checksum .*verify=False"):
        await moved(source, destination, verify=True)
    assert destination.contents() == {}
    assert {upload.state for upload in destination.uploads} <= {"aborted"}
    assert await moved(source, destination, verify=False) == {"k": "size-only"}


async def test_other_bytes_are_told_of_where_they_cannot_even_be_dropped() -> None:
    source, destination = Untold({"large": SIZES["large"]}, "list", "stat", wrong=True), Watched()
    destination.before = Faults(abort=[ServiceError("cannot abort")] * 2)
    with pytest.raises(IntegrityError, match="'large' do not match its crc64nvme checksum"):
        await moved(source, destination, verify=True)
    assert destination.contents() == {}
    assert [upload.state for upload in destination.uploads] == ["open"]


@pytest.mark.parametrize("verify", [True, "require"])
@pytest.mark.parametrize("key", SIZES)
async def test_a_bit_that_flips_on_the_way(key: str, verify: Verify) -> None:
    destination = Watched()
    with pytest.raises(IntegrityError, match=f"'{key}' do not match its crc64nvme checksum"):
        await moved(Damaging({key: SIZES[key]}, times=5), destination, verify=verify)
    assert destination.contents() == {}


async def copied(place: Untold, verify: Verify) -> str | None:
    from sealift.engine.transfer import Transfer

    async def listing() -> AsyncGenerator[Transfer]:
        async for obj in place.list("k"):
            yield Transfer(obj, "copy", listed=True)

    events: list[Event] = []
    async with machine() as instance:
        await Job(place, place, instance, events.append, verify=verify).run(listing())
    return next(event.verified for event in events if event.kind == "object")


async def test_a_copy_inside_the_service_is_compared_where_both_ends_are_told() -> None:
    assert await copied(Untold({"k": b"k"}, "list", "copy"), verify=True) == "crc64nvme"
    assert await copied(Untold({"k": b"k"}, "list", "copy"), verify=False) == "size-only"
    for where in ("list", "copy", "stat"):
        place = Untold({"k": b"k"}, where)
        assert await copied(place, verify=True) == "size-only"
        assert place.count("stat") == 0


async def test_a_copy_that_became_something_else() -> None:
    class Broken(Untold):
        async def copy(
            self, src: Location, obj: ObjectInfo, key: str, options: WriteOptions | None = None, **how: Any
        ) -> ObjectInfo:
            stored = await super().copy(src, obj, key, options, **how)
            return replace(stored, checksums={"crc64nvme": "0" * 16})

    with pytest.raises(IntegrityError, match="the copy of 'k' does not match its crc64nvme checksum"):
        await copied(Broken({"k": b"k"}, "list"), verify=True)


async def test_where_one_is_required_both_ends_of_a_copy_are_asked() -> None:
    place = Untold({"k": b"k"}, "stat")
    assert await copied(place, verify="require") == "crc64nvme"
    assert place.count("stat") == 2
    place = Untold({"k": b"k"})
    with pytest.raises(IntegrityError, match="no checksum to verify 'k' with"):
        await copied(place, verify="require")
    assert place.count("copy") == 0


class OfParts(Untold):
    """Provides the hash of its parts' hashes on request."""

    async def checksums(self, obj: ObjectInfo) -> dict[str, str]:
        return {"sha256/1": checksum.digest("sha256/1", self.content(obj.key))}


async def test_where_one_is_required_hashes_of_parts_do_not_vouch_for_a_copy() -> None:
    place = OfParts({"k": b"key"}, "parts")
    with pytest.raises(IntegrityError, match="no checksum to verify 'k' with"):
        await copied(place, verify="require")
    assert place.count("copy") == 0
    assert await copied(place, verify=True) == "size-only"
