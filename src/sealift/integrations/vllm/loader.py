"""The model loader of the load format "sealift".

The interface is that of vLLM's own loaders:
https://github.com/vllm-project/vllm/blob/main/vllm/model_executor/model_loader/base_loader.py.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from ...api.blocking import Storage
from ...api.tensors import Tensors
from ...errors import InvalidConfig

__all__ = ["model_loader", "weights_uri"]

# What `--model-loader-extra-config` may contain.
_OPTIONS = {"uri", "memory", "verify"}


def weights_uri(model_config: Any, options: dict[str, Any]) -> str:
    """Where the weights of a model are.

    Args:
        model_config: vLLM's configuration of the model.
        options: The extra configuration of the loader.

    Returns:
        A URI or a local directory; the ID of a repository becomes a URI of the hub.

    Example:
        >>> from types import SimpleNamespace
        >>> weights_uri(SimpleNamespace(model="owner/name", revision="v1"), {})
        'hf://owner/name@v1'
    """
    if "uri" in options:
        return str(options["uri"])
    # For a model in an object storage, vLLM replaces `model` by a directory with the configuration.
    model = str(getattr(model_config, "model_weights", None) or model_config.model)
    return _uri(model, getattr(model_config, "revision", None))


def _uri(model: str, revision: str | None) -> str:
    if "://" in model or os.path.exists(model):
        return model
    return f"hf://{model}@{quote(revision, safe='')}" if revision else f"hf://{model}"


def _expected(model: Any) -> set[str]:
    """The parameters that files must have, as in vLLM's `track_weights_loading`: not those that it computes later."""
    computed = {
        f"{module_name}.{name}" if module_name else name
        for module_name, module in model.named_modules()
        if hasattr(getattr(module, "quant_method", None), "process_weights_after_loading")
        for name, _ in module.named_parameters()
    }
    return {name for name, _ in model.named_parameters()} - computed


def model_loader(base: Any) -> Any:
    """The class of the loader.

    Args:
        base: vLLM's `BaseModelLoader`.
    """

    class SealiftModelLoader(base):
        """Streams weights into a model.

        Args:
            load_config: vLLM's configuration. `model_loader_extra_config` may have "uri": where the weights are;
                "memory": bytes in flight; "verify": as in `Storage.tensors`.

        Raises:
            InvalidConfig: It has anything else.
        """

        def __init__(self, load_config: Any) -> None:
            super().__init__(load_config)
            options = load_config.model_loader_extra_config or {}
            if not isinstance(options, dict) or set(options) - _OPTIONS:
                raise InvalidConfig(
                    "model_loader_extra_config has unknown options", hint=f"known: {', '.join(sorted(_OPTIONS))}"
                )
            self._options: dict[str, Any] = dict(options)

        def download_model(self, model_config: Any) -> None:
            """Check that the weights can be read: their headers. They are read when they are needed."""
            with self._open(weights_uri(model_config, self._options)):
                pass

        def load_weights(self, model: Any, model_config: Any) -> None:
            """Stream the weights into a model.

            Raises:
                ValueError: The files lack weights of the model; quantized models may add some themselves.
            """
            loaded = model.load_weights(self.get_all_weights(model_config, model))
            if loaded is None or getattr(model_config, "quantization", None) is not None:
                return
            if missing := _expected(model) - set(loaded):
                raise ValueError(f"weights that are missing in the files: {', '.join(sorted(missing))}")

        def get_all_weights(self, model_config: Any, model: Any) -> Iterator[tuple[str, Any]]:
            """Yield names and tensors of the model, and of the secondary sources that some models name."""
            unused: Callable[[str], bool] | None = getattr(model, "is_unused_checkpoint_weight", None)
            yield from self._weights(weights_uri(model_config, self._options), "", unused)
            for source in getattr(model, "secondary_weights", ()):
                uri = _uri(str(source.model_or_path), source.revision)
                if folder := getattr(source, "subfolder", None):
                    uri = f"{uri.rstrip('/')}/{folder}/"
                yield from self._weights(uri, source.prefix, getattr(source, "is_unused_weight", None))

        def _weights(self, uri: str, prefix: str, unused: Callable[[str], bool] | None) -> Iterator[tuple[str, Any]]:
            names = None if unused is None else lambda name: not unused(name)
            with self._open(uri) as tensors, tensors.stream(names) as stream:
                for name, tensor in stream:
                    yield prefix + name, tensor

        def _open(self, uri: str) -> Tensors:
            memory, verify = self._options.get("memory"), self._options.get("verify", True)
            return Storage.tensors(uri, framework="torch", memory=memory, verify=verify)

    return SealiftModelLoader
