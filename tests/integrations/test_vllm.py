"""The plugin for vLLM, with a stub of the interface that vLLM publishes for loaders; torch is not needed here.

`tests/tensors/with_torch.py` loads weights into a model.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib.metadata import entry_points
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sealift import InvalidConfig
from sealift.integrations.vllm.loader import weights_uri

LOADERS = "vllm.model_executor.model_loader"


class BaseModelLoader(ABC):
    """As in https://github.com/vllm-project/vllm/blob/main/vllm/model_executor/model_loader/base_loader.py."""

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
        return lambda kind: found.setdefault(load_format, kind)

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
        with pytest.raises(InvalidConfig, match="known: memory, uri, verify"):
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
