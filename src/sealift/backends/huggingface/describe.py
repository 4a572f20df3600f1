"""The configuration that is used for a repository, without secrets."""

from ...config import HFConfig
from ...instance import Instance
from ...uri import Location
from .access import access_of

__all__ = ["describe"]


async def describe(location: Location, config: HFConfig | None, instance: Instance) -> dict[str, str]:  # noqa: ARG001 - as of all backends
    """Describe the hub and the token of a repository.

    Args:
        location: The repository.
        config: The caller's configuration. None: the environment's.
        instance: Provides the environment.
    """
    environment = HFConfig.from_env(instance.environ)
    access = await access_of(config or environment, environment, instance)
    return {"endpoint": access.endpoint, "credentials": f"token ({access.source})" if access.token else "no token"}
