"""What every backend promises, as one suite.

A backend passes by a class of a few lines: it derives from `ReadingContract`, or from `WritingContract` where the
backend can write, and gives the fixture `place`, and `crowded` with `MANY` objects under "many/". Each test runs on
both event loops.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import anyio
import pytest

from sealift import checksum
from sealift.backend import Backend
from sealift.errors import ModelMissingError, ObjectChanged
from sealift.types import ObjectInfo, Part, Receipt

SIZE = 300_001
DATA = random.Random(0).randbytes(SIZE)
OTHER = random.Random(1).randbytes(SIZE)
MANY = 1_100  # more than a page of a listing


class Put(Protocol):
    def __call__(self, objects: Mapping[str, bytes], checksum: str | None = None) -> object:
        """Store objects by another way than the backend under test, with a checksum if the service takes one."""


@dataclass(frozen=True)
class Place:
    """A backend with an empty root of its own.

    Attributes:
        backend: Under test.
        put: See `Put`.
        delete: Removes an object by another way than the backend.
        checksum: The algorithm whose checksum the service tells; None: it tells none.
    """

    backend: Backend
    put: Put
    delete: Callable[[str], object]
    checksum: str | None = None


async def read(backend: Backend, obj: ObjectInfo, start: int = 0, size: int | None = None) -> bytes:
    """A range of an object, or all of it."""
    assert obj.size is not None
    into = memoryview(bytearray(obj.size - start if size is None else size))
    await backend.read_range(obj, start, into)
    return bytes(into)


async def stream(backend: Backend, obj: ObjectInfo, step: int = 1 << 16) -> bytes:
    """An object, read in order."""
    body = bytearray()
    async with backend.open_read(obj) as reader:
        while count := await reader.readinto(view := memoryview(bytearray(step))):
            body += view[:count]
        assert await reader.readinto(view) == 0
    return bytes(body)


async def keys(backend: Backend, prefix: str) -> set[str]:
    found = [obj.key async for obj in backend.list(prefix)]
    assert len(set(found)) == len(found)
    return set(found)


@pytest.mark.anyio
class ReadingContract:
    """What can be asked of a place that others have filled.

    Attributes:
        odd_keys: Keys that this storage keeps as they are.
    """

    odd_keys: tuple[str, ...] = ()

    async def test_stat(self, place: Place) -> None:
        place.put({"iris/model.bin": DATA})
        obj = await place.backend.stat("iris/model.bin")
        assert (obj.key, obj.size, obj.ranged) == ("iris/model.bin", SIZE, True)
        assert obj.version
        assert obj.modified is not None
        assert obj.modified.tzinfo is not None

    @pytest.mark.parametrize("key", ["missing", "iris/missing", "iris", "iris/model.bin/below", "iris/model"])
    async def test_stat_of_nothing(self, place: Place, key: str) -> None:
        place.put({"iris/model.bin": b"x"})
        with pytest.raises(ModelMissingError):
            await place.backend.stat(key)

    @pytest.mark.parametrize(
        ("start", "size"),
        [
            (0, 1),
            (SIZE - 1, 1),
            (1, 1),
            (100_000, 65_537),
            (SIZE - 1000, 1000),
            (0, SIZE - 1),
            (1, SIZE - 1),
            (0, SIZE),
        ],
    )
    async def test_ranges(self, place: Place, start: int, size: int) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        assert await read(place.backend, obj, start, size) == DATA[start : start + size]

    async def test_a_range_fills_its_view_and_nothing_beside_it(self, place: Place) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        buffer = bytearray(b"." * 3000)
        await place.backend.read_range(obj, 500, memoryview(buffer)[1000:2000])
        assert buffer == b"." * 1000 + DATA[500:1500] + b"." * 1000

    async def test_the_head_of_a_range(self, place: Place) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        for size in (10, SIZE):
            head = await place.backend.read_range(obj, 0, memoryview(bytearray(size)))
            assert head.version == obj.version
            assert head.size in {SIZE, None}
        part = await place.backend.read_range(obj, 10, memoryview(bytearray(10)))
        assert part.checksums == {}

    async def test_ranges_at_once(self, place: Place) -> None:
        place.put({"model.bin": DATA, "other.bin": OTHER})
        step = 20_000
        got: dict[tuple[str, int], bytes] = {}

        async def fetch(obj: ObjectInfo, start: int) -> None:
            got[obj.key, start] = await read(place.backend, obj, start, min(step, SIZE - start))

        objects = [await place.backend.stat(key) for key in ("model.bin", "other.bin")]
        async with anyio.create_task_group() as group:
            for start in reversed(range(0, SIZE, step)):
                for obj in objects:
                    group.start_soon(fetch, obj, start)
        for key, data in (("model.bin", DATA), ("other.bin", OTHER)):
            assert b"".join(got[key, start] for start in range(0, SIZE, step)) == data

    @pytest.mark.parametrize(("start", "size"), [(0, SIZE), (0, 1), (1000, 1000), (SIZE - 1, 1)])
    async def test_a_read_is_pinned_to_the_version(self, place: Place, start: int, size: int) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        place.put({"model.bin": OTHER})
        with pytest.raises(ObjectChanged):
            await read(place.backend, obj, start, size)
        again = await place.backend.stat("model.bin")
        assert again.version != obj.version
        assert await read(place.backend, again, start, size) == OTHER[start : start + size]

    @pytest.mark.parametrize("size", [1, 1000, SIZE + 1000])
    async def test_an_object_of_another_size_is_another_version(self, place: Place, size: int) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        place.put({"model.bin": bytes(size)})
        for start, count in ((0, SIZE), (0, 1), (SIZE - 10, 10)):
            with pytest.raises(ObjectChanged):
                await read(place.backend, obj, start, count)

    async def test_a_stream_is_pinned_to_the_version(self, place: Place) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        place.put({"model.bin": OTHER})
        with pytest.raises(ObjectChanged):
            await stream(place.backend, obj)

    async def test_an_object_that_is_gone(self, place: Place) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        place.delete("model.bin")
        with pytest.raises(ModelMissingError):
            await read(place.backend, obj, 0, 10)
        with pytest.raises(ModelMissingError):
            await read(place.backend, obj)
        with pytest.raises(ModelMissingError):
            await stream(place.backend, obj)

    @pytest.mark.parametrize("step", [1 << 20, 1 << 16, 7_919])
    async def test_reading_in_order(self, place: Place, step: int) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        assert await stream(place.backend, obj, step) == DATA

    async def test_a_reader_may_be_left_early(self, place: Place) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        async with place.backend.open_read(obj) as reader:
            count = await reader.readinto(view := memoryview(bytearray(10)))
            assert view[:count] == DATA[:count]
        assert await stream(place.backend, obj) == DATA

    async def test_listing_by_a_string(self, place: Place) -> None:
        stored = {"foo", "foo-2/a", "foo/a", "foo/b/c", "foo/b/d/e", "fo", "bar", "bar/foo/a"}
        place.put(dict.fromkeys(stored, b"x"))
        for prefix in ("", "f", "foo", "foo/", "foo/b", "foo/b/", "foo/b/d/e", "foo-", "bar/f"):
            assert await keys(place.backend, prefix) == {key for key in stored if key.startswith(prefix)}, prefix

    @pytest.mark.parametrize("prefix", ["", "missing", "missing/", "missing/below/", "model.bin/", "model.bin2"])
    async def test_listing_nothing(self, place: Place, prefix: str) -> None:
        if prefix:
            place.put({"model.bin": b"x", "models/model.bin": b"x"})
        assert await keys(place.backend, prefix) == set()

    async def test_what_a_listing_tells_is_enough_to_read(self, place: Place) -> None:
        place.put({"a/model.bin": DATA, "a/empty": b"", "a/small": b"small"})
        found = {obj.key: obj async for obj in place.backend.list("a/")}
        assert {key: obj.size for key, obj in found.items()} == {"a/model.bin": SIZE, "a/empty": 0, "a/small": 5}
        for key, obj in found.items():
            assert obj.version == (await place.backend.stat(key)).version
            assert obj.modified is not None
            assert obj.modified.tzinfo is not None
        assert await read(place.backend, found["a/model.bin"]) == DATA
        assert await read(place.backend, found["a/small"], 1, 3) == b"mal"
        place.put({"a/model.bin": OTHER})
        with pytest.raises(ObjectChanged):
            await read(place.backend, found["a/model.bin"])

    async def test_a_long_listing(self, crowded: Place) -> None:
        assert await keys(crowded.backend, "many/") == {f"many/{number:05}" for number in range(MANY)}
        assert await keys(crowded.backend, "many/000") == {f"many/{number:05}" for number in range(100)}

    async def test_a_listing_may_be_left_early(self, crowded: Place) -> None:
        listing = crowded.backend.list("many/")
        assert (await anext(listing)).key.startswith("many/")
        await listing.aclose()
        assert await keys(crowded.backend, "many/00000") == {"many/00000"}

    async def test_odd_keys(self, place: Place) -> None:
        stored = {key: key.encode() for key in self.odd_keys}
        place.put(stored)
        assert await keys(place.backend, "") == set(stored)
        for key, data in stored.items():
            obj = await place.backend.stat(key)
            assert obj.key == key
            assert await read(place.backend, obj) == data
            assert await read(place.backend, obj, 0, 1) == data[:1]

    async def test_odd_prefixes(self, place: Place) -> None:
        stored = {f"{key}/model.bin" for key in self.odd_keys}
        place.put(dict.fromkeys(stored, b"x"))
        for prefix in (*self.odd_keys[::4], "%", "+", " "):
            assert await keys(place.backend, prefix) == {key for key in stored if key.startswith(prefix)}, prefix

    async def test_an_empty_object(self, place: Place) -> None:
        place.put({"empty": b""})
        obj = await place.backend.stat("empty")
        assert obj.size == 0
        assert [(obj.key, obj.size) async for obj in place.backend.list("empty")] == [("empty", 0)]
        assert await stream(place.backend, obj) == b""

    async def test_checksums(self, place: Place) -> None:
        if place.checksum is None:
            place.put({"model.bin": DATA})
            assert not place.backend.capabilities.checksums
            assert (await place.backend.stat("model.bin")).checksums == {}
            return
        assert place.checksum in place.backend.capabilities.checksums
        place.put({"model.bin": DATA}, checksum=place.checksum)
        told = {place.checksum: checksum.digest(place.checksum, DATA)}
        obj = await place.backend.stat("model.bin")
        assert obj.checksums == told
        assert (await place.backend.read_range(obj, 0, memoryview(bytearray(SIZE)))).checksums == told


STEP = 100_000
PIECES = [Part(index, start, min(STEP, SIZE - start)) for index, start in enumerate(range(0, SIZE, STEP))]


@pytest.mark.anyio
class WritingContract(ReadingContract):
    """What can be asked of a place beside reading."""

    async def content(self, place: Place, key: str) -> bytes:
        return await read(place.backend, await place.backend.stat(key))

    async def test_put(self, place: Place) -> None:
        stored = await place.backend.put("a/b/model.bin", memoryview(DATA))
        assert stored == await place.backend.stat("a/b/model.bin")
        assert await self.content(place, "a/b/model.bin") == DATA
        assert await keys(place.backend, "") == {"a/b/model.bin"}

    async def test_put_copies(self, place: Place) -> None:
        buffer = bytearray(b"first")
        await place.backend.put("k", memoryview(buffer))
        buffer[:] = b"other"
        assert await self.content(place, "k") == b"first"

    async def test_put_replaces(self, place: Place) -> None:
        first = await place.backend.put("k", memoryview(DATA))
        second = await place.backend.put("k", memoryview(OTHER))
        assert first.version != second.version
        assert await self.content(place, "k") == OTHER
        with pytest.raises(ObjectChanged):
            await read(place.backend, first)

    async def test_put_nothing(self, place: Place) -> None:
        assert (await place.backend.put("empty", memoryview(b""))).size == 0
        assert (await place.backend.stat("empty")).size == 0

    async def test_put_odd_keys(self, place: Place) -> None:
        for key in self.odd_keys:
            await place.backend.put(key, memoryview(key.encode()))
        assert await keys(place.backend, "") == set(self.odd_keys)
        for key in self.odd_keys:
            assert await self.content(place, key) == key.encode()

    @pytest.mark.parametrize("size", [SIZE, None])
    @pytest.mark.parametrize(
        "order", [PIECES, PIECES[::-1], PIECES[2:] + PIECES[:2]], ids=["in order", "back", "mixed"]
    )
    async def test_an_upload_in_parts(self, place: Place, size: int | None, order: list[Part]) -> None:
        upload = await place.backend.open_upload("a/model.bin", size)
        assert upload.landed == {}
        receipts: dict[int, Receipt] = {}
        for part in order:
            data = memoryview(DATA)[part.start : part.start + part.size]
            receipts[part.index] = await upload.write_part(part, data)
            assert receipts[part.index].part == part
            assert await keys(place.backend, "") == set()
        stored = await upload.complete([receipts[index] for index in sorted(receipts)])
        assert (stored.key, stored.size) == ("a/model.bin", SIZE)
        assert await self.content(place, "a/model.bin") == DATA
        assert await keys(place.backend, "") == {"a/model.bin"}

    async def test_parts_at_once(self, place: Place) -> None:
        upload = await place.backend.open_upload("k", SIZE)
        receipts: dict[int, Receipt] = {}

        async def write(part: Part) -> None:
            receipts[part.index] = await upload.write_part(part, memoryview(DATA)[part.start : part.start + part.size])

        async with anyio.create_task_group() as group:
            for part in PIECES:
                group.start_soon(write, part)
        await upload.complete([receipts[index] for index in sorted(receipts)])
        assert await self.content(place, "k") == DATA

    async def test_a_part_written_again_replaces_the_first(self, place: Place) -> None:
        upload = await place.backend.open_upload("k", SIZE)
        receipts: dict[int, Receipt] = {}
        for source in (OTHER, DATA):
            for part in PIECES:
                data = memoryview(source)[part.start : part.start + part.size]
                receipts[part.index] = await upload.write_part(part, data)
        await upload.complete(list(receipts.values()))
        assert await self.content(place, "k") == DATA

    async def test_an_upload_replaces_only_when_it_is_complete(self, place: Place) -> None:
        old = await place.backend.put("k", memoryview(OTHER))
        upload = await place.backend.open_upload("k", 5)
        assert await read(place.backend, old) == OTHER
        receipt = await upload.write_part(Part(0, 0, 5), memoryview(b"fresh"))
        assert await read(place.backend, old) == OTHER
        await upload.complete([receipt])
        assert await self.content(place, "k") == b"fresh"
        with pytest.raises(ObjectChanged):
            await read(place.backend, old)

    async def test_completed_twice(self, place: Place) -> None:
        upload = await place.backend.open_upload("k", 5)
        receipt = await upload.write_part(Part(0, 0, 5), memoryview(b"bytes"))
        for _ in range(2):
            assert (await upload.complete([receipt])).size == 5
        assert await self.content(place, "k") == b"bytes"
        await upload.abort()
        assert await self.content(place, "k") == b"bytes"

    async def test_aborted(self, place: Place) -> None:
        old = await place.backend.put("kept", memoryview(OTHER))
        for key in ("kept", "new"):
            upload = await place.backend.open_upload(key, SIZE)
            await upload.write_part(PIECES[0], memoryview(DATA)[:STEP])
            await upload.abort()
            await upload.abort()
        assert await keys(place.backend, "") == {"kept"}
        assert await read(place.backend, old) == OTHER

    async def test_two_uploads_to_one_key_do_not_mix(self, place: Place) -> None:
        uploads = [await place.backend.open_upload("k", 6) for _ in range(2)]
        pieces = [(b"aaa", b"AAA"), (b"bbb", b"BBB")]
        receipts: list[list[Receipt]] = [[], []]
        for index in range(2):
            for which, upload in enumerate(uploads):
                data = memoryview(pieces[which][index])
                receipts[which].append(await upload.write_part(Part(index, 3 * index, 3), data))
        await uploads[0].complete(receipts[0])
        assert await self.content(place, "k") == b"aaaAAA"
        await uploads[1].complete(receipts[1])
        assert await self.content(place, "k") == b"bbbBBB"

    @pytest.mark.parametrize("data", [DATA, b""], ids=["large", "empty"])
    async def test_copy(self, place: Place, data: bytes) -> None:
        place.put({"a/model.bin": data})
        obj = await place.backend.stat("a/model.bin")
        stored = await place.backend.copy(place.backend.location, obj, "b/c/copy.bin")
        assert (stored.key, stored.size) == ("b/c/copy.bin", len(data))
        assert await self.content(place, "b/c/copy.bin") == data
        assert await self.content(place, "a/model.bin") == data

    async def test_a_copy_is_pinned_to_the_version(self, place: Place) -> None:
        place.put({"model.bin": DATA, "old": b"old"})
        obj = await place.backend.stat("model.bin")
        place.put({"model.bin": OTHER})
        with pytest.raises(ObjectChanged):
            await place.backend.copy(place.backend.location, obj, "old")
        assert await self.content(place, "old") == b"old"
        assert await keys(place.backend, "") == {"model.bin", "old"}
        place.delete("model.bin")
        with pytest.raises(ModelMissingError):
            await place.backend.copy(place.backend.location, obj, "copy.bin")

    async def test_delete(self, place: Place) -> None:
        place.put({"a/b": b"x", "a/c": b"x"})
        await place.backend.delete("a/b")
        assert await keys(place.backend, "") == {"a/c"}
        with pytest.raises(ModelMissingError):
            await place.backend.stat("a/b")
        for key in ("a/b", "a", "missing"):
            with pytest.raises(ModelMissingError):
                await place.backend.delete(key)
        assert await keys(place.backend, "") == {"a/c"}
