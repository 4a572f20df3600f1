"""Tensors and models of torch; run by `tox -e torch`, because torch is large."""

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
import torch
import transformers

from sealift import AsyncStorage, InvalidConfig, Storage
from sealift.integrations.vllm.loader import model_loader
from sealift.tensors.cuda_staging import copy_rows
from sealift.tensors.meta import TensorMeta
from sealift.tensors.requests import plan_requests
from sealift.tensors.selection import select
from sealift.tensors.target import Target
from sealift.types import KiB
from tests.integrations.test_vllm import BaseModelLoader
from tests.services.http_server import plain_files

from .models import INDEX, model_of, tensor

RNG = random.Random(7)
# Types that this version of torch can compare.
KINDS = ("BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64")
TENSORS = {f"{kind}.{number}": tensor(kind, (3, number, 70), RNG) for kind in KINDS for number in (0, 1, 40)}
TENSORS |= {f"{kind}.x": tensor(kind, (11, 5), RNG) for kind in ("F8_E4M3", "F8_E5M2")} | {
    "scalar": tensor("F32", (), RNG)
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    for name, data in model_of(TENSORS, {"other": tensor("F32", (4, 4), RNG)}).files.items():
        (place / name).write_bytes(data)
    return place


def expected(directory: Path) -> dict[str, torch.Tensor]:
    """What the official library reads."""
    found: dict[str, torch.Tensor] = {}
    for path in directory.glob("*.safetensors"):
        found |= safetensors.torch.load_file(path)
    return found


def same(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two tensors have the same type, shape and bytes."""
    if (first.dtype, first.shape) != (second.dtype, second.shape):
        return False
    return torch.equal(first.reshape(-1).view(torch.uint8), second.reshape(-1).view(torch.uint8))


@pytest.mark.anyio
async def test_tensors(directory: Path) -> None:
    right = expected(directory)
    async with AsyncStorage().tensors(directory, framework="torch", memory=64 * KiB) as tensors:
        for found in (await tensors.load(), {name: each async for name, each in tensors}):
            assert found.keys() == right.keys()
            assert all(same(found[name], right[name]) for name in right)
            found["other"].mul_(2)  # writable, and not shared
        part = await tensors.load(["F32.40"], slices={"F32.40": (1, 10, 30)})
        assert same(part["F32.40"], right["F32.40"][:, 10:30].contiguous())


def test_parameters_of_a_model(directory: Path) -> None:
    model = torch.nn.Linear(4, 4, bias=False)
    address = model.weight.data_ptr()
    with Storage.tensors(directory) as tensors:
        tensors.into({"other": model.weight})
        assert same(model.weight.detach(), expected(directory)["other"])
        assert model.weight.data_ptr() == address
        assert model.weight.requires_grad
        before = model.weight.detach().clone()
        for wrong in (
            torch.zeros(4, 4, dtype=torch.float16),
            torch.zeros(16),
            torch.zeros(8, 4)[::2],
            torch.zeros(4, 4, device="meta"),
        ):
            with pytest.raises(InvalidConfig, match="'other'"):
                tensors.into({"other": wrong})
        assert same(model.weight.detach(), before)


def test_rows_that_are_copied_to_a_gpu() -> None:
    """The copy itself, without a GPU: columns 2 to 4 of a matrix, in two requests."""
    content = torch.arange(60, dtype=torch.uint8)
    (selected,) = select({"x": TensorMeta("x", "U8", (10, 6), 60, "f", 0)}, None, {"x": (1, 2, 5)})
    target = Target(selected, torch.zeros(30, dtype=torch.uint8))
    requests = list(plan_requests([target], {"x": "span"}, 40))
    assert len(requests) == 2
    for request in requests:
        received = torch.zeros(64, dtype=torch.uint8)
        received[: request.end - request.start] = content[request.start : request.end]
        for piece in request.pieces:
            copy_rows(received, piece)
    assert torch.equal(target.data.reshape(10, 3), content.reshape(10, 6)[:, 2:5])


def test_a_gpu_and_a_server_without_ranges(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU: its memory has no buffers, and neither have tensors of torch."""

    class Staging:
        def __init__(self, *_: object) -> None: ...

        def allocate(self, nbytes: int) -> torch.Tensor:
            return torch.empty(nbytes, dtype=torch.uint8)

        def upload(self, received: memoryview, place: torch.Tensor) -> None:
            place.copy_(torch.frombuffer(received, dtype=torch.uint8))

    monkeypatch.setattr("sealift.tensors.checkpoint.CudaStaging", Staging)
    monkeypatch.setattr("sealift.tensors.checkpoint.Checkpoint._device", torch.device("cpu"))
    right = expected(directory)
    with plain_files(directory) as url:
        with Storage.tensors(f"{url}/{INDEX}", framework="torch", memory=64 * KiB) as tensors:
            for found in (tensors.load(), dict(tensors)):
                assert found.keys() == right.keys()
                assert all(same(found[name], right[name]) for name in right)
            part = tensors.load(["F32.40"], slices={"F32.40": (1, 10, 30)})
            assert same(part["F32.40"], right["F32.40"][:, 10:30].contiguous())


def test_devices_that_do_not_exist(directory: Path) -> None:
    for device in ("meta", "no such device", *(() if torch.cuda.is_available() else ("cuda",))):
        with pytest.raises(InvalidConfig, match="device"):
            Storage.tensors(directory, framework="torch", device=device)


def test_transformers(tmp_path: Path) -> None:
    """A model that is created from a state dict computes the same."""
    torch.manual_seed(1)
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=100
    )
    model = transformers.BertModel(config).eval()
    model.save_pretrained(tmp_path, safe_serialization=True)
    with Storage.tensors(tmp_path, framework="torch") as tensors:
        state = tensors.load()
    loaded = transformers.BertModel.from_pretrained(None, config=config, state_dict=state).eval()
    tokens = torch.arange(20).reshape(1, 20)
    with torch.no_grad():
        assert torch.equal(model(tokens).last_hidden_state, loaded(tokens).last_hidden_state)


class TestVLLM:
    """The loader, as vLLM calls it."""

    class Model(torch.nn.Module):
        """A model that loads its weights as those of vLLM do."""

        def __init__(self) -> None:
            super().__init__()
            self.other = torch.nn.Linear(4, 4, bias=False)
            self.seen: list[str] = []

        def load_weights(self, weights: Iterator[tuple[str, torch.Tensor]]) -> set[str]:
            loaded = set()
            for name, found in weights:
                self.seen.append(name)
                if name == "other":
                    self.other.weight.data.copy_(found)
                    loaded.add("other.weight")
            return loaded

        @staticmethod
        def is_unused_checkpoint_weight(name: str) -> bool:
            return name.startswith("F8")

    def test_load_weights(self, directory: Path) -> None:
        loader = model_loader(BaseModelLoader)(SimpleNamespace(model_loader_extra_config={"memory": 64 * KiB}))
        config = SimpleNamespace(model=str(directory), revision=None, quantization=None)
        loader.download_model(config)
        model = self.Model()
        loader.load_weights(model, config)
        right = expected(directory)
        assert same(model.other.weight.detach(), right["other"])
        assert sorted(model.seen) == sorted(name for name in right if not name.startswith("F8"))

    def test_secondary_weights(self, directory: Path) -> None:
        model: Any = self.Model()
        source = SimpleNamespace(
            model_or_path=str(directory.parent), revision=None, subfolder=directory.name, prefix="draft."
        )
        model.secondary_weights = [source]
        loader = model_loader(BaseModelLoader)(SimpleNamespace(model_loader_extra_config={}))
        config = SimpleNamespace(model=str(directory), revision=None, quantization=None)
        names = [name for name, _ in loader.get_all_weights(config, model)]
        assert names.count("draft.other") == names.count("other") == 1

    def test_weights_that_are_missing(self, directory: Path) -> None:
        model = self.Model()
        model.more = torch.nn.Linear(2, 2)
        loader = model_loader(BaseModelLoader)(SimpleNamespace(model_loader_extra_config={}))
        config = SimpleNamespace(model=str(directory), revision=None, quantization=None)
        with pytest.raises(ValueError, match=r"missing in the files: more\.bias, more\.weight"):
            loader.load_weights(model, config)
