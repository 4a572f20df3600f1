"""Download files into the cache of huggingface_hub."""

import os
from collections.abc import Sequence
from dataclasses import replace

from ..backends.local import LocalBackend, free_space, sync_directories, sync_tree, work_directory
from ..errors import LocalIOError
from ..operations.call_options import CallOptions
from ..operations.open_location import OpenLocation
from .hub_obtain import HubFile
from .hub_repository import HubRepository
from .snapshot_plan import SnapshotPlan
from .staged_download import download_staged

__all__ = ["fill_hub"]


async def fill_hub(
    source: OpenLocation,
    repository: HubRepository,
    plan: SnapshotPlan,
    files: Sequence[HubFile],
    commit: str,
    options: CallOptions,
) -> None:
    """Download the files that the cache does not have. A file gets its place when all are complete.

    Args:
        source: Location of the files.
        repository: The repository in the cache.
        plan: The snapshot that they make.
        files: The files.
        commit: Their commit.
        options: Options of the call.

    Raises:
        LocalIOError: The disk has no room. Nothing was downloaded.
        StorageError: As for a download. The next call continues.
    """
    disk = LocalBackend("/", source.instance.disk)
    state = await disk.run(lambda: work_directory(repository.root))

    def find(tree: str) -> set[str]:
        there = {
            each.path for each in files
            if repository.has(commit, each.repository_path, each.obj.size)
            or repository.has_blob(each.blob, each.obj.size)
        }  # fmt: skip
        needed = sum(each.obj.size or 0 for each in files if each.path not in there)
        needed -= _held(tree)
        if needed > (free := free_space(repository.root)):
            raise LocalIOError(
                f"{repository.root} needs {needed} bytes, but its disk has only {free} bytes free",
                hint="free some space, or set HF_HUB_CACHE to a directory on another disk",
            )
        return there

    async def prepare(tree: str) -> set[str]:
        return await disk.run(lambda: find(tree))

    def publish(tree: str) -> None:
        for each in files:
            if repository.has(commit, each.repository_path, each.obj.size):
                continue
            file = os.path.join(tree, each.path)
            repository.add(commit, each.repository_path, each.blob, file if os.path.exists(file) else None)
        if options.durability == "fsync":
            for directory in ("blobs", "snapshots"):
                sync_tree(os.path.join(repository.root, directory), files=False)
            sync_directories(repository.root, os.path.dirname(repository.root))

    await download_staged(
        source,
        plan,
        replace(options, existing="overwrite"),
        state=state,
        final=repository.snapshot(commit),
        prepare=prepare,
        publish=publish,
    )


def _held(tree: str) -> int:
    """Bytes that an earlier run has left in its directory."""
    return sum(
        os.lstat(os.path.join(directory, name)).st_size for directory, _, names in os.walk(tree) for name in names
    )
