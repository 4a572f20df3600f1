"""List the files of a directory tree, or of one directory, as objects."""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

from ...contract import Walk
from ...runtime.disk_threads import DiskThreads
from ...types import ObjectInfo
from .files import as_storage_error, info
from .walk import MISSING, Ancestors, Contents, inner, scan, skip, start, unlisted

__all__ = ["list_directory", "list_tree"]

# The path of a key.
_PathOf = Callable[[str], str]


async def list_tree(path_of: _PathOf, disk: DiskThreads, prefix: str, walk: Walk) -> AsyncGenerator[ObjectInfo]:
    """List all files; see `Backend.list`.

    Args:
        path_of: Returns the path of a key.
        disk: Threads for blocking work.
        prefix: Start of the keys.
        walk: Options of the walk.
    """
    base, _, name_start = prefix.rpartition("/")
    # The directories that are not listed yet: those on each level of the way to the current one.
    top = await disk.run(lambda: start(walk))
    pending: list[Iterator[tuple[str, Ancestors | None]]] = [iter([(base, top)])]
    first = True
    nothing = True
    while pending:
        following = next(pending[-1], None)
        if following is None:
            pending.pop()
            continue
        directory, above = following
        path = path_of(directory)
        try:
            contents = await disk.run(partial(scan, path, above, walk, first=first))
        except OSError as error:
            if first and error.errno in MISSING:  # an empty listing, as in a bucket
                return
            if first:
                with as_storage_error(path):
                    raise
            skip(walk, unlisted(directory, error))
            continue
        below = f"{directory}/" if directory else ""
        begin = below + name_start if first else below
        if contents.empty and not first:
            nothing = False
            yield ObjectInfo(below, 0)
        for block in range(contents.blocks):
            for obj in await _files(contents, block, disk, below, begin, walk):
                nothing = False
                yield obj
        pending.append(inner(contents, below, begin, walk))
        first = False
    if nothing and base and not name_start:
        yield ObjectInfo(prefix, 0)


async def list_directory(path_of: _PathOf, disk: DiskThreads, prefix: str, walk: Walk) -> AsyncGenerator[ObjectInfo]:
    """List one level; see `Backend.list_level`. The arguments are those of `list_tree`."""
    directory = prefix.rstrip("/")
    path = path_of(directory)
    top = await disk.run(lambda: start(walk))
    try:
        contents = await disk.run(partial(scan, path, top, walk, first=True))
    except OSError as error:
        if error.errno in MISSING:
            return
        with as_storage_error(path):
            raise
    if contents.empty and prefix:
        yield ObjectInfo(prefix, 0)
    for block in range(contents.blocks):
        for obj in await _files(contents, block, disk, prefix, prefix, walk):
            yield obj
    for name in contents.directories():
        yield ObjectInfo(f"{prefix}{name}/", None, is_prefix=True)


async def _files(
    contents: Contents, block: int, disk: DiskThreads, below: str, begin: str, walk: Walk
) -> Iterable[ObjectInfo]:
    """The files in a block of a directory whose keys start with `begin`; other entries are reported as skipped."""
    files, others = await contents.read(block, disk)
    for skipped in others:
        if (key := below + skipped.key).startswith(begin):
            skip(walk, replace(skipped, key=key))
    return (info(key, status) for name, status in files if (key := below + name).startswith(begin))
