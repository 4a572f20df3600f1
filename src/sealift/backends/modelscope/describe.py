"""The configuration that is used for a repository, without secrets."""

from ...config import ModelScopeConfig
from ...config.setting import Setting
from ...instance import Instance
from ...uri import Location
from .access import completed

__all__ = ["describe"]


async def describe(location: Location, config: ModelScopeConfig | None, instance: Instance) -> dict[str, Setting]:  # noqa: ARG001 - as of all backends
    """Describe the hub and the token of a repository.

    Args:
        location: The location.
        config: The caller's configuration. None: the environment's.
        instance: Provides the environment.
    """
    used = completed(config, instance.environ)
    source = "the configuration" if config is not None and config.token else "MODELSCOPE_API_TOKEN"
    return {
        "endpoint": Setting(used.endpoint or ""),
        "credentials": Setting("token", source) if used.token else Setting("none"),
    }
