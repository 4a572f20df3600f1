"""Archives that arrive in parts of any size, in any order."""

import asyncio
import random
from pathlib import Path

import pytest

from sealift.archives.archive_target import ArchiveTarget
from sealift.errors import ArchiveError, ClosedError
from sealift.runtime.disk_threads import DiskThreads
from sealift.types import Part, Unpack
from tests.api.helpers import files_in
from tests.unit.archives.test_unpack import COMPRESSIONS, TREE, tar, zipped

pytestmark = pytest.mark.anyio

PACKED = {name: compress(tar(TREE.items())) for name, compress in COMPRESSIONS.items()} | {"zip": zipped(TREE.items())}


def target(tmp_path: Path, data: bytes, *, ranges: bool = True) -> ArchiveTarget:
    async def read_range(start: int, length: int) -> bytes:
        return data[start : start + length]

    disk = DiskThreads()
    return ArchiveTarget(
        str(tmp_path / "new"), str(tmp_path), disk, lambda _: True, Unpack(), read_range if ranges else None
    )


def parts(data: bytes, length: int) -> list[tuple[Part, memoryview]]:
    views = [memoryview(data)[start : start + length] for start in range(0, len(data), length)]
    return [(Part(index, index * length, len(view)), view) for index, view in enumerate(views)]


@pytest.mark.parametrize("form", PACKED)
@pytest.mark.parametrize("length", [3001, 1 << 20, 1 << 30])
@pytest.mark.parametrize("ranges", [True, False])
async def test_parts_in_any_order(tmp_path: Path, form: str, length: int, ranges: bool) -> None:
    data = PACKED[form]
    upload = await target(tmp_path, data, ranges=ranges).open_upload("m", len(data) if ranges else None)
    arriving = parts(data, length)
    random.Random(1).shuffle(arriving)
    receipts = await asyncio.gather(*(upload.write_part(part, view) for part, view in arriving))
    stored = await upload.complete(receipts)
    assert stored.size == len(data)
    assert files_in(tmp_path / "new") == TREE


@pytest.mark.parametrize("form", PACKED)
async def test_nothing_is_complete_before_the_end(tmp_path: Path, form: str) -> None:
    """The thread waits for `complete`, which is called when the bytes have been verified."""
    data = PACKED[form]
    upload = await target(tmp_path, data, ranges=False).open_upload("m", None)
    for part, view in parts(data, 1 << 20):
        await upload.write_part(part, view)
    await upload.abort()
    with pytest.raises(ClosedError):
        await upload.complete(())


async def test_damage_is_reported_by_the_part_that_waits(tmp_path: Path) -> None:
    data = PACKED["gz"][:1000] + bytes(1 << 20)
    upload = await target(tmp_path, data).open_upload("m", len(data))
    with pytest.raises(ArchiveError, match="damaged"):
        for part, view in parts(data, 100_000):
            await upload.write_part(part, view)
        await upload.complete(())
    await upload.abort()


async def test_an_aborted_upload_no_longer_uses_its_buffers(tmp_path: Path) -> None:
    data = bytearray(PACKED["tar"])
    upload = await target(tmp_path, bytes(data)).open_upload("m", len(data))
    with memoryview(data) as view:
        call = asyncio.ensure_future(upload.write_part(Part(1, 1000, len(data) - 1000), view[1000:]))
        await asyncio.sleep(0)  # waits for the part before it
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        first = asyncio.ensure_future(upload.write_part(Part(0, 0, 1000), view[:1000]))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await upload.abort()
    with pytest.raises(ClosedError):
        await upload.complete(())
