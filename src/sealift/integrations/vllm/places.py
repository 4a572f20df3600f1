"""Where the weights of vLLM's models are."""

import os
from typing import Any
from urllib.parse import quote

__all__ = ["uri_of", "weights_uri"]


def weights_uri(model_config: Any, options: dict[str, Any]) -> str:
    """Where the weights of a model are.

    The option "uri" is about one model: that of the option "model", or the first one that is loaded, which becomes this
    option. A draft model, or other weights that are loaded into the model later, come from a place of their own.

    Args:
        model_config: vLLM's configuration of the model.
        options: The extra configuration of the loader, which all loaders of a server share.

    Returns:
        A URI or a local directory; the ID of a repository becomes a URI of the hub.

    Example:
        >>> from types import SimpleNamespace
        >>> weights_uri(SimpleNamespace(model="owner/name", revision="v1"), {})
        'hf://owner/name@v1'
    """
    if "uri" in options and options.setdefault("model", model_config.model) == model_config.model:
        return str(options["uri"])
    # For a model in an object storage, vLLM replaces `model` by a directory with the configuration.
    model = str(getattr(model_config, "model_weights", None) or model_config.model)
    return uri_of(model, getattr(model_config, "revision", None))


def uri_of(model: str, revision: str | None) -> str:
    """The URI of a model.

    Args:
        model: A URI, a local path, or the ID of a repository: of ModelScope if `VLLM_USE_MODELSCOPE` is true, as for
            vLLM, else of the Hugging Face Hub.
        revision: The revision of a repository. None: its main branch.
    """
    if "://" in model or os.path.exists(model):
        return model
    if os.environ.get("VLLM_USE_MODELSCOPE", "").lower() == "true":
        return f"modelscope://{model}:{quote(revision, safe='')}" if revision else f"modelscope://{model}"
    return f"hf://{model}@{quote(revision, safe='')}" if revision else f"hf://{model}"
