"""The files of an image or artifact: its layers, one above the other. No I/O.

https://github.com/opencontainers/image-spec/blob/main/layer.md. Links are resolved within the tree: none leads out.
"""

from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import datetime

from ...errors import ArchiveError, TransportError, UnsafeKey
from ...frozen_dataclass import dataclass
from .manifest import Blob
from .tar_scanner import Entry

__all__ = ["Directory", "File", "FileTree", "Link", "Node", "Special"]

_WHITEOUT, _OPAQUE, _METADATA = ".wh.", ".wh..wh..opq", ".wh..wh."
# Links that are followed on the way to one file; as many as on Linux.
_MAX_LINKS = 40
# As on Linux.
_LONGEST_TARGET = 4096
# Deeper paths are not genuine; directories are listed recursively.
_MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class File:
    """A file, and where its bytes are.

    Attributes:
        blob: The layer.
        offset: Offset in the decompressed layer, in bytes.
        size: Size in bytes.
        sha256: Hex digest.
        modified: Time of the last modification, if known.
        compressed: Whether the layer is compressed.
    """

    blob: Blob
    offset: int
    size: int
    sha256: str
    modified: datetime | None
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Special:
    """A device or pipe; `kind` says which."""

    kind: str


class Directory:
    """A directory.

    Attributes:
        children: By name.
    """

    __slots__ = ("children",)

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}


Node = Directory | File | Link | Special


@dataclass(frozen=True, slots=True)
class Found:
    """Where a path leads.

    Attributes:
        node: A directory, a file or a special file.
        loops: Whether links lead in a circle, so that there is no node.
    """

    node: Node | None
    loops: bool = field(default=False)


class FileTree:
    """The merged layers. Add them from the lowest one on.

    Args:
        stopped: Asked again and again whether to end early.

    Attributes:
        root: The root directory.
    """

    def __init__(self, stopped: Callable[[], bool] = lambda: False) -> None:
        self.root = Directory()
        self._stopped = stopped

    def add_file(self, path: str, file: File) -> None:
        """Add a file, and the directories above it.

        Raises:
            UnsafeKey: The path leads out of the tree.
        """
        self._put(_split(path), file)

    def add_archive(self, entries: Sequence[Entry], blob: Blob, *, compressed: bool, whiteouts: bool) -> None:
        """Add the entries of a tar archive.

        Args:
            entries: The entries.
            blob: The layer that holds them.
            compressed: Whether it is compressed.
            whiteouts: Whether names that begin with ".wh." delete files of the layers below.

        Raises:
            UnsafeKey: A path leads out of the tree.
            ArchiveError: The target of a hard link does not exist, or that of a symbolic link is too long.
            TransportError: It was stopped.
        """
        paths = [_split(entry.name) for entry in entries]
        if whiteouts:  # they apply to the layers below only, wherever they are in the archive
            for path in paths:
                if path and path[-1].startswith(_WHITEOUT):
                    self._delete(path)
        for path, entry in zip(paths, entries, strict=True):
            if self._stopped():
                raise TransportError("interrupted")
            if path and not (whiteouts and path[-1].startswith(_WHITEOUT)):
                self._put(path, self._node(entry, blob, compressed=compressed))

    def _node(self, entry: Entry, blob: Blob, *, compressed: bool) -> Node:
        match entry.kind:
            case "file":
                return File(blob, entry.offset, entry.size, entry.sha256, entry.modified, compressed)
            case "directory":
                return Directory()
            case "symbolic link":
                if len(entry.link) > _LONGEST_TARGET:
                    raise ArchiveError(f"the layer's entry {entry.name!r} is a link to a path that is too long")
                return Link(entry.link)
            case "hard link":
                parent, name = self._parent(_split(entry.link), create=False)
                node = parent.children.get(name) if parent is not None else None
                if node is None or isinstance(node, Directory):
                    raise ArchiveError(f"the layer's entry {entry.name!r} is a hard link to a file that does not exist")
                return node
        return Special(entry.kind)

    def _put(self, path: list[str], node: Node) -> None:
        if not path:
            return
        parent, name = self._parent(path, create=True)
        assert parent is not None  # noqa: S101 - for mypy: it was created
        if not (isinstance(node, Directory) and isinstance(parent.children.get(name), Directory)):
            parent.children[name] = node

    def _parent(self, path: list[str], *, create: bool) -> tuple[Directory | None, str]:
        """The directory that holds a path; links to directories are followed, as in a mounted image."""
        directory = self.root
        for index, name in enumerate(path[:-1]):
            child = directory.children.get(name)
            if isinstance(child, Link):
                child = self.find(path[: index + 1]).node
            if not isinstance(child, Directory):
                if not create:
                    return None, ""
                child = directory.children[name] = Directory()
            directory = child
        return (directory, path[-1]) if path else (None, "")

    def _delete(self, path: list[str]) -> None:
        """Apply a whiteout."""
        parent, name = self._parent(path, create=False)
        if parent is None:
            return
        if name == _OPAQUE:
            parent.children.clear()
        elif not name.startswith(_METADATA):  # other marks belong to a storage driver
            parent.children.pop(name.removeprefix(_WHITEOUT), None)

    def find(self, path: Sequence[str]) -> Found:
        """Find what a path leads to, following links.

        Args:
            path: The names on the way from the root.
        """
        stack: list[Directory] = [self.root]
        pending, links = list(reversed(path)), 0
        node: Node = self.root
        while pending:
            name = pending.pop()
            if not isinstance(node, Directory):
                return Found(None)
            if name in {"", "."}:
                continue
            if name == "..":
                if len(stack) > 1:
                    stack.pop()
                node = stack[-1]
                continue
            child = node.children.get(name)
            if child is None:
                return Found(None)
            if isinstance(child, Link):
                links += 1
                if links > _MAX_LINKS:
                    return Found(None, loops=True)
                if child.target.startswith("/"):
                    del stack[1:]
                node = stack[-1]
                pending += reversed(child.target.split("/"))
                continue
            node = child
            if isinstance(child, Directory):
                stack.append(child)
        return Found(node)


def _split(path: str) -> list[str]:
    """Split a path into its names.

    Raises:
        UnsafeKey: It leads out of the tree.
        ArchiveError: It is too long.
    """
    names = [name for name in path.split("/") if name not in {"", "."}]
    if ".." in names:
        raise UnsafeKey(f"the layer's entry {path!r} leads out of the image")
    if len(names) > _MAX_DEPTH:
        raise ArchiveError(f"a layer has an entry that is more than {_MAX_DEPTH} directories deep")
    return names
