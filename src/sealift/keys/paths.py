"""Map object keys to safe relative paths below a target directory, and detect conflicts between them. No I/O."""

import re

from ..errors import UnsafeKey

__all__ = ["WORK_DIRECTORY", "Tree", "collapse", "is_directory_marker", "relative"]

# Directory for temporary files beside their target; reserved, so no key may contain it.
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
        if segment == WORK_DIRECTORY:
            raise UnsafeKey(f"the key {key!r} contains {WORK_DIRECTORY}, which is reserved for temporary files")
        if re.fullmatch(_DEVICE, segment):
            raise UnsafeKey(f"the key {key!r} contains a reserved Windows device name")
        try:
            length = len(segment.encode(errors="surrogateescape"))
        except UnicodeEncodeError:  # a lone surrogate
            length = 0
        if not length or "\0" in segment or "\\" in segment:
            raise UnsafeKey(f"the key {key!r} contains a character that is not allowed in file names")
        if length > _NAME_MAX:
            raise UnsafeKey(f"the key {key!r} contains a file name longer than {_NAME_MAX} bytes")
    return "/".join(segments)


class Tree:
    """The set of paths that one job writes below a directory; rejects keys whose paths conflict.

    Example:
        >>> tree = Tree()
        >>> tree.add("a/b", key="a/b")
        >>> tree.add("a", key="a")
        Traceback (most recent call last):
        sealift.errors.UnsafeKey: the keys 'a' and 'a/b' conflict: one is a file where the other needs a directory
    """

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._directories: dict[str, str] = {}

    def add(self, path: str, key: str) -> None:
        """Reserve the path of a key.

        Raises:
            UnsafeKey: The path is used as a file or directory by another key, or is below another key's file.
        """
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
                    raise UnsafeKey(
                        f"the keys {key!r} and {other!r} conflict: one is a file where the other needs a directory"
                    )
            self._directories |= dict.fromkeys(directories, key)
        self._files[path] = key
