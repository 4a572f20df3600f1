"""The configuration that is used for an image, without secrets."""

from ...config import OCIConfig
from ...config.setting import Setting
from ...instance import Instance
from ...uri import Location
from .authorization import Authorization
from .registry import origin_of

__all__ = ["describe"]


async def describe(location: Location, config: OCIConfig | None, instance: Instance) -> dict[str, Setting]:
    """Describe the registry and the credentials of an image.

    Args:
        location: The image.
        config: The caller's configuration. None: the environment's.
        instance: Provides the environment.

    Raises:
        StorageError: The file of credentials cannot be read, or a credential helper failed.
    """
    environment = OCIConfig.from_env(instance.environ)
    chosen = config or environment
    origin = origin_of(location, insecure=environment.insecure if chosen.insecure is None else chosen.insecure)
    credentials = Setting("token", "the configuration")
    if not chosen.token:
        found = await Authorization(location, chosen, environment, instance).find()
        credentials = Setting(found.username or "identity token", found.source) if found else Setting("none")
    return {"endpoint": Setting(f"{origin.scheme}://{origin.netloc}"), "credentials": credentials}
