"""The configuration that is used for a web server, without secrets."""

from ...config import HTTPConfig
from ...config.setting import Setting
from ...instance import Instance
from ...uri import Location
from . import find_credentials

__all__ = ["describe"]


async def describe(location: Location, config: HTTPConfig | None, instance: Instance) -> dict[str, Setting]:
    """Describe which headers and credentials a server gets.

    Args:
        location: The server.
        config: The caller's configuration. None: there is none.
        instance: Provides the environment.
    """
    chosen = config or HTTPConfig()
    facts = {"headers": Setting(", ".join(chosen.headers), "the configuration")} if chosen.headers else {}
    found = await find_credentials(location, chosen, instance)
    return {**facts, "credentials": Setting("none in ~/.netrc") if found is None else Setting("password", found.path)}
