"""Tensors on a GPU; run by `tox -e torch` on a machine that has one: `tox -e torch -- -k with_cuda`."""

import random
from pathlib import Path

import pytest
import torch

from sealift import InvalidConfig, Storage
from sealift.types import KiB, MiB
from tests.services.http_server import plain_files

from .models import INDEX, model_of, tensor
from .with_torch import expected, same

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
RNG = random.Random(8)
TENSORS = {"large": tensor("BF16", (3000, 1024), RNG), "empty": tensor("F32", (0, 3), RNG)}
TENSORS |= {f"small.{number}": tensor("F32", (number, 33), RNG) for number in range(1, 50)}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    for name, data in model_of(TENSORS).files.items():
        (place / name).write_bytes(data)
    return place


@pytest.mark.parametrize("memory", [64 * KiB, 64 * MiB])
def test_tensors(memory: int, directory: Path) -> None:
    right = expected(directory)
    with Storage.tensors(directory, framework="torch", device="cuda", memory=memory) as tensors:
        for found in (tensors.load(), dict(tensors)):
            assert found.keys() == right.keys()
            assert all(each.is_cuda for each in found.values())
            assert all(same(found[name].cpu(), right[name]) for name in right)
        part = tensors.load(["large"], slices={"large": (1, 100, 612)})["large"]
        assert same(part.cpu(), right["large"][:, 100:612].contiguous())


def test_a_server_without_ranges(directory: Path) -> None:
    right = expected(directory)
    with plain_files(directory) as url:
        with Storage.tensors(f"{url}/{INDEX}", framework="torch", device="cuda", memory=64 * KiB) as tensors:
            found = tensors.load()
    assert all(same(found[name].cpu(), right[name]) for name in right)


def test_destinations_that_the_gpu_still_uses(directory: Path) -> None:
    """What was queued before is done with the memory before it is filled."""
    place = torch.zeros(3000, 1024, dtype=torch.bfloat16, device="cuda")
    for _ in range(50):
        place.add_(1)
    with Storage.tensors(directory, framework="torch") as tensors:
        tensors.into({"large": place})
        with pytest.raises(InvalidConfig, match="several devices"):
            tensors.into({"large": place, "small.1": torch.zeros(1, 33)})
    assert same(place.cpu(), expected(directory)["large"])


def test_many_loads_return_their_pinned_memory(directory: Path) -> None:
    with Storage.tensors(directory, framework="torch", device="cuda", memory=8 * MiB) as tensors:
        for _ in range(20):
            tensors.load(["large"])
