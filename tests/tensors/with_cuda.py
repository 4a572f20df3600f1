"""Tensors on a GPU. On a machine that has one, this checks everything: `tox -e torch -- -k with_cuda`.

`test_cuda_order.py` checks in which order a GPU is told to work, without one.
"""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sealift import InvalidConfig, Storage
from sealift.types import KiB, MiB
from tests.services.http_server import plain_files

from .models import INDEX, model_of, tensor
from .with_torch import expected, same

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch finds no GPU; where there is one: tox -e torch -- -k with_cuda"
)
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


@pytest.fixture
def busy() -> Iterator[torch.cuda.Stream]:
    """A stream other than the default one, with work for a while."""
    factor = torch.full((4096, 4096), 1e-4, device="cuda")
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        product = factor
        for _ in range(200):
            product = product @ factor
    yield stream
    torch.cuda.synchronize()


def test_a_stream_of_the_caller(directory: Path, busy: torch.cuda.Stream) -> None:
    """What was queued on it before is done with the memory before it is filled."""
    with Storage.tensors(directory, framework="torch") as tensors, torch.cuda.stream(busy):
        place = torch.zeros(3000, 1024, dtype=torch.bfloat16, device="cuda")
        place.add_(1)
        assert not busy.query(), "the work has ended too soon for this test"
        tensors.into({"large": place})
    torch.cuda.synchronize()
    assert same(place.cpu(), expected(directory)["large"])


def test_memory_that_a_stream_of_the_caller_still_uses(directory: Path, busy: torch.cuda.Stream) -> None:
    """torch gives it to the next tensor of that stream at once."""
    with Storage.tensors(directory, framework="torch", device="cuda") as tensors, torch.cuda.stream(busy):
        freed = torch.zeros(3000, 1024, dtype=torch.bfloat16, device="cuda")
        for _ in range(50):
            freed.add_(1)
        del freed
        assert not busy.query(), "the work has ended too soon for this test"
        found = tensors.load(["large"])["large"]
    torch.cuda.synchronize()
    assert same(found.cpu(), expected(directory)["large"])


def test_memory_that_is_freed_at_once(directory: Path) -> None:
    """Tensors that the caller drops do not damage those that arrive later."""
    right = expected(directory)
    with Storage.tensors(directory, framework="torch", device="cuda", memory=64 * KiB) as tensors:
        for _ in range(5):
            for name, each in tensors:
                assert same(each.cpu(), right[name])


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_the_current_gpu_is_that_of_the_calling_thread(directory: Path) -> None:
    found: dict[str, Any] = {}

    def load() -> None:
        torch.cuda.set_device(1)
        with Storage.tensors(directory, framework="torch", device="cuda") as tensors:
            found.update(tensors.load())

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert {each.device.index for each in found.values()} == {1}
    assert same(found["large"].cpu(), expected(directory)["large"])


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
