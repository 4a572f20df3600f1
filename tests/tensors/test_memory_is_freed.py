"""Memory is free as soon as nobody has the tensors, without the garbage collector: the next load may need it."""

import asyncio
import gc
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from sealift import AsyncStorage, ObjectChanged
from sealift.types import MiB

from .models import file_of

pytestmark = pytest.mark.anyio
COUNT = 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.safetensors"
    path.write_bytes(file_of({f"{number:02}": ("U8", (MiB,), bytes(MiB)) for number in range(COUNT)}))
    return path


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    tracemalloc.start()  # numpy reports its allocations to it
    yield
    tracemalloc.stop()
    gc.enable()


def kept(before: int) -> int:
    return tracemalloc.get_traced_memory()[0] - before


@pytest.mark.usefixtures("_no_collector")
async def test_after_each_way_to_end(path: Path) -> None:
    async with AsyncStorage().tensors(path, memory=8 * MiB) as tensors:
        await tensors.load(["00"])
        before = tracemalloc.get_traced_memory()[0]

        await tensors.load()
        assert kept(before) < MiB

        async with aclosing(tensors.stream()) as stream:
            await anext(stream)
            await asyncio.sleep(0.05)  # more tensors arrive
        del stream
        assert kept(before) < MiB

        load = asyncio.create_task(tensors.load())
        await asyncio.sleep(0.001)
        load.cancel()
        with suppress(asyncio.CancelledError):  # it may be complete
            await load
        del load
        assert kept(before) < MiB

        with path.open("r+b") as file:
            os.utime(file.fileno())
        for _ in range(3):
            with pytest.raises(ObjectChanged) as caught:
                await tensors.load()
            del caught
        assert kept(before) < 2 * MiB
