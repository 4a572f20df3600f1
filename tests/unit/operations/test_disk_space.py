"""Check of the free disk space while objects are listed."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from sealift.engine.transfer import Transfer
from sealift.errors import LocalIOError
from sealift.operations.disk_space import within_space
from sealift.types import ObjectInfo

pytestmark = pytest.mark.anyio

FREE = 100_000
PAGE = 256


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The free space that every disk reports."""
    told = SimpleNamespace(f_bavail=FREE // 1000, f_frsize=1000, f_blocks=1000)
    monkeypatch.setattr(os, "statvfs", lambda path: told)
    return told


async def run(function: Callable[[], int]) -> int:
    return await asyncio.to_thread(function)


class Listing:
    """Objects of these sizes.

    Attributes:
        told: The number of objects taken from it.
    """

    def __init__(self, *sizes: int | None) -> None:
        self._sizes = sizes
        self.told = 0
        self.closed = False

    async def transfers(self) -> AsyncGenerator[Transfer]:
        try:
            for number, size in enumerate(self._sizes):
                self.told += 1
                yield Transfer(ObjectInfo(str(number), size), f"d/{number}", listed=True)
        finally:
            self.closed = True


async def passed(listing: Listing, directory: Path, state: Path | None = None) -> list[str]:
    """Return the keys that passed the check."""
    there = str(state or directory / "none")
    try:
        return [each.obj.key async for each in within_space(listing.transfers(), str(directory), there, run)]
    finally:
        assert listing.closed


@pytest.mark.parametrize("sizes", [(), (FREE,), (0, 40_000, None, 60_000), (1,) * (2 * PAGE)])
async def test_what_fits(tmp_path: Path, sizes: tuple[int | None, ...]) -> None:
    assert await passed(Listing(*sizes), tmp_path / "not" / "there") == [str(number) for number in range(len(sizes))]


async def test_what_does_not_fit_is_told_before_anything_is_moved(tmp_path: Path) -> None:
    listing = Listing(60_000, 40_000, 1, 500)
    passing = within_space(listing.transfers(), str(tmp_path), str(tmp_path / "none"), run)
    with pytest.raises(LocalIOError) as caught:
        await anext(passing)
    assert (listing.told, listing.closed) == (3, True)
    assert str(caught.value) == (
        f"{tmp_path} needs 100001 bytes or more, but its disk has only {FREE} bytes free "
        "(free some space or choose another directory)"
    )


async def test_a_long_listing_is_not_waited_for(tmp_path: Path) -> None:
    """The first objects are moved before the listing ends, and no more than fit."""
    listing = Listing(*[0] * (PAGE + 10), FREE + 1)
    keys: list[str] = []
    with pytest.raises(LocalIOError):
        async for transfer in within_space(listing.transfers(), str(tmp_path), str(tmp_path / "none"), run):
            keys.append(transfer.obj.key)
            assert listing.told <= max(PAGE, len(keys))
    assert keys == [str(number) for number in range(PAGE + 10)]


async def test_files_that_are_replaced_make_room(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number, size in enumerate((80_000, 70_000)):
        (tmp_path / "d" / str(number)).write_bytes(b"x" * size)
    assert await passed(Listing(90_000, 90_000, 40_000), tmp_path) == ["0", "1", "2"]
    os.link(tmp_path / "d" / "0", tmp_path / "kept")  # replacing it frees nothing
    with pytest.raises(LocalIOError):
        await passed(Listing(90_000, 90_000, 40_000), tmp_path)


async def test_what_earlier_downloads_have_left_is_taken_for_a_part(tmp_path: Path) -> None:
    """Only written blocks count: some files get their full size when they are created."""
    state = tmp_path / ".sealift" / "tree"
    state.mkdir(parents=True)
    with open(state / "part", "wb") as file:
        file.write(b"x" * 50_000)
        file.truncate(10_000_000)
    assert await passed(Listing(FREE + 50_000), tmp_path, state.parent) == ["0"]
    with pytest.raises(LocalIOError):
        await passed(Listing(FREE + 1_000_000), tmp_path, state.parent)


async def test_a_disk_that_does_not_tell_its_room(tmp_path: Path, disk: SimpleNamespace) -> None:
    disk.f_bavail = disk.f_blocks = 0
    assert await passed(Listing(1 << 60), tmp_path) == ["0"]
