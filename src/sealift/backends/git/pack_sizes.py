"""Find objects that are too large to be held in memory, before dulwich does: a few bytes of a pack can describe any
size.

The format of packs: https://git-scm.com/docs/gitformat-pack
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ...errors import ServiceError, TransportError
from ...types import MiB

__all__ = ["check_sizes"]

_COMMIT, _TREE, _OFS_DELTA, _REF_DELTA = 1, 2, 6, 7
_HEADER, _HASH = 12, 20
# Most objects are small: little of what follows them is copied.
_FIRST, _NEXT = 1 << 12, 1 << 16
_PIECE = 1 << 18
# Two numbers of up to 10 bytes begin a delta: the sizes of what it changes, and of the result.
_SIZES = 20
# Bytes of directories that are read to find the name of a file.
_MOST_TREES = 64 * MiB


class _Entry(NamedTuple):
    """An object of a pack.

    Attributes:
        offset: Where it begins.
        kind: Its type.
        size: Its size; of a delta, that of the delta.
        base: The object that a delta changes: its offset or its hash.
        start: Where the compressed bytes begin.
    """

    offset: int
    kind: int
    size: int
    base: int | bytes | None
    start: int


def check_sizes(pack: memoryview, largest: int, stopped: Callable[[], bool]) -> None:
    """Check that no object of a pack is larger than this.

    Args:
        pack: The pack. It was compared with its hash.
        largest: In bytes.
        stopped: Asked again and again whether to end.

    Raises:
        ServiceError: One is larger.
        TransportError: It was stopped.
        ValueError, zlib.error: The pack is not valid.
    """
    position = _HEADER
    for _ in range(_count(pack)):
        entry = _entry(pack, position)
        size, start = entry.size, b""
        if size <= largest:
            position = entry.start
            for piece, end in _inflated(pack, entry, stopped):
                start, position = start or piece[:_SIZES], end
            size = max(_sizes_of_delta(start)) if entry.base is not None else size
        if size > largest:
            raise ServiceError(
                f"{_name(pack, entry, stopped)} of the Git repository has {size:,} bytes; files that are not in Git "
                f"LFS may have {largest:,}",
                hint="add it to Git LFS, or clone the repository with git",
            )


def _count(pack: memoryview) -> int:
    return int.from_bytes(pack[8:_HEADER], "big")


def _entry(pack: memoryview, offset: int) -> _Entry:
    byte, position = _byte(pack, offset), offset + 1
    kind, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        byte, position = _byte(pack, position), position + 1
        size |= (byte & 0x7F) << shift
        shift += 7
    base: int | bytes | None = None
    if kind == _REF_DELTA:
        base, position = bytes(pack[position : position + _HASH]), position + _HASH
    elif kind == _OFS_DELTA:
        byte, position = _byte(pack, position), position + 1
        distance = byte & 0x7F
        while byte & 0x80:
            byte, position = _byte(pack, position), position + 1
            distance = (distance + 1) << 7 | byte & 0x7F
        base = offset - distance
    return _Entry(offset, kind, size, base, position)


def _byte(pack: memoryview, position: int) -> int:
    if position >= len(pack):
        raise ValueError("the pack ends within an object")
    return pack[position]


def _inflated(pack: memoryview, entry: _Entry, stopped: Callable[[], bool]) -> Iterator[tuple[bytes, int]]:
    """The pieces of an object, each with the position up to which the pack has been read."""
    inflate, position, length, step = zlib.decompressobj(), entry.start, 0, _FIRST
    while not inflate.eof:
        if stopped():
            raise TransportError("interrupted")
        compressed = inflate.unconsumed_tail
        if not compressed:
            compressed, step = bytes(pack[position : position + step]), _NEXT
            position += len(compressed)
        piece = inflate.decompress(compressed, _PIECE)
        length += len(piece)
        if length > entry.size or (not compressed and not piece):
            break
        yield piece, position - len(inflate.unused_data)
    if length != entry.size or not inflate.eof:
        raise ValueError("an object of the pack has another size than its header says")


def _sizes_of_delta(start: bytes) -> tuple[int, int]:
    """The sizes of what a delta changes, and of the result."""
    sizes, position = [], 0
    for _ in range(2):
        size = shift = 0
        byte = 0x80
        while byte & 0x80:
            if position >= len(start):
                raise ValueError("a delta of the pack is incomplete")
            byte, position = start[position], position + 1
            size |= (byte & 0x7F) << shift
            shift += 7
        sizes.append(size)
    return sizes[0], sizes[1]


def _name(pack: memoryview, large: _Entry, stopped: Callable[[], bool]) -> str:
    """What an error calls a file: its path, if it is found."""
    if large.base is None:
        digest = hashlib.sha1(b"blob %d\0" % large.size, usedforsecurity=False)
        for piece, _ in _inflated(pack, large, stopped):
            digest.update(piece)
        for path, sha in _files(*_trees(pack, stopped)):
            if sha == digest.digest():
                return repr(path.decode(errors="replace"))
    return "a file"


def _trees(pack: memoryview, stopped: Callable[[], bool]) -> tuple[bytes, dict[bytes, bytes]]:
    """The hash of the commit's tree, and the trees of a pack by their hashes."""
    from dulwich.pack import apply_delta  # noqa: PLC0415 - an extra, and slow to import

    root, trees = b"", dict[bytes, bytes]()
    hashes: dict[int, bytes] = {}
    position, held = _HEADER, 0
    for _ in range(_count(pack)):
        if held > _MOST_TREES:
            break
        entry = _entry(pack, position)
        base = hashes.get(entry.base, b"") if isinstance(entry.base, int) else entry.base or b""
        wanted = entry.kind in {_COMMIT, _TREE} or base in trees
        pieces, position = [], entry.start
        for piece, position in _inflated(pack, entry, stopped):  # noqa: B007 - the last one counts
            pieces += [piece] if wanted else []
        data = b"".join(pieces)
        if entry.kind == _COMMIT:
            root = bytes.fromhex(data[5:45].decode("ascii"))  # after "tree "
        elif wanted:
            data = b"".join(apply_delta(trees[base], data)) if base else data
            sha = hashlib.sha1(b"tree %d\0%b" % (len(data), data), usedforsecurity=False).digest()
            hashes[entry.offset], trees[sha] = sha, data
            held += len(data)
    return root, trees


def _files(root: bytes, trees: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The path and the hash of each entry of the trees."""
    pending = [(b"", root)]
    while pending:
        above, sha = pending.pop()
        tree = trees.pop(sha, b"")  # each once: a tree may be in many places
        while tree:
            named, _, tree = tree.partition(b"\0")
            path, sha = above + named.partition(b" ")[2], tree[:_HASH]
            tree = tree[_HASH:]
            if sha in trees:
                pending.append((path + b"/", sha))
            else:
                yield path, sha
