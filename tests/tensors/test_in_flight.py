"""What `memory=` bounds beside the tensors: bytes between the rows of slices, and bodies that are read in order."""

import contextlib
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealift import AsyncStorage, TensorFileError
from sealift.operations.sequential_read import SequentialRead
from sealift.runtime.memory_budget import MemoryBudget
from sealift.types import KiB, MiB
from tests.services import http_server
from tests.services.http_server import OddServer, Reply

from .models import file_of, tensor

pytestmark = pytest.mark.anyio
MEMORY = 512 * KiB
ROWS, COLUMNS = 4000, 1024
CONTENT = {"x": tensor("U8", (ROWS, COLUMNS), random.Random(4)), "y": tensor("U8", (MEMORY,), random.Random(5))}
PART = {"x": (1, 7, 57)}
RIGHT = np.frombuffer(CONTENT["x"][2], np.uint8).reshape(ROWS, COLUMNS)[:, 7:57].tobytes()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "x.safetensors").write_bytes(file_of(CONTENT))
    return tmp_path


@pytest.fixture
def served(directory: Path) -> Iterator[str]:
    """By a server without ranges."""
    with contextlib.ExitStack() as stack:
        yield f"{stack.enter_context(http_server.plain_files(directory))}/x.safetensors"


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much was borrowed at once, each time that something was."""
    found: list[int] = []
    borrow: Callable[..., Any] = MemoryBudget.borrow

    async def recording(self: MemoryBudget, *args: Any, **options: Any) -> memoryview:
        view: memoryview = await borrow(self, *args, **options)
        found.append(self.lent)
        return view

    monkeypatch.setattr(MemoryBudget, "borrow", recording)
    return found


async def test_bytes_between_the_rows_of_slices(directory: Path, lent: list[int]) -> None:
    async with AsyncStorage().tensors(directory, memory=MEMORY) as tensors:
        found = (await tensors.load(["x"], slices=PART))["x"]
        assert tensors.reads["x"].method == "span"
        assert found.tobytes() == RIGHT
        assert 0 < max(lent) <= MEMORY


async def test_what_waits_for_the_caller_counts_too(directory: Path, lent: list[int]) -> None:
    """The first tensor is smaller than the memory, and leaves room for one buffer."""
    async with AsyncStorage().tensors(directory, memory=MEMORY) as tensors:
        async for name, found in tensors.stream(slices=PART):
            assert found.tobytes() == (RIGHT if name == "x" else CONTENT[name][2])
        assert 0 < max(lent) <= MEMORY - len(RIGHT)


async def test_files_that_are_read_in_order(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    readinto = SequentialRead.readinto

    async def recording(self: SequentialRead, view: memoryview) -> int:
        sizes.append(len(view))
        return await readinto(self, view)

    monkeypatch.setattr(SequentialRead, "readinto", recording)
    async with AsyncStorage().tensors(served, memory=MEMORY) as tensors:
        assert {name: each.tobytes() async for name, each in tensors} == {
            name: data for name, (_, _, data) in CONTENT.items()
        }
    assert max(sizes) <= MEMORY < MiB


async def test_a_header_that_is_longer_than_a_file_of_unknown_size() -> None:
    """Its tensors have no bytes, so nothing else would show that the file is not complete."""
    header = b'{"x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}'
    for length in (len(header), len(header) + 1000):
        body = struct.pack("<Q", length) + header
        with OddServer(lambda _: Reply(body=body, framing="chunked")) as server:  # noqa: B023 - called in this turn
            if length == len(header):
                async with AsyncStorage().tensors(f"{server.url}/x.safetensors") as tensors:
                    assert tensors.names == ("x",)
            else:
                with pytest.raises(TensorFileError, match="length of its header would be"):
                    await AsyncStorage().tensors(f"{server.url}/x.safetensors")
