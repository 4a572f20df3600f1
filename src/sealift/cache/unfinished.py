"""Unfinished downloads in a cache; blocking.

work/.sealift/…      files, with a journal, from which the next call continues
work/ID.TEXT/        an archive that is unpacked, which the next call begins anew
"""

import os
from collections.abc import Mapping

from ..keys.paths import WORK_DIRECTORY
from ..persist.download_journal import fingerprint
from .directory import CacheDirectory, is_id
from .ownership import running_owner

__all__ = ["abandoned", "unpacked"]


def abandoned(cache: CacheDirectory, snapshot: str) -> list[str]:
    """The files and directories of downloads that have ended before they were complete.

    The next call for the same could continue them.

    Args:
        cache: The cache.
        snapshot: A snapshot that is being downloaded: what belongs to it stays.

    Returns:
        Their paths.
    """
    running = {snapshot} | {name for name in os.listdir(cache.file("owners")) if running_owner(cache, name)}
    downloading = {fingerprint(each) for each in running}
    found = list[str]()
    for name in os.listdir(cache.file("work")):
        path = cache.file("work", name)
        if name.startswith(WORK_DIRECTORY):
            names = _names_in(path)
            ended = {each.partition(".")[0] for each in names if each.endswith(".journal")} - downloading
            found += (os.path.join(path, each) for each in names if each.replace("-", ".").partition(".")[0] in ended)
    return found + [path for each, paths in unpacked(cache).items() if each not in running for path in paths]


def unpacked(cache: CacheDirectory) -> Mapping[str, list[str]]:
    """Snapshot → directories in which an archive is or was unpacked to it."""
    found: dict[str, list[str]] = {}
    for name in os.listdir(cache.file("work")):
        if is_id(snapshot := name.partition(".")[0]):
            found.setdefault(snapshot, []).append(cache.file("work", name))
    return found


def _names_in(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, PermissionError):  # just removed, or another user's
        return []
