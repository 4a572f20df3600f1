"""The contract of backends whose uploads another process can resume, in addition to writing."""

from dataclasses import replace

import pytest

from sealift.contract import Upload
from sealift.errors import ModelMissingError
from sealift.types import Part, Receipt
from tests.contract.suite import Place, keys
from tests.contract.writing import WritingContract, body


@pytest.mark.anyio
class ResumingContract(WritingContract):
    """Tests for a backend that resumes uploads."""

    async def left(self, place: Place, *indexes: int, seed: int = 2) -> str:
        """The token of an unfinished upload with some of its parts."""
        upload = await place.backend.open_upload("a/model.bin", 2 * self.step + 1)
        for index in indexes:
            assert not (await self.write(upload, self.pieces[index], seed)).reused
        return upload.token

    async def reopened(self, place: Place, token: str) -> Upload:
        return await place.backend.open_upload("a/model.bin", 2 * self.step + 1, resume=token)

    async def ended(self, place: Place, upload: Upload) -> list[bool]:
        """Write all parts, complete the upload, and check it; returns which parts were already stored."""
        receipts: list[Receipt] = [await self.write(upload, part) for part in self.pieces]
        assert [receipt.part for receipt in receipts] == self.pieces
        stored = await upload.complete(receipts)
        there = await place.backend.stat("a/model.bin")
        assert (stored.size, stored.version) == (2 * self.step + 1, there.version)
        assert await self.content(place, "a/model.bin") == body(2 * self.step + 1)
        assert await keys(place.backend, "") == {"a/model.bin"}
        assert await keys(place.backend, ".sealift/") == set()
        return [receipt.reused for receipt in receipts]

    async def test_the_address_tells_the_root_and_no_secret(self, place: Place) -> None:
        assert place.backend.address.startswith("http://127.0.0.1:")
        assert place.backend.address.endswith(f"/{place.backend.location.root}")

    @pytest.mark.parametrize("there", [(), (0,), (1, 2), (2, 0, 1)], ids=str)
    async def test_only_what_is_missing_is_sent(self, place: Place, there: tuple[int, ...]) -> None:
        token = await self.left(place, *there)
        upload = await self.reopened(place, token)
        assert upload.token == token
        assert await keys(place.backend, "") == set()
        assert await self.ended(place, upload) == [index in there for index in range(3)]

    async def test_resumed_more_than_once(self, place: Place) -> None:
        token = await self.left(place, 0)
        await self.write(await self.reopened(place, token), self.pieces[1])
        assert await self.ended(place, await self.reopened(place, token)) == [True, True, False]

    async def test_it_holds_the_parts_that_were_stored(self, place: Place) -> None:
        upload = await place.backend.open_upload("a/model.bin", 2 * self.step + 1)
        first, last = [await self.write(upload, self.pieces[index]) for index in (0, 2)]
        assert upload.stored == 0
        reopened = await self.reopened(place, upload.token)
        assert reopened.stored == self.step + 1
        assert reopened.holds(first)
        assert reopened.holds(last)
        assert not reopened.holds(replace(first, token="another"))
        assert not reopened.holds(replace(first, part=replace(first.part, size=1)))
        assert not reopened.holds(Receipt(self.pieces[1], "another"))
        await reopened.abort()

    async def test_other_bytes_are_sent_again(self, place: Place) -> None:
        token = await self.left(place, 0, 1, seed=3)
        assert await self.ended(place, await self.reopened(place, token)) == [False, False, False]

    async def test_what_was_replaced_is_not_there_any_more(self, place: Place) -> None:
        upload = await self.reopened(place, await self.left(place, 0))
        assert (await self.write(upload, self.pieces[0])).reused
        assert not (await self.write(upload, self.pieces[0], seed=3)).reused
        await self.write(upload, self.pieces[0])  # sent or not: the last one counts
        await self.ended(place, upload)

    async def test_a_shorter_part_is_sent_again(self, place: Place) -> None:
        upload = await place.backend.open_upload("a/model.bin", 2 * self.step + 1)
        await upload.write_part(Part(1, self.step, 1), memoryview(body(2 * self.step + 1))[self.step : self.step + 1])
        assert await self.ended(place, await self.reopened(place, upload.token)) == [False, False, False]

    async def test_a_resumed_upload_is_aborted(self, place: Place) -> None:
        token = await self.left(place, 0, 2)
        upload = await self.reopened(place, token)
        await upload.abort()
        await upload.abort()
        assert await keys(place.backend, "") == set()
        assert await keys(place.backend, ".sealift/parts/") == set()

    @pytest.mark.parametrize("token", ["", "x", "crc64nvme:", "crc64nvme:unknown", "crc32:unknown", "../" * 8, "/"])
    async def test_an_unknown_upload(self, place: Place, token: str) -> None:
        place.put({"a/model.bin": b"there"})
        with pytest.raises(ModelMissingError):
            await self.reopened(place, token)
        assert await self.content(place, "a/model.bin") == b"there"
