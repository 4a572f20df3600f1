"""The Hugging Face Hub and compatible servers, read-only.

A revision is resolved to a commit once, and all files are read at that commit (`repository`; `branches` handles names
with a slash). Large files are in a separate storage, at signed URLs that expire (`download_urls`). Small files come
from the hub itself, possibly compressed or without range support (`small_files`). `replies` parses responses.
"""

from dataclasses import replace

from ...config import HFConfig, StorageConfig
from ...errors import InvalidConfig, UnsupportedOperation
from ...instance import Instance
from ...uri import Location
from .access import access_of
from .backend import HFBackend
from .download_urls import DownloadURLs
from .repository import Repository

__all__ = ["HFBackend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> HFBackend:  # noqa: A001 - the contract's
    """Open the repository of a location."""
    environment = HFConfig.from_env(instance.environ)
    if config is None:
        config = environment
    if not isinstance(config, HFConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for hf://", hint="pass an HFConfig")
    if config.offline or environment.offline:
        raise UnsupportedOperation("offline mode is on: hf:// is not available", hint="unset HF_HUB_OFFLINE")
    access = await access_of(config, environment, instance)
    if location.revision is None and config.revision is not None:
        location = replace(location, revision=config.revision, key="")  # the key does not belong to its name
    repository = Repository(location, access.endpoint, access.token, config, instance)
    if location.revision and location.key:
        await instance.retry(repository.commit)  # the key may begin with the rest of a branch's name
    return HFBackend(repository, await DownloadURLs.of_repository(repository))
