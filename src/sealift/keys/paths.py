"""Map object keys to safe relative paths below a target directory, and detect conflicts between them. No I/O."""

import os
import re

from ..compressed_list import CompressedList
from ..errors import UnsafeKey
from ..uris.file_names import encoding_hint, why_unencodable

__all__ = ["WORK_DIRECTORY", "Tree", "collapse", "is_directory_marker", "is_work_directory", "relative"]

# Directory for temporary files beside their target; reserved, so no key may contain it. In a directory of another user
# it is ".sealift-UID": see `backends/local/directories.py`.
WORK_DIRECTORY = ".sealift"
# The maximum on Linux: https://man7.org/linux/man-pages/man3/limits.h.0p.html (NAME_MAX, PATH_MAX)
_NAME_MAX = 255
# Absolute on Windows: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DRIVE = r"[A-Za-z]:"
# Device names reserved on Windows, in the spelling of that page. They are ordinary names on Linux and macOS, so only
# exact matches are rejected: real repositories contain "aux.py" and directories named "aux".
_DEVICE = r"CON|PRN|AUX|NUL|(COM|LPT)[0-9]"
# Ordinary paths, which need no further check if they are no longer than a name: most keys, in a fraction of the time.
_SEGMENT = rf"(?!(?:{_DEVICE})(?:/|\Z))[A-Za-z0-9_][A-Za-z0-9_.+=@-]*"
_ORDINARY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


def is_work_directory(name: str) -> bool:
    """Check whether a file name is reserved for temporary files.

    Example:
        >>> [is_work_directory(name) for name in (".sealift", ".sealift-1000", ".sealift-x")]
        [True, True, False]
    """
    if not name.startswith(WORK_DIRECTORY):
        return False
    user = name[len(WORK_DIRECTORY) :]
    return not user or (user[0] == "-" and user[1:].isdecimal())


def is_directory_marker(key: str, size: int | None) -> bool:
    """Check whether an object only marks a directory: it has no bytes, and its key ends in "/"."""
    return key.endswith("/") and not size


def collapse(key: str, prefix: str = "") -> str:
    """Remove the prefix and empty segments from a key. The result is not validated; see `relative`."""
    path = key[len(prefix) :]
    if "//" not in path and not path.startswith("/") and not path.endswith("/"):
        return path
    return "/".join(segment for segment in path.split("/") if segment)


def relative(key: str, prefix: str = "") -> str:
    """Map a key to a relative path below the directory that corresponds to `prefix`.

    Args:
        key: Key of an object; starts with `prefix`.
        prefix: "" or a key prefix that ends in "/".

    Returns:
        A relative path without empty segments ("a//b" → "a/b").

    Raises:
        UnsafeKey: The path would be outside the directory, or is not a valid file name.

    Example:
        >>> relative("models/iris//weights.bin", "models/")
        'iris/weights.bin'
    """
    path = key[len(prefix) :]
    if len(path) <= _NAME_MAX and _ORDINARY.fullmatch(path):
        return path
    segments = collapse(key, prefix).split("/")
    if key.endswith("/") or segments == [""]:
        raise UnsafeKey(f"the key {key!r} is not a valid file name", hint="download it alone, to a file path")
    if re.fullmatch(_DRIVE, segments[0]):
        raise UnsafeKey(f"the key {key!r} starts with a Windows drive letter")
    for segment in segments:
        if segment in {".", ".."}:
            raise UnsafeKey(f"the key {key!r} would leave the target directory")
        if is_work_directory(segment):
            raise UnsafeKey(f"the key {key!r} contains {segment}, which is reserved for temporary files")
        if re.fullmatch(_DEVICE, segment):
            raise UnsafeKey(f"the key {key!r} contains a reserved Windows device name")
        if (unencodable := why_unencodable(segment)) is not None:
            raise UnsafeKey(f"the key {key!r} {unencodable}", hint=encoding_hint())
        if "\0" in segment or "\\" in segment:
            raise UnsafeKey(f"the key {key!r} contains a character that is not allowed in file names")
        if len(os.fsencode(segment)) > _NAME_MAX:
            raise UnsafeKey(f"the key {key!r} contains a file name longer than {_NAME_MAX} bytes")
    return "/".join(segments)


class Tree:
    """The paths that one job writes below a directory; rejects keys whose paths conflict.

    While the paths are in ascending order, as most services list them, each is compared only with those that it begins
    with. From the first one that is out of order on, all are kept in memory.

    Example:
        >>> tree = Tree()
        >>> tree.add("a", key="a")
        >>> tree.add("a/b", key="a/b")
        Traceback (most recent call last):
        sealift.errors.UnsafeKey: the keys 'a/b' and 'a' conflict: one is a file where the other needs a directory
    """

    def __init__(self) -> None:
        self._last = ""
        self._beginnings: list[tuple[str, str]] = []  # paths that the last one begins with, and it itself, with keys
        self._added: CompressedList[tuple[str, str]] = CompressedList()
        self._unordered: _UnorderedTree | None = None

    def add(self, path: str, key: str) -> None:
        """Reserve the path of a key.

        Raises:
            UnsafeKey: The path is used as a file or directory by another key, or is below another key's file.
        """
        if self._unordered is None and path > self._last:
            beginnings = self._beginnings
            while beginnings and not path.startswith(beginnings[-1][0]):
                beginnings.pop()
            for file, other in beginnings:
                if path[len(file)] == "/":
                    raise _conflict(key, other)
            beginnings.append((path, key))
            self._last = path
            self._added.append((path, key))
            return
        if self._unordered is None:
            self._unordered = _UnorderedTree()
            for added in self._added:
                self._unordered.add(*added)
            self._added.clear()
        self._unordered.add(path, key)


class _UnorderedTree:
    """As `Tree`, for paths in any order."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._directories: dict[str, str] = {}

    def add(self, path: str, key: str) -> None:
        if (other := self._files.get(path)) is not None:
            raise UnsafeKey(f"the keys {other!r} and {key!r} map to the same path")
        directories = []
        directory = path.rpartition("/")[0]
        while directory and directory not in self._directories:
            directories.append(directory)
            directory = directory.rpartition("/")[0]
        if directories or path in self._directories:
            for other in (self._directories.get(path), *map(self._files.get, directories)):
                if other is not None:
                    raise _conflict(key, other)
            self._directories |= dict.fromkeys(directories, key)
        self._files[path] = key


def _conflict(key: str, other: str) -> UnsafeKey:
    return UnsafeKey(f"the keys {key!r} and {other!r} conflict: one is a file where the other needs a directory")
