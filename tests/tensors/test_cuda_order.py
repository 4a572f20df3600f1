"""In which order a GPU is told to work, and for whose stream; with a stand-in for torch, so that no GPU is needed.

`with_cuda.py` reads tensors into a GPU.
"""

import random
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sealift import AsyncStorage, InvalidConfig, Storage
from sealift.tensors.cuda_staging import CudaStaging
from sealift.tensors.cuda_state import NOTHING_CHOSEN, CudaState, read_state
from sealift.tensors.requests import Request
from sealift.tensors.target import copy_piece
from sealift.types import KiB

from .models import file_of, tensor

GPU = SimpleNamespace(type="cuda", index=1)
CONTENT = {"a": tensor("U8", (3, 999), random.Random(1)), "b": tensor("U8", (70 * KiB,), random.Random(2))}


class FakeStream:
    """A stream that notes for which others it waits."""

    def __init__(self, name: str, log: list[tuple[str, ...]]) -> None:
        self.name = name
        self._log = log

    def wait_stream(self, other: "FakeStream") -> None:
        self._log.append((self.name, "waits for", other.name))


class FakeTorch(ModuleType):
    """What `CudaStaging` and `read_state` need of torch, with two GPUs."""

    def __init__(self) -> None:
        super().__init__("torch")
        self.log: list[tuple[str, ...]] = []
        self.uint8 = "uint8"
        self.Tensor = type("Tensor", (), {})
        self.full = False
        self._thread = threading.local()  # the defaults of torch are those of a thread
        self.cuda = SimpleNamespace(
            OutOfMemoryError=type("OutOfMemoryError", (RuntimeError,), {}),
            Stream=lambda _: FakeStream("staging", self.log),
            default_stream=lambda device: FakeStream(f"default {device.index}", self.log),
            current_device=lambda: 1,
            current_stream=lambda number: getattr(self._thread, "stream", FakeStream(f"default {number}", self.log)),
            device_count=lambda: 2,
            is_initialized=lambda: True,
            stream=self.use_stream,
        )

    @contextmanager
    def use_stream(self, stream: FakeStream) -> Iterator[None]:
        before, self._thread.stream = getattr(self._thread, "stream", None), stream
        try:
            yield
        finally:
            self._thread.stream = before

    def empty(self, nbytes: int, **options: Any) -> Any:
        if self.full:
            raise self.cuda.OutOfMemoryError
        name = "pinned" if "pin_memory" in options else f"allocated on {self._thread.stream.name}"
        return SimpleNamespace(record_stream=lambda stream: self.log.append((name, "is used by", stream.name)))


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> FakeTorch:
    fake = FakeTorch()
    monkeypatch.setitem(sys.modules, "torch", fake)
    return fake


@pytest.mark.anyio
async def test_the_order_of_streams(torch: FakeTorch) -> None:
    for streams, name in (({1: FakeStream("caller", torch.log)}, "caller"), ({}, "default 1")):
        torch.log.clear()
        staging = CudaStaging(GPU, 100, 2, CudaState(1, streams))
        assert torch.log == [("staging", "waits for", name)]
        staging.allocate(10)
        assert torch.log[1:] == [(f"allocated on {name}", "is used by", "staging"), ("staging", "waits for", name)]
    torch.full = True
    with pytest.raises(MemoryError):
        staging.allocate(10)


def test_a_program_that_has_used_no_gpu(torch: FakeTorch, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_state().device == 1
    torch.cuda.is_initialized = lambda: False
    assert read_state() == NOTHING_CHOSEN
    monkeypatch.delitem(sys.modules, "torch")
    assert read_state() == NOTHING_CHOSEN
    assert "torch" not in sys.modules


class FakeStaging:
    """Stands for `CudaStaging`, with memory of the CPU."""

    callers: list[CudaState] = []  # noqa: RUF012 - shared by all calls of a test
    threads: list[str] = []  # noqa: RUF012

    def __init__(self, _: object, size: int, __: int, caller: CudaState) -> None:
        self._size = size
        self.callers.append(caller)

    def allocate(self, nbytes: int) -> Any:
        self.threads.append(threading.current_thread().name)
        return np.empty(nbytes, np.uint8)

    def use(self, place: Any) -> None:
        """Nothing to do."""

    @asynccontextmanager
    async def slab(self, size: int) -> AsyncGenerator[Any]:
        yield SimpleNamespace(view=memoryview(bytearray(size)))

    def copy(self, slab: Any, request: Request) -> None:
        for piece in request.pieces:
            copy_piece(piece, slab.view)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose tensors are read as if to a GPU."""
    monkeypatch.setattr("sealift.tensors.checkpoint.CudaStaging", FakeStaging)
    monkeypatch.setattr("sealift.tensors.checkpoint.Checkpoint._device", GPU)
    FakeStaging.callers.clear()
    FakeStaging.threads.clear()
    path = tmp_path / "x.safetensors"
    path.write_bytes(file_of(CONTENT))
    return path


def test_the_stream_is_that_of_the_calling_thread(torch: FakeTorch, path: Path) -> None:
    mine = FakeStream("mine", torch.log)
    with Storage.tensors(path, memory=128 * KiB) as tensors, torch.use_stream(mine):
        assert {name: each.tobytes() for name, each in tensors.load().items()} == {
            name: data for name, (_, _, data) in CONTENT.items()
        }
        part = tensors.load(["a"], slices={"a": (1, 7, 57)})["a"]
        assert part.tobytes() == np.frombuffer(CONTENT["a"][2], np.uint8).reshape(3, 999)[:, 7:57].tobytes()
        assert sorted(name for name, _ in tensors) == ["a", "b"]
    assert [caller.streams[1] for caller in FakeStaging.callers] == [mine] * 3
    assert all(thread.startswith("sealift-disk") for thread in FakeStaging.threads)


@pytest.mark.anyio
async def test_the_stream_is_that_of_the_calling_task(torch: FakeTorch, path: Path) -> None:
    mine = FakeStream("mine", torch.log)
    async with AsyncStorage().tensors(path) as tensors:
        with torch.use_stream(mine):
            await tensors.load()
    assert [caller.streams[1] for caller in FakeStaging.callers] == [mine]


@pytest.mark.anyio
async def test_a_gpu_without_enough_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(_: FakeStaging, __: int) -> None:
        raise MemoryError

    monkeypatch.setattr(FakeStaging, "allocate", allocate)
    async with AsyncStorage().tensors(path) as tensors:
        with pytest.raises(InvalidConfig, match=r"cannot allocate \d+ bytes for the tensor"):
            await tensors.load()
