"""The hub of a repository, and the token that is sent to it."""

from collections.abc import Mapping
from dataclasses import replace

from ...config import ModelScopeConfig
from ...wire import Origin

__all__ = ["completed"]

_ENDPOINT = "https://modelscope.cn"


def completed(config: ModelScopeConfig | None, environ: Mapping[str, str]) -> ModelScopeConfig:
    """Fill what a configuration leaves open from the environment. The result has an endpoint.

    Args:
        config: The configuration; None: only the environment's.
        environ: The environment variables.
    """
    environment = ModelScopeConfig.from_env(environ)
    config = config or environment
    default = environment.endpoint or _ENDPOINT
    endpoint = config.endpoint or default
    token = config.token
    # The environment's token is not sent to another hub.
    if token is None and not config.anonymous and Origin.of(endpoint) == Origin.of(default):
        token = environment.token
    return replace(config, endpoint=endpoint, token=token)
