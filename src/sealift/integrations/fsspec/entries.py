"""Entries of fsspec's listings: dictionaries with the keys that its other filesystems use."""

from typing import Any

from ...types import ObjectInfo

__all__ = ["add_entry", "directory_entry", "file_entry", "joined"]


def joined(path: str, relative: str) -> str:
    return f"{path}{relative}" if path.endswith("/") else f"{path}/{relative}"


def directory_entry(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def file_entry(name: str, obj: ObjectInfo) -> dict[str, Any]:
    return {
        "name": name, "size": obj.size, "type": "file", "etag": obj.etag, "version": obj.version,
        "last_modified": obj.modified,
    }  # fmt: skip


def add_entry(
    found: dict[str, dict[str, Any]], path: str, relative: str, obj: ObjectInfo, maxdepth: int | None, *, withdirs: bool
) -> None:
    """Add an object, and the directories that lead to it, if they are not too deep."""
    *directories, name = relative.split("/")
    if withdirs:
        for depth in range(1, len(directories[:maxdepth]) + 1):
            directory = joined(path, "/".join(directories[:depth]))
            found.setdefault(directory, directory_entry(directory))
    if name and (maxdepth is None or len(directories) < maxdepth):
        found[joined(path, relative)] = file_entry(joined(path, relative), obj)
