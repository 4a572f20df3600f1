"""The ModelScope hub and compatible servers, read-only.

A file is pinned by the SHA-256 that the hub lists: it does not resolve a branch to a commit. Large files, in Git LFS,
are in a separate storage, at URLs that expire (`download_urls`); small files come from the hub itself, always whole.
`repository` sends requests, and `replies` parses responses.
"""

from ...config import ModelScopeConfig, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from .access import completed
from .backend import ModelScopeBackend
from .repository import Repository

__all__ = ["ModelScopeBackend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> ModelScopeBackend:  # noqa: A001 - the contract's
    """Open the repository of a location."""
    if config is not None and not isinstance(config, ModelScopeConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for modelscope://", hint="pass a ModelScopeConfig")
    return ModelScopeBackend(Repository(location.at(""), completed(config, instance.environ), instance))
