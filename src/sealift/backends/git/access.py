"""The credentials that are sent to a Git server."""

from collections.abc import Mapping
from dataclasses import replace

from ...config import GitConfig
from ...uri import Location

__all__ = ["completed"]


def completed(config: GitConfig | None, location: Location, environ: Mapping[str, str]) -> GitConfig:
    """Fill what a configuration leaves open from the environment.

    Args:
        config: The configuration; None: only the environment's.
        location: The repository. What the environment holds for servers in general is sent over https only.
        environ: The environment variables.
    """
    config = config or GitConfig()
    if config.password is not None or config.anonymous or location.scheme != "git+https":
        return config
    environment = GitConfig.from_env(environ)
    return replace(config, username=config.username or environment.username, password=environment.password)
