"""Models that are unusual but valid, and loads that do not end as usual."""

import asyncio
import json
import math
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from sealift import AsyncStorage, InvalidConfig, Limits
from sealift.types import KiB, MiB
from tests.api.servers import FakeS3

from .models import Tensor, file_of, tensor

pytestmark = pytest.mark.anyio
RNG = random.Random(6)


def by_hand(tensors: dict[str, Tensor]) -> bytes:
    """A file with types that the official library for Python does not write."""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


async def test_elements_smaller_than_a_byte(tmp_path: Path) -> None:
    """They are flat arrays of their bytes; the others of the file are as usual, though they are not aligned."""
    content = {name: tensor(name, (3, 8), RNG) for name in ("F4", "F6_E2M3", "F6_E3M2")}
    content |= {"scale": tensor("F8_E8M0", (3,), RNG), "f": tensor("F32", (3, 4), RNG)}
    (tmp_path / "x.safetensors").write_bytes(by_hand(content))
    async with AsyncStorage().tensors(tmp_path) as tensors:
        found = await tensors.load()
        assert {name: each.tobytes() for name, each in found.items()} == {name: content[name][2] for name in found}
        assert {name: (each.dtype.name, each.shape) for name, each in found.items()} == {
            "F4": ("uint8", (12,)), "F6_E2M3": ("uint8", (18,)), "F6_E3M2": ("uint8", (18,)),
            "scale": ("float8_e8m0fnu", (3,)), "f": ("float32", (3, 4)),
        }  # fmt: skip
        place = np.zeros((3, 4), np.uint8)  # of any shape: torch has two elements in one
        await tensors.into({"F4": place})
        assert place.tobytes() == content["F4"][2]
        with pytest.raises(InvalidConfig, match="smaller than a byte"):
            await tensors.load(["F4"], slices={"F4": (0, 0, 1)})


async def test_slices_without_elements(tmp_path: Path) -> None:
    content = {
        "x": tensor("F32", (600, 3000), RNG),
        "empty": tensor("F32", (0, 4), RNG),
        "scalar": tensor("I8", (), RNG),
    }
    (tmp_path / "x.safetensors").write_bytes(file_of(content))
    async with AsyncStorage().tensors(tmp_path) as tensors:
        for part, shape in (((0, 7, 7), (0, 3000)), ((1, 0, 0), (600, 0)), ((1, 3000, 3000), (600, 0))):
            found = await tensors.load(["x"], slices={"x": part})
            assert (found["x"].shape, found["x"].dtype) == (shape, np.float32)
            await tensors.into({"x": np.zeros(shape, np.float32)}, slices={"x": part})
        assert [each.shape async for _, each in tensors.stream(["empty"], slices={"empty": (1, 1, 3)})] == [(0, 2)]
        assert tensors.bytes_read == 0
        with pytest.raises(InvalidConfig, match=r"'scalar' of shape \(\) has no slice"):
            await tensors.load(["scalar"], slices={"scalar": (0, 0, 0)})


async def test_a_model_without_tensors(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(by_hand({}))
    async with AsyncStorage().tensors(tmp_path) as tensors:
        assert (tensors.names, tensors.nbytes) == ((), 0)
        assert await tensors.load() == {}
        assert [each async for each in tensors] == []
        await tensors.into({})


async def test_an_error_in_the_loop_of_the_caller(tmp_path: Path) -> None:
    content = {str(number): tensor("U8", (100 * KiB,), RNG) for number in range(20)}
    (tmp_path / "x.safetensors").write_bytes(file_of(content))
    async with AsyncStorage().tensors(tmp_path, memory=200 * KiB) as tensors:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async for _ in tensors:
                    _ = 1 / 0
        assert sorted((await tensors.load()).keys()) == sorted(content)


async def test_a_load_that_is_cancelled() -> None:
    """Nothing is written to the memory of the caller afterwards, although the server goes on."""
    content = {str(number): tensor("U8", (300 * KiB,), RNG) for number in range(8)}
    data = file_of(content)
    with FakeS3({"b": {"x.safetensors": data}}, stall={"x.safetensors": MiB}) as server:
        async with AsyncStorage(Limits(part_size=256 * KiB)) as client:
            async with client.tensors("s3://b/x.safetensors", config=server.config) as tensors:
                places = {name: np.zeros(300 * KiB, np.uint8) for name in content}
                load = asyncio.create_task(tensors.into(places))
                while not server.stalled.is_set():
                    await asyncio.sleep(0.01)
                load.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await load
                for place in places.values():
                    place.fill(7)
                server.release()
                found = await tensors.load()
        assert all((place == 7).all() for place in places.values())
    assert {name: each.tobytes() for name, each in found.items()} == {
        name: data for name, (_, _, data) in content.items()
    }


async def test_many_small_tensors_need_few_requests() -> None:
    content = {f"layers.{number}.bias": tensor("F16", (512,), RNG) for number in range(3000)}
    assert sum(math.prod(shape) * 2 for _, shape, _ in content.values()) < 3 * MiB
    with FakeS3({"b": {"x.safetensors": file_of(content)}}) as server:
        async with AsyncStorage().tensors("s3://b/x.safetensors", config=server.config) as tensors:
            del server.asked[:]
            found = await tensors.load()
            assert len(server.asked) <= 3
            assert [name async for name, _ in tensors] == list(found)
        assert len(server.asked) <= 6
    assert all(each.tobytes() == content[name][2] for name, each in found.items())
