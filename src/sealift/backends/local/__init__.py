"""Files below a directory of this machine, as objects.

A file appears under its name only when it is whole: it is written in the dot directory beside its place and renamed
(`upload`), below the root and nowhere else (`inside`). All blocking work (`files`) runs on the instance's disk threads.
"""

from ...config import StorageConfig
from ...instance import Instance
from ...uri import Location
from .backend import LocalBackend
from .confinement import open_below, open_own, refuse_link
from .files import existing, free_space, sync_directories, sync_tree, taken_space
from .replacement import destination, kind_of
from .tree import is_still_there, publish_tree

__all__ = [
    "LocalBackend",
    "destination",
    "existing",
    "free_space",
    "is_still_there",
    "kind_of",
    "open",
    "open_below",
    "open_own",
    "publish_tree",
    "refuse_link",
    "sync_directories",
    "sync_tree",
    "taken_space",
]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> "LocalBackend":  # noqa: A001, ARG001 - the contract's
    """The whole file system; keys are absolute paths without the leading "/"."""
    return LocalBackend(location.root, instance.disk)
