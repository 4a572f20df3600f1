"""vLLM reads weights from any storage: `vllm serve MODEL --load-format sealift`.

vLLM finds this plugin by its entry point (`vllm.general_plugins`) when sealift is installed beside it:
https://docs.vllm.ai/en/latest/design/plugin_system.html. MODEL is what vLLM reads the configuration and the tokenizer
from: a directory, a repository, or an object storage URI that vLLM itself supports. The weights come from the same
place, or from `--model-loader-extra-config '{"uri": "s3://ml-models/llama/"}'`.
"""

__all__ = ["register"]


def register() -> None:
    """Register the load format "sealift"; called by vLLM in each of its processes."""
    from vllm.model_executor.model_loader import register_model_loader  # noqa: PLC0415 - vLLM is the caller
    from vllm.model_executor.model_loader.base_loader import BaseModelLoader  # noqa: PLC0415

    from .loader import model_loader  # noqa: PLC0415 - as little as possible at start

    register_model_loader("sealift")(model_loader(BaseModelLoader))
