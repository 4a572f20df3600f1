"""Object keys → paths below a directory: which are safe, and whether two of them get in each other's way. Pure."""

import re

from ..errors import UnsafeKey

__all__ = ["STATE_DIRECTORY", "Tree", "collapse", "is_directory_marker", "relative"]

# Temporary files live in one directory of this name beside their target; no object may use it.
STATE_DIRECTORY = ".sealift"
# Linux refuses longer names: https://man7.org/linux/man-pages/man3/limits.h.0p.html (NAME_MAX, PATH_MAX)
_NAME_MAX = 255
# Absolute on Windows: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DRIVE = re.compile(r"[A-Za-z]:")
# What that page reserves, as it spells it. On Linux and macOS these are names like others, and no more than such a name
# by itself is refused: "aux.py" and the directory "aux" are what honest repositories have.
_DEVICE = re.compile(r"CON|PRN|AUX|NUL|(COM|LPT)[0-9]")


def is_directory_marker(key: str, size: int | None) -> bool:
    """Whether an object only says that a directory exists: no bytes, and a name that ends in "/"."""
    return key.endswith("/") and not size


def collapse(key: str, prefix: str = "") -> str:
    """What follows the prefix, without empty segments; it may still be no safe path."""
    return "/".join(segment for segment in key[len(prefix) :].split("/") if segment)


def relative(key: str, prefix: str = "") -> str:
    """The path that a key gets below the directory which stands for `prefix`.

    Args:
        key: An object's key; it begins with `prefix`.
        prefix: "" or a key's beginning up to and with a "/".

    Returns:
        A relative path; empty segments are dropped ("a//b" → "a/b").

    Raises:
        UnsafeKey: It would leave the directory, or is not a file's name.

    Example:
        >>> relative("models/iris//weights.bin", "models/")
        'iris/weights.bin'
    """
    segments = collapse(key, prefix).split("/")
    if key.endswith("/") or segments == [""]:
        raise UnsafeKey(f"the key {key!r} cannot be a file's name", hint="download it by itself, to a file")
    if _DRIVE.fullmatch(segments[0]):
        raise UnsafeKey(f"the key {key!r} begins with a drive's letter")
    for segment in segments:
        if segment in {".", ".."}:
            raise UnsafeKey(f"the key {key!r} would leave the target directory")
        if segment == STATE_DIRECTORY:
            raise UnsafeKey(f"the key {key!r} uses {STATE_DIRECTORY}, where sealift keeps temporary files")
        if _DEVICE.fullmatch(segment):
            raise UnsafeKey(f"the key {key!r} has the name of a device of Windows")
        try:
            length = len(segment.encode(errors="surrogateescape"))
        except UnicodeEncodeError:  # half of a surrogate pair
            length = 0
        if not length or "\0" in segment or "\\" in segment:
            raise UnsafeKey(f"the key {key!r} has a character that a file's name cannot have")
        if length > _NAME_MAX:
            raise UnsafeKey(f"the key {key!r} has a segment of more than {_NAME_MAX} bytes")
    return "/".join(segments)


class Tree:
    """The paths that one job writes below a directory: refuses a second key for a path that is taken.

    Example:
        >>> tree = Tree()
        >>> tree.add("a/b", key="a/b")
        >>> tree.add("a", key="a")
        Traceback (most recent call last):
        sealift.errors.UnsafeKey: the keys 'a' and 'a/b' cannot both be files: one is the other's directory
    """

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._directories: dict[str, str] = {}

    def add(self, path: str, key: str) -> None:
        """Take a path for a key.

        Raises:
            UnsafeKey: The path is another key's file or directory, or lies below another key's file.
        """
        if (other := self._files.get(path)) is not None:
            raise UnsafeKey(f"the keys {other!r} and {key!r} land on the same path")
        directories = []
        directory = path.rpartition("/")[0]
        while directory and directory not in self._directories:
            directories.append(directory)
            directory = directory.rpartition("/")[0]
        for other in (self._directories.get(path), *map(self._files.get, directories)):
            if other is not None:
                raise UnsafeKey(f"the keys {key!r} and {other!r} cannot both be files: one is the other's directory")
        self._files[path] = key
        self._directories |= dict.fromkeys(directories, key)
