"""The contract of backends that can write, in addition to reading."""

import functools
import random

import anyio
import pytest

from sealift.contract import Upload
from sealift.errors import ModelMissingError, ObjectChanged
from sealift.runtime import part_sizes
from sealift.types import Part, Receipt
from tests.contract.suite import DATA, OTHER, SIZE, Place, ReadingContract, keys, read, stream


@functools.cache
def body(size: int, seed: int = 2) -> bytes:
    """Random bytes."""
    return random.Random(seed).randbytes(size)


@pytest.mark.anyio
class WritingContract(ReadingContract):
    """Tests for a backend that can write.

    Attributes:
        step: Bytes of each part except the last one.
        control_keys: Keys with control characters that this storage keeps unchanged.
    """

    step = 100_000
    control_keys: tuple[str, ...] = ()

    @property
    def pieces(self) -> list[Part]:
        """The parts of an object whose last part is shorter."""
        return list(part_sizes.parts(2 * self.step + 1, self.step))

    async def write(self, upload: Upload, part: Part, seed: int = 2) -> Receipt:
        whole = memoryview(body(2 * self.step + 1, seed))
        return await upload.write_part(part, whole[part.start : part.start + part.size])

    async def content(self, place: Place, key: str) -> bytes:
        obj = await place.backend.stat(key)
        return await read(place.backend, obj) if obj.size else await stream(place.backend, obj)

    async def test_put(self, place: Place) -> None:
        stored = await place.backend.put("a/b/model.bin", memoryview(DATA))
        there = await place.backend.stat("a/b/model.bin")
        assert (stored.key, stored.size, stored.version) == ("a/b/model.bin", SIZE, there.version)
        assert there.size == SIZE
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

    @pytest.mark.parametrize("sized", [True, False])
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (2, 0, 1)], ids=["in order", "back", "mixed"])
    async def test_an_upload_in_parts(self, place: Place, sized: bool, order: tuple[int, ...]) -> None:
        size = 2 * self.step + 1
        upload = await place.backend.open_upload("a/model.bin", size if sized else None)
        receipts: dict[int, Receipt] = {}
        for index in order:
            part = self.pieces[index]
            receipts[index] = await self.write(upload, part)
            assert receipts[index].part == part
            assert await keys(place.backend, "") == set()
        stored = await upload.complete([receipts[index] for index in sorted(receipts)])
        there = await place.backend.stat("a/model.bin")
        assert (stored.key, stored.size, stored.version) == ("a/model.bin", size, there.version)
        assert await self.content(place, "a/model.bin") == body(size)
        assert await keys(place.backend, "") == {"a/model.bin"}

    async def test_parts_at_once(self, place: Place) -> None:
        upload = await place.backend.open_upload("k", 2 * self.step + 1)
        receipts: dict[int, Receipt] = {}

        async def write(part: Part) -> None:
            receipts[part.index] = await self.write(upload, part)

        async with anyio.create_task_group() as group:
            for part in self.pieces:
                group.start_soon(write, part)
        await upload.complete([receipts[index] for index in sorted(receipts)])
        assert await self.content(place, "k") == body(2 * self.step + 1)

    async def test_a_part_written_again_replaces_the_first(self, place: Place) -> None:
        upload = await place.backend.open_upload("k", 2 * self.step + 1)
        receipts: dict[int, Receipt] = {}
        for seed in (3, 2):
            for part in self.pieces:
                receipts[part.index] = await self.write(upload, part, seed)
        await upload.complete(list(receipts.values()))
        assert await self.content(place, "k") == body(2 * self.step + 1)

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
            upload = await place.backend.open_upload(key, 2 * self.step + 1)
            await self.write(upload, self.pieces[0])
            await upload.abort()
            await upload.abort()
        assert await keys(place.backend, "") == {"kept"}
        assert await read(place.backend, old) == OTHER

    async def test_two_uploads_to_one_key_do_not_mix(self, place: Place) -> None:
        size = self.step + 1
        uploads = [await place.backend.open_upload("k", size) for _ in range(2)]
        receipts: list[list[Receipt]] = [[], []]
        for part in part_sizes.parts(size, self.step):
            for seed, upload in enumerate(uploads):
                receipts[seed].append(await self.write(upload, part, seed))
        for seed, upload in enumerate(uploads):
            await upload.complete(receipts[seed])
            assert await self.content(place, "k") == body(2 * self.step + 1, seed)[:size]

    async def test_uploads_to_odd_keys(self, place: Place) -> None:
        for key in self.odd_keys:
            upload = await place.backend.open_upload(key, 1)
            await upload.complete([await upload.write_part(Part(0, 0, 1), memoryview(b"x"))])
            given_up = await place.backend.open_upload(key, 1)
            await given_up.abort()
        assert await keys(place.backend, "") == set(self.odd_keys)

    @pytest.mark.parametrize("data", [DATA, b""], ids=["large", "empty"])
    async def test_copy(self, place: Place, data: bytes) -> None:
        place.put({"a/model.bin": data})
        obj = await place.backend.stat("a/model.bin")
        stored = await place.backend.copy(place.backend.location, obj, "b/c/copy.bin")
        assert (stored.key, stored.size) == ("b/c/copy.bin", len(data))
        assert await self.content(place, "b/c/copy.bin") == data
        assert await self.content(place, "a/model.bin") == data

    async def test_copies_of_odd_keys(self, place: Place) -> None:
        for key in self.odd_keys:
            await place.backend.put(key, memoryview(key.encode()))
            obj = await place.backend.stat(key)
            await place.backend.copy(place.backend.location, obj, f"copy{key}")
            assert await self.content(place, f"copy{key}") == key.encode()

    async def test_a_copy_replaces(self, place: Place) -> None:
        place.put({"new": DATA, "k": OTHER})
        old = await place.backend.stat("k")
        stored = await place.backend.copy(place.backend.location, await place.backend.stat("new"), "k")
        assert stored.version not in {None, old.version}
        assert await self.content(place, "k") == DATA
        with pytest.raises(ObjectChanged):
            await read(place.backend, old)

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

    async def test_deletion_of_one_version(self, place: Place) -> None:
        place.put({"k": DATA, "other": b"x"})
        old = await place.backend.stat("k")
        place.put({"k": OTHER})
        with pytest.raises(ObjectChanged):
            await place.backend.delete("k", version=old.version)
        assert await self.content(place, "k") == OTHER
        await place.backend.delete("k", version=(await place.backend.stat("k")).version)
        assert await keys(place.backend, "") == {"other"}
        with pytest.raises(ModelMissingError):
            await place.backend.delete("k", version=old.version)

    async def test_deleting_many(self, place: Place) -> None:
        place.put(dict.fromkeys(("p/a", "p/b/c", "p/b/d", "p/e", "p-2/a", "q"), b"x"))
        await place.backend.delete_many([], "p/")
        await place.backend.delete_many(["p/a", "p/missing", "p/b/c", "p/none/missing"], "p/")
        assert await keys(place.backend, "") == {"p/b/d", "p/e", "p-2/a", "q"}
        await place.backend.delete_many(["p/b/d", "p-2/a"], "")
        assert await keys(place.backend, "") == {"p/e", "q"}
        await place.backend.delete_many(["p/b/d", "p-2/a"], "")
        assert await keys(place.backend, "") == {"p/e", "q"}

    async def test_deleting_odd_keys(self, place: Place) -> None:
        stored = (*self.odd_keys, *self.control_keys)
        place.put({key: key.encode() for key in stored})
        for gone, kept in ((stored[::2], set(stored[1::2])), (stored[1::2], set[str]())):
            await place.backend.delete_many(gone, "")
            assert await keys(place.backend, "") == kept

    async def test_deleting_one_by_one(self, place: Place) -> None:
        stored = {*self.odd_keys, *self.control_keys}
        place.put({key: key.encode() for key in stored})
        for key in sorted(stored):
            await place.backend.delete(key)
            stored.remove(key)
            assert await keys(place.backend, "") == stored

    async def test_deleting_more_than_a_request_takes(self, place: Place) -> None:
        there = [0, 1, 999, 1000, 1001, 2500]
        place.put({f"many/{number:05}": b"x" for number in there} | {"many/kept": b"x"})
        await place.backend.delete_many([f"many/{number:05}" for number in range(2501)], "many/")
        assert await keys(place.backend, "") == {"many/kept"}
