"""The contract of all backends, as one test suite; `writing` has the part for backends that can write.

To test a backend, derive a class of a few lines from `ReadingContract`, from `WritingContract` if the backend can
write, or from `ObjectContract` if it cannot list, and provide the fixtures `place`, and `crowded` with `MANY` objects
under "many/". Each test runs on both event loops.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import anyio
import pytest

from sealift.contract import Backend
from sealift.errors import ModelMissingError, ObjectChanged
from sealift.integrity import checksums as checksum
from sealift.types import ObjectInfo

SIZE = 300_001
DATA = random.Random(0).randbytes(SIZE)
OTHER = random.Random(1).randbytes(SIZE)
MANY = 1_100  # more than a page of a listing


class Put(Protocol):
    def __call__(self, objects: Mapping[str, bytes], checksum: str | None = None) -> object:
        """Store objects without the backend under test, with a checksum if the service supports it."""


@dataclass(frozen=True)
class Place:
    """A backend with an empty root.

    Attributes:
        backend: The backend under test.
        put: See `Put`.
        delete: Deletes an object without the backend.
        checksum: The algorithm of the checksum that the service provides; None: no checksum.
    """

    backend: Backend
    put: Put
    delete: Callable[[str], object]
    checksum: str | None = None


async def read(backend: Backend, obj: ObjectInfo, start: int = 0, size: int | None = None) -> bytes:
    """Read a range of an object, or all of it."""
    assert obj.size is not None
    into = memoryview(bytearray(obj.size - start if size is None else size))
    await backend.read_range(obj, start, into)
    return bytes(into)


async def stream(backend: Backend, obj: ObjectInfo, step: int = 1 << 16) -> bytes:
    """Read an object sequentially."""
    body = bytearray()
    async with backend.open_read(obj) as reader:
        while count := await reader.readinto(view := memoryview(bytearray(step))):
            body += view[:count]
        assert await reader.readinto(view) == 0
    return bytes(body)


async def level(backend: Backend, prefix: str) -> set[str]:
    """The keys of one level of a listing; those of prefixes end in "/"."""
    found = [obj async for obj in backend.list_level(prefix)]
    assert len({obj.key for obj in found}) == len(found)
    assert all(obj.key.endswith("/") and obj.size is None for obj in found if obj.is_prefix)
    assert all(obj.size is not None for obj in found if not obj.is_prefix)
    return {obj.key for obj in found}


async def keys(backend: Backend, prefix: str) -> set[str]:
    """The keys of a listing, without directories: on a disk, empty ones may be left."""
    on_disk = backend.location.scheme == "file"
    found = [obj.key async for obj in backend.list(prefix) if not (on_disk and obj.key.endswith("/"))]
    assert len(set(found)) == len(found)
    return set(found)


@pytest.mark.anyio
class ObjectContract:
    """Tests that read objects stored by other means.

    Attributes:
        odd_keys: Keys that this storage keeps unchanged.
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

    @pytest.mark.parametrize("last", [1, 1000, SIZE - 1, SIZE, SIZE + 10])
    async def test_the_last_bytes(self, place: Place, last: int) -> None:
        place.put({"model.bin": DATA})
        known = await place.backend.stat("model.bin")
        opening = place.backend.find_and_read("model.bin", last)
        if opening is None:  # it takes more than one request
            assert await read(place.backend, known, max(SIZE - last, 0), min(last, SIZE)) == DATA[-last:]
            return
        body = bytearray()
        async with opening as (obj, reader):
            while count := await reader.readinto(view := memoryview(bytearray(1 << 16))):
                body += view[:count]
        assert body == DATA[-last:]
        assert (obj.key, obj.size, obj.version) == ("model.bin", SIZE, known.version)
        assert obj.modified is not None

    async def test_odd_keys(self, place: Place) -> None:
        stored = {key: key.encode() for key in self.odd_keys}
        place.put(stored)
        for key, data in stored.items():
            obj = await place.backend.stat(key)
            assert obj.key == key
            assert await read(place.backend, obj) == data
            assert await read(place.backend, obj, 0, 1) == data[:1]

    async def test_an_empty_object(self, place: Place) -> None:
        place.put({"empty": b""})
        obj = await place.backend.stat("empty")
        assert obj.size == 0
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


