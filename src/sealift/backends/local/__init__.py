"""Files below a directory of this machine, as objects.

A file appears under its name only when it is whole: it is written in the dot directory beside its place and renamed
(`upload`), below the root and nowhere else (`inside`). All blocking work (`files`) runs on the instance's disk threads.
"""

from ...config import StorageConfig
from ...resources import Resources
from ...uri import Location
from .backend import LocalBackend
from .inside import open_below, refuse_link

__all__ = ["LocalBackend", "open", "open_below", "refuse_link"]


async def open(location: Location, config: StorageConfig | None, resources: Resources) -> "LocalBackend":  # noqa: A001, ARG001 - the contract's
    """The whole file system; keys are absolute paths without the leading "/"."""
    return LocalBackend(location.root, resources.disk)
