"""Local files as objects.

A file appears under its final name only when it is complete: it is written in the work directory `.sealift` and then
renamed (`upload`, `staging`). `confinement` keeps all files below the root. Blocking work runs on the disk threads.
"""

from ...config import StorageConfig
from ...instance import Instance
from ...uri import Location
from .backend import LocalBackend
from .directories import open_below, open_work_directory, refuse_link, work_directory
from .files import as_storage_error, existing, free_space, has_fine_times, sync_directories, sync_tree, taken_space
from .origins import Origins
from .replacement import destination, kind_of

__all__ = [
    "LocalBackend",
    "Origins",
    "as_storage_error",
    "destination",
    "existing",
    "free_space",
    "has_fine_times",
    "kind_of",
    "open",
    "open_below",
    "open_work_directory",
    "refuse_link",
    "sync_directories",
    "sync_tree",
    "taken_space",
    "work_directory",
]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> "LocalBackend":  # noqa: A001, ARG001 - the contract's
    """Open the whole file system; keys are absolute paths without the leading "/"."""
    return LocalBackend(location.root, instance.disk)
