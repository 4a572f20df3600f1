"""Unfinished downloads that nobody continues; blocking."""

import os

from ..keys.paths import WORK_DIRECTORY
from ..persist.download_journal import fingerprint
from .directory import CacheDirectory, is_id
from .ownership import running_owner

__all__ = ["abandoned"]


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
        elif is_id(unpacked := name.partition(".")[0]) and unpacked not in running:
            found.append(path)
    return found


def _names_in(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, PermissionError):  # just removed, or another user's
        return []