@pytest.mark.anyio
class ReadingContract(ObjectContract):
    """Tests that list and read objects stored by other means."""

    async def test_listing_by_a_string(self, place: Place) -> None:
        stored = {"foo", "foo-2/a", "foo/a", "foo/b/c", "foo/b/d/e", "fo", "bar", "bar/foo/a"}
        place.put(dict.fromkeys(stored, b"x"))
        for prefix in ("", "f", "foo", "foo/", "foo/b", "foo/b/", "foo/b/d/e", "foo-", "bar/f"):
            assert await keys(place.backend, prefix) == {key for key in stored if key.startswith(prefix)}, prefix

    async def test_one_level(self, place: Place) -> None:
        place.put(dict.fromkeys(("a", "b/c", "b/d/e", "b/d/f", "b/g", "b-2/h", "i/j/k"), b"x"))
        assert await level(place.backend, "") == {"a", "b/", "b-2/", "i/"}
        assert await level(place.backend, "b/") == {"b/c", "b/d/", "b/g"}
        assert await level(place.backend, "i/") == {"i/j/"}
        assert await level(place.backend, "missing/") == set()

    async def test_a_level_is_enough_to_read(self, place: Place) -> None:
        place.put({"a/model.bin": DATA, "a/deep/er": b"x"})
        (obj,) = [obj async for obj in place.backend.list_level("a/") if not obj.is_prefix]
        assert [obj] == [each async for each in place.backend.list("a/model.bin")]
        assert await read(place.backend, obj, 10, 20) == DATA[10:30]

    async def test_one_level_of_many(self, crowded: Place) -> None:
        assert await level(crowded.backend, "") == {"many/"}
        assert await level(crowded.backend, "many/") == {f"many/{number:05}" for number in range(MANY)}

    async def test_one_level_of_odd_keys(self, place: Place) -> None:
        stored = {f"{key}/model.bin" for key in self.odd_keys}
        place.put(dict.fromkeys(stored, b"x"))
        assert await level(place.backend, "") == {f"{key.partition('/')[0]}/" for key in stored}

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

    async def test_listing_odd_keys(self, place: Place) -> None:
        place.put({key: key.encode() for key in self.odd_keys})
        assert await keys(place.backend, "") == set(self.odd_keys)

    async def test_odd_prefixes(self, place: Place) -> None:
        stored = {f"{key}/model.bin" for key in self.odd_keys}
        place.put(dict.fromkeys(stored, b"x"))
        for prefix in (*self.odd_keys[::4], "%", "+", " "):
            assert await keys(place.backend, prefix) == {key for key in stored if key.startswith(prefix)}, prefix

    async def test_listing_an_empty_object(self, place: Place) -> None:
        place.put({"empty": b""})
        assert [(obj.key, obj.size) async for obj in place.backend.list("empty")] == [("empty", 0)]


class TreeContract(ReadingContract):
    """Tests for a storage in which a name cannot be a file and a directory."""

    async def test_listing_by_a_string(self, place: Place) -> None:
        stored = {"foo-2/a", "foo/a", "foo/b/c", "foo/b/d/e", "fo", "bar.bin", "bar/foo/a"}
        place.put(dict.fromkeys(stored, b"x"))
        for prefix in ("", "f", "foo", "foo/", "foo/b", "foo/b/", "foo/b/d/e", "foo-", "bar", "bar/f"):
            assert await keys(place.backend, prefix) == {key for key in stored if key.startswith(prefix)}, prefix


class CommitContract(TreeContract):
    """Tests for a repository: a backend stays at the commit that it first resolved."""

    @pytest.mark.parametrize(("start", "size"), [(0, SIZE), (0, 1), (1000, 1000), (SIZE - 1, 1)])
    async def test_a_read_is_pinned_to_the_version(self, place: Place, start: int, size: int) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        place.put({"model.bin": OTHER})
        assert await read(place.backend, obj, start, size) == DATA[start : start + size]
        assert await place.backend.stat("model.bin") == obj

    @pytest.mark.parametrize("size", [1, 1000, SIZE + 1000])
    async def test_an_object_of_another_size_is_another_version(self, place: Place, size: int) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        place.put({"model.bin": bytes(size)})
        for start, count in ((0, SIZE), (0, 1), (SIZE - 10, 10)):
            assert await read(place.backend, obj, start, count) == DATA[start : start + count]

    async def test_a_stream_is_pinned_to_the_version(self, place: Place) -> None:
        place.put({"model.bin": DATA, "config.json": DATA})
        objects = [await place.backend.stat(key) for key in ("model.bin", "config.json")]
        place.put({"model.bin": OTHER, "config.json": OTHER})
        for obj in objects:
            assert await stream(place.backend, obj) == DATA

    async def test_an_object_that_is_gone(self, place: Place) -> None:
        place.put({"model.bin": DATA})
        obj = await place.backend.stat("model.bin")
        place.delete("model.bin")
        assert await read(place.backend, obj) == DATA

    async def test_what_a_listing_tells_is_enough_to_read(self, place: Place) -> None:
        place.put({"a/model.bin": DATA, "a/empty": b"", "a/small": b"small"})
        found = {obj.key: obj async for obj in place.backend.list("a/")}
        assert {key: obj.size for key, obj in found.items()} == {"a/model.bin": SIZE, "a/empty": 0, "a/small": 5}
        for key, obj in found.items():
            there = await place.backend.stat(key)
            assert (obj.version, obj.modified, obj.etag) == (there.version, there.modified, there.etag)
            assert (obj.size, obj.checksums) == (there.size, there.checksums)
        assert await read(place.backend, found["a/model.bin"]) == DATA
        assert await read(place.backend, found["a/small"], 1, 3) == b"mal"
