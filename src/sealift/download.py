"""Where the files of a download go, and how they appear there."""

import os
import secrets
import shutil
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import aclosing, suppress

import anyio

from . import archive, paths
from .backend import Backend
from .backends.local import LocalBackend, open_below, refuse_link
from .engine import Job, Transfer, one
from .errors import InvalidConfig, LocalIOError
from .resolve import Prefix, resolve
from .resources import Resources
from .selection import Options, Selection
from .types import ObjectInfo, Unpack
from .uri import Location

__all__ = ["download"]


async def download(resources: Resources, source: Backend, location: Location, dest: str, options: Options) -> str:
    """Bring what a location names to the disk; see `AsyncStorage.download`.

    Returns:
        The path of the file or directory.
    """
    if not dest:
        raise InvalidConfig("the destination is an empty path", hint='"." is the current directory')
    if "\0" in dest:
        raise InvalidConfig(f"the destination {dest!r} holds a NUL character")
    found = await resolve(source, location.key, resources.retry)
    if options.unpack is not None:
        return await _unpacked(resources, source, found, dest, options, options.unpack)
    if isinstance(found, Prefix):
        async with aclosing(found.objects):
            return await _directory(resources, source, _Files(found, options), dest, options)
    called = location.name if found.name is None else found.name
    options.let_object(location.key, called)
    into = dest.endswith("/") or await resources.disk.run(lambda: os.path.isdir(dest))
    if into and not called and found.name is not None:
        raise InvalidConfig("the URL does not say what the file is called", hint="give the file itself as destination")
    path = os.path.join(dest, paths.relative(called)) if into else dest
    directory, name = os.path.split(os.path.abspath(path))  # noqa: ASYNC240 - needs no disk
    target = LocalBackend(directory, resources.disk)
    job = Job(source, target, resources, options.on_event, dry_run=options.dry_run)
    try:
        await job.run(one(Transfer(found, name)))
    finally:
        with anyio.CancelScope(shield=True):
            await target.aclose()
    return path


async def _directory(resources: Resources, source: Backend, files: "_Files", dest: str, options: Options) -> str:
    final, there, state = await _places(resources, dest, f"{files.prefix!r} names many objects")
    # What does not exist yet appears as a whole, since users test with os.path.exists.
    root = final if there else os.path.join(state, f"{secrets.token_hex(8)}.tree")
    target = LocalBackend(root, resources.disk, state=state, staged=root != final)
    try:
        await Job(source, target, resources, options.on_event, dry_run=options.dry_run).run(files.transfers())
        files.check()
        if not options.dry_run:
            await target.run(lambda: _finish(root, files.directories, final))
    except BaseException:
        if root != final:
            with anyio.CancelScope(shield=True):
                await resources.disk.run(lambda: shutil.rmtree(root, ignore_errors=True))
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await target.aclose()
    return dest


async def _unpacked(
    resources: Resources, source: Backend, found: ObjectInfo | Prefix, dest: str, options: Options, bounds: Unpack
) -> str:
    """Bring an archive into the dot directory, and what is in it to the destination."""
    if isinstance(found, Prefix):
        await found.objects.aclose()
        raise InvalidConfig(
            f"{found.key!r} is no archive but a prefix of many objects", hint="name the object to unpack"
        )
    final, _, state = await _places(resources, dest, "an archive holds many files")
    work = os.path.join(state, f"{secrets.token_hex(8)}.unpack")
    packed, root = os.path.join(work, "archive"), os.path.join(work, "tree")
    target = LocalBackend(work, resources.disk)
    steps = archive.unpack(packed, root, options.patterns.let, bounds)
    try:
        await Job(source, target, resources, options.on_event).run(one(Transfer(found, "archive")))
        while await target.run(lambda: next(steps, None)) is not None:
            pass  # a call that is cancelled ends after a step
        await target.run(lambda: _finish(root, (), final))
    finally:
        with anyio.CancelScope(shield=True):
            await resources.disk.run(lambda: _clear(steps, work, state))
    return dest


async def _places(resources: Resources, dest: str, because: str) -> tuple[str, bool, str]:
    """Where a directory is to be, whether it is there, and the dot directory: in it if it is, else beside it."""
    final = os.path.abspath(dest)  # noqa: ASYNC240 - needs no disk
    kind = await resources.disk.run(lambda: "directory" if os.path.isdir(final) else os.path.lexists(final))
    if kind is True:
        raise LocalIOError(f"{dest} is a file, but {because}", hint="choose a directory")
    there = bool(kind)
    state = os.path.join(final if there else os.path.dirname(final), paths.STATE_DIRECTORY)
    await resources.disk.run(lambda: refuse_link(state))
    return final, there, state


def _clear(steps: Generator[int], work: str, state: str) -> None:
    """Blocking: leave nothing of an archive."""
    steps.close()
    shutil.rmtree(work, ignore_errors=True)
    with suppress(OSError):  # others use it, or it was never made
        os.rmdir(state)


class _Files:
    """The files below a directory that the objects of a prefix become."""

    def __init__(self, prefix: Prefix, options: Options) -> None:
        self.prefix = prefix.key
        self.directories: list[str] = []
        self._selection = Selection(prefix, options)
        self.check = self._selection.check

    async def transfers(self) -> AsyncGenerator[Transfer]:
        tree = paths.Tree()
        prefix = self.prefix

        def path_of(obj: ObjectInfo) -> str:
            path = paths.relative(obj.key, prefix)
            tree.add(path, obj.key)
            return path

        async for obj, path in self._selection.objects(path_of):
            if path:
                yield Transfer(obj, path, listed=True)
            elif obj.key != prefix:
                self.directories.append(paths.relative(obj.key.rstrip("/"), prefix))


def _finish(root: str, directories: Iterable[str], final: str) -> None:
    """Blocking: make the empty directories, and give a new tree its name."""
    for directory in ("", *directories):
        os.close(open_below(root, directory, directory))
    if root == final:
        return
    try:
        os.rename(root, final)
    except OSError:
        # Somebody else, perhaps another download of the same, made it meanwhile: bring the files in one by one.
        tree = [(os.path.relpath(directory, root), names) for directory, _, names in os.walk(root)]
        for directory, _ in tree:  # before the first file: all of its directories are where they should be
            os.close(open_below(final, directory, directory))
        for directory, names in tree:
            there = open_below(final, directory, directory)
            try:
                for name in names:
                    os.replace(os.path.join(root, directory, name), name, dst_dir_fd=there)
            finally:
                os.close(there)
        shutil.rmtree(root)
