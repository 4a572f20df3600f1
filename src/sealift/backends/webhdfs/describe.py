"""The configuration that is used for a file system, without secrets."""

from ...config import HDFSConfig
from ...config.setting import Setting
from ...instance import Instance
from ...uri import Location
from .address import address_of
from .secret_directory import environment_config

__all__ = ["describe"]


async def describe(location: Location, config: HDFSConfig | None, instance: Instance) -> dict[str, Setting]:
    """Describe the namenodes and the identity of a location.

    Args:
        location: The location.
        config: The caller's configuration. None: the environment's.
        instance: Provides the environment.
    """
    config = config or await environment_config(instance)
    address = address_of(location, config)
    others = {"other namenodes": Setting(", ".join(address.urls[1:]))} if address.urls[1:] else {}
    return {
        "endpoint": Setting(address.urls[0]),
        **others,
        "directory": Setting(address.directory or "/"),
        "credentials": Setting(_identity(config)),
    }


def _identity(config: HDFSConfig) -> str:
    if config.delegation_token:
        return "delegation token"
    if config.kerberos:
        return f"Kerberos ({config.principal or 'tickets of kinit'})"
    known = [f"user {config.user}"] if config.user else []
    known += [f"acting for {config.proxy_user}"] if config.proxy_user else []
    known += ["client certificate"] if config.client_certificate else []
    return ", ".join(known) or "none"
