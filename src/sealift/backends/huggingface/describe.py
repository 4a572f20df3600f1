"""The configuration that is used for a repository, without secrets."""

from ...config import HFConfig
from ...config.setting import Setting
from ...instance import Instance
from ...uri import Location
from .access import access_of

__all__ = ["describe"]


async def describe(location: Location, config: HFConfig | None, instance: Instance) -> dict[str, Setting]:
    """Describe the hub, the revision and the token of a repository.

    Args:
        location: The repository.
        config: The caller's configuration. None: the environment's.
        instance: Provides the environment.
    """
    environment = HFConfig.from_env(instance.environ)
    chosen = config or environment
    access = await access_of(chosen, environment, instance)
    if location.revision:
        revision = Setting(location.revision, "the URI")
    else:
        revision = Setting(chosen.revision, "the configuration") if chosen.revision else Setting("main", "the default")
    return {
        "endpoint": Setting(access.endpoint),
        "revision": revision,
        "credentials": Setting("token", access.source) if access.token else Setting("no token"),
    }
