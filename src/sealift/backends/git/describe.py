"""The configuration that is used for a repository, without secrets."""

from ...config import GitConfig
from ...config.setting import Setting
from ...instance import Instance
from ...uri import Location
from .access import completed

__all__ = ["describe"]


async def describe(location: Location, config: GitConfig | None, instance: Instance) -> dict[str, Setting]:
    """Describe the credentials of a repository.

    Args:
        location: The location.
        config: The caller's configuration. None: the environment's.
        instance: Provides the environment.
    """
    used = completed(config, location, instance.environ)
    source = "the configuration" if config is not None and config.password else "GIT_PASSWORD"
    return {"credentials": Setting("password", source) if used.password else Setting("none")}
