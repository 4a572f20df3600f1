"""The model loader of the load format "sealift".

The interface is that of vLLM's own loaders, of version 0.10 and later:
https://docs.vllm.ai/en/latest/api/vllm/model_executor/model_loader/.
"""

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ...api.blocking import Storage
from ...api.tensors import Tensors
from ...config import HFConfig
from ...errors import InvalidConfig, UnsupportedOperation
from .places import uri_of, weights_uri

__all__ = ["model_loader"]

# What `--model-loader-extra-config` may contain.
_OPTIONS = {"memory", "model", "uri", "verify"}


def _expected(model: Any) -> set[str]:
    """The parameters that files must have, as in vLLM's `track_weights_loading`: not those that it computes later."""
    computed = {
        f"{module_name}.{name}" if module_name else name
        for module_name, module in model.named_modules()
        if _computes(getattr(module, "quant_method", None))
        for name, _ in module.named_parameters()
    }
    return {name for name, _ in model.named_parameters()} - computed


def _computes(quant_method: Any) -> bool:
    return bool(
        getattr(quant_method, "process_weights_after_loading", None) or getattr(quant_method, "uses_meta_device", False)
    )


def _chooser(
    tensors: Tensors, patterns: Sequence[str] | None, unused: Callable[[str], bool] | None
) -> Callable[[str], bool]:
    """Which tensors a model wants: those in files that it names, without those that it does not use.

    Raises:
        UnsupportedOperation: There are no such files.
    """

    def in_files(name: str) -> bool:
        return not patterns or any(fnmatchcase(tensors.meta(name).file, pattern) for pattern in patterns)

    if patterns and not any(map(in_files, tensors.names)):
        raise UnsupportedOperation(
            f"the model wants the files {', '.join(patterns)}, which are not among its safetensors files",
            hint='name an index or a file with "uri" in model_loader_extra_config',
        )
    return lambda name: in_files(name) and not (unused is not None and unused(name))


def model_loader(base: Any) -> Any:
    """The class of the loader.

    Args:
        base: vLLM's `BaseModelLoader`.
    """

    class SealiftModelLoader(base):
        """Streams weights into a model. Each rank of a tensor-parallel group reads all of them, as with vLLM's loaders.

        Args:
            load_config: vLLM's configuration. `model_loader_extra_config` may have "uri": where the weights are, and
                "model": of which model, see `weights_uri`; "memory": bytes in flight; "verify": as in
                `Storage.tensors`.

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
            self._options: dict[str, Any] = options

        def download_model(self, model_config: Any) -> None:
            """Check that the weights can be read: their headers. They are read when they are needed."""
            with self._open(weights_uri(model_config, self._options), model_config):
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
            """Yield names and tensors of the model, and of the secondary sources that some models name.

            vLLM calls it, too, to load a model again.
            """
            uri = weights_uri(model_config, self._options)
            patterns = getattr(model, "allow_patterns_overrides", None)
            unused = getattr(model, "is_unused_checkpoint_weight", None)
            yield from self._weights(uri, model_config, "", patterns, unused)
            for source in getattr(model, "secondary_weights", ()):
                uri = uri_of(str(source.model_or_path), source.revision)
                if folder := getattr(source, "subfolder", None):
                    uri = f"{uri.rstrip('/')}/{folder}/"
                patterns = getattr(source, "allow_patterns_overrides", None)
                unused = getattr(source, "is_unused_weight", None)
                yield from self._weights(uri, model_config, source.prefix, patterns, unused)

        def _weights(
            self,
            uri: str,
            model_config: Any,
            prefix: str,
            patterns: Sequence[str] | None,
            unused: Callable[[str], bool] | None,
        ) -> Iterator[tuple[str, Any]]:
            with self._open(uri, model_config) as tensors:
                # torchao's own format, see its `is_metadata_torchao`: several tensors of a file are one of the model.
                if getattr(model_config, "quantization", None) == "torchao" and "tensor_names" in tensors.metadata:
                    raise UnsupportedOperation(
                        "the files have tensors that torchao has quantized and flattened",
                        hint="--load-format safetensors --safetensors-load-strategy torchao",
                    )
                with tensors.stream(_chooser(tensors, patterns, unused)) as stream:
                    for name, tensor in stream:
                        yield prefix + name, tensor

        def _open(self, uri: str, model_config: Any) -> Tensors:
            memory, verify = self._options.get("memory"), self._options.get("verify", True)
            token = getattr(model_config, "hf_token", None)
            config = HFConfig(token=token) if token and isinstance(token, str) and uri.startswith("hf://") else None
            return Storage.tensors(uri, framework="torch", memory=memory, verify=verify, config=config)

    return SealiftModelLoader
