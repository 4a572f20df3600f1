"""The plugin for vLLM, with a stub of the interface that vLLM publishes for loaders; torch is not needed here.

`tests/tensors/with_torch.py` loads weights into a model.
"""

import contextlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sealift import HFConfig, InvalidConfig, UnsupportedOperation
from sealift.integrations.vllm.loader import model_loader
from sealift.integrations.vllm.places import weights_uri

LOADERS = "vllm.model_executor.model_loader"


class BaseModelLoader(ABC):
    """As in https://docs.vllm.ai/en/v0.32.0/api/vllm/model_executor/model_loader/, without what loads a model."""

    def __init__(self, load_config: Any) -> None:
        self.load_config = load_config

    @abstractmethod
    def download_model(self, model_config: Any) -> None: ...

    @abstractmethod
    def load_weights(self, model: Any, model_config: Any) -> None: ...


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The load formats that plugins have registered with the stub."""
    found: dict[str, Any] = {}

    def register_model_loader(load_format: str) -> Any:
        def register(kind: type[BaseModelLoader]) -> type[BaseModelLoader]:
            assert issubclass(kind, BaseModelLoader)
            found[load_format] = kind
            return kind

        return register

    for name in ("vllm", "vllm.model_executor", LOADERS, f"{LOADERS}.base_loader"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    vars(sys.modules[LOADERS])["register_model_loader"] = register_model_loader
    vars(sys.modules[f"{LOADERS}.base_loader"])["BaseModelLoader"] = BaseModelLoader
    yield found


def test_vllm_finds_the_load_format(registered: dict[str, Any]) -> None:
    (entry,) = entry_points(group="vllm.general_plugins", name="sealift")
    entry.load()()
    loader = registered["sealift"](SimpleNamespace(model_loader_extra_config={"memory": 1 << 20}))
    assert isinstance(loader, BaseModelLoader)
    assert callable(loader.get_all_weights)
    for wrong in ({"concurrency": 4}, "memory"):
        with pytest.raises(InvalidConfig, match="known: memory, model, uri, verify"):
            registered["sealift"](SimpleNamespace(model_loader_extra_config=wrong))


def test_where_the_weights_are(tmp_path: Any) -> None:
    def uri(model: str, revision: str | None = None, **more: str) -> str:
        return weights_uri(SimpleNamespace(model=model, revision=revision, **more), {})

    assert uri("owner/name") == "hf://owner/name"
    assert uri("owner/name", "refs/pr/1") == "hf://owner/name@refs%2Fpr%2F1"
    assert uri("s3://ml-models/llama/", "v1") == "s3://ml-models/llama/"
    assert uri(str(tmp_path)) == str(tmp_path)
    # vLLM has replaced a model in an object storage by a directory with its configuration.
    assert uri(str(tmp_path), model_weights="s3://ml-models/llama/") == "s3://ml-models/llama/"
    assert weights_uri(SimpleNamespace(model="owner/name"), {"uri": "gs://b/llama/"}) == "gs://b/llama/"


def test_a_uri_is_about_one_model() -> None:
    """A draft model has weights of its own, and so has what vLLM reloads from elsewhere."""
    options = {"uri": "s3://ml-models/llama/"}
    target = SimpleNamespace(model="/configs/llama", revision=None)
    draft = SimpleNamespace(model="owner/draft", revision=None)
    assert weights_uri(target, options) == "s3://ml-models/llama/"
    assert weights_uri(draft, options) == "hf://owner/draft"
    assert weights_uri(target, options) == "s3://ml-models/llama/"
    target.model = "s3://ml-models/llama-step-2/"
    assert weights_uri(target, options) == "s3://ml-models/llama-step-2/"
    named = {"uri": "s3://ml-models/draft/", "model": "owner/draft"}
    assert weights_uri(target, named) == "s3://ml-models/llama-step-2/"
    assert weights_uri(draft, named) == "s3://ml-models/draft/"


def test_repositories_of_modelscope(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_USE_MODELSCOPE", "True")
    assert weights_uri(SimpleNamespace(model="owner/name", revision=None), {}) == "modelscope://owner/name"
    assert weights_uri(SimpleNamespace(model="owner/name", revision="v1"), {}) == "modelscope://owner/name:v1"


class FakeTensors:
    """Stands for `sealift.Tensors`, with one number for each tensor."""

    def __init__(self, files: dict[str, str], metadata: dict[str, str]) -> None:
        self.names = tuple(files)
        self.metadata = metadata
        self.meta = lambda name: SimpleNamespace(file=files[name])

    def stream(self, names: Any) -> Any:
        return contextlib.nullcontext([(name, number) for number, name in enumerate(self.names) if names(name)])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """`opened(files)` is a list to which each call of `Storage.tensors` is added; it returns these tensors."""

    def prepare(files: dict[str, str], metadata: dict[str, str] | None = None) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def tensors(uri: str, **options: Any) -> Any:
            calls.append({"uri": uri, **options})
            return contextlib.nullcontext(FakeTensors(files, metadata or {}))

        monkeypatch.setattr("sealift.integrations.vllm.loader.Storage.tensors", tensors)
        return calls

    return prepare


def weights(network: Any, **config: Any) -> list[tuple[str, Any]]:
    loader = model_loader(BaseModelLoader)(SimpleNamespace(model_loader_extra_config={}))
    config = {"model": "owner/name", "revision": None, "quantization": None} | config
    found: list[tuple[str, Any]] = list(loader.get_all_weights(SimpleNamespace(**config), network))
    return found


def test_files_that_a_model_names(opened: Any) -> None:
    opened({"a": "text-1.safetensors", "b": "audio/1.safetensors", "c": "text-2.safetensors"})
    assert weights(SimpleNamespace(allow_patterns_overrides=["text-*.safetensors"])) == [("a", 0), ("c", 2)]
    assert weights(SimpleNamespace(allow_patterns_overrides=None)) == [("a", 0), ("b", 1), ("c", 2)]
    with pytest.raises(UnsupportedOperation, match="the model wants the files model.pt"):
        weights(SimpleNamespace(allow_patterns_overrides=["model.pt"]))
    source = SimpleNamespace(
        model_or_path="owner/audio", revision="v1", subfolder="sub", prefix="audio.", fall_back_to_pt=True,
        allow_patterns_overrides=["audio/*"], is_unused_weight=None,
    )  # fmt: skip
    calls = opened({"a": "text-1.safetensors", "b": "audio/1.safetensors"})
    assert weights(SimpleNamespace(secondary_weights=[source])) == [("a", 0), ("b", 1), ("audio.b", 1)]
    assert [call["uri"] for call in calls] == ["hf://owner/name", "hf://owner/audio@v1/sub/"]


def test_the_token_of_the_model(opened: Any) -> None:
    calls = opened({"a": "model.safetensors"})
    weights(SimpleNamespace(), hf_token="hf_secret")
    weights(SimpleNamespace(), hf_token=True)
    weights(SimpleNamespace(), hf_token="hf_secret", model="s3://ml-models/llama/")
    assert [call["config"] for call in calls] == [HFConfig(token="hf_secret"), None, None]


def test_flattened_tensors_of_torchao(opened: Any) -> None:
    opened({"a:_data": "model.safetensors"}, {"tensor_names": '["a"]'})
    with pytest.raises(UnsupportedOperation, match="torchao has quantized and flattened"):
        weights(SimpleNamespace(), quantization="torchao")
    assert weights(SimpleNamespace()) == [("a:_data", 0)]
