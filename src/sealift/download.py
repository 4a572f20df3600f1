"""Where the files of a download go, and how they appear there."""

import os
import secrets
import shutil
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from fnmatch import fnmatchcase

import anyio

from . import paths
from .backend import Backend
from .backends.local import LocalBackend, make_directories
from .engine import Job, Transfer
from .errors import InvalidConfig, LocalIOError, ModelMissingError
from .resolve import Prefix, resolve
from .resources import Resources
from .types import OnEvent
from .uri import Location

__all__ = ["Patterns", "download"]


@dataclass(frozen=True, slots=True)
class Patterns:
    """Which paths are wanted, as in `fnmatch`: those that match an allowed pattern and no ignored one.

    Args:
        allow: None: everything.
        ignore: None: nothing.
    """

    allow: tuple[str, ...] | None
    ignore: tuple[str, ...]

    @classmethod
    def of(cls, allow: Iterable[str] | str | None, ignore: Iterable[str] | str | None) -> "Patterns":
        """From what a caller gives: one pattern, several, or None."""

        def several(given: Iterable[str] | str) -> tuple[str, ...]:
            return (given,) if isinstance(given, str) else tuple(given)

        return cls(None if allow is None else several(allow), several(ignore or ()))

    def let(self, path: str) -> bool:
        """Whether this path is wanted."""
        if self.allow is not None and not any(fnmatchcase(path, pattern) for pattern in self.allow):
            return False
        return not any(fnmatchcase(path, pattern) for pattern in self.ignore)


async def download(
    resources: Resources,
    source: Backend,
    location: Location,
    dest: str,
    patterns: Patterns,
    on_event: OnEvent | None,
) -> str:
    """Bring what a location names to the disk; see `AsyncStorage.download`.

    Returns:
        The path of the file or directory.
    """
    if not dest:
        raise InvalidConfig("the destination is an empty path", hint='"." is the current directory')
    if "\0" in dest:
        raise InvalidConfig(f"the destination {dest!r} holds a NUL character")
    found = await resolve(source, location.key, resources.retry)
    if isinstance(found, Prefix):
        async with aclosing(found.objects):
            return await _directory(resources, source, found, dest, patterns, on_event)
    if not patterns.let(location.name):
        raise ModelMissingError(location.key, cause=f"the patterns do not let {location.name!r} through")
    into = dest.endswith("/") or await resources.disk.run(lambda: os.path.isdir(dest))
    path = os.path.join(dest, paths.relative(location.name)) if into else dest
    directory, name = os.path.split(os.path.abspath(path))  # noqa: ASYNC240 - needs no disk
    target = LocalBackend(directory, resources.disk)
    try:
        await Job(source, target, resources, on_event).run(_one(Transfer(found, name)))
    finally:
        with anyio.CancelScope(shield=True):
            await target.aclose()
    return path


async def _one(transfer: Transfer) -> AsyncGenerator[Transfer]:
    yield transfer


async def _directory(
    resources: Resources, source: Backend, prefix: Prefix, dest: str, patterns: Patterns, on_event: OnEvent | None
) -> str:
    final = os.path.abspath(dest)  # noqa: ASYNC240 - needs no disk
    kind = await resources.disk.run(lambda: "directory" if os.path.isdir(final) else os.path.lexists(final))
    if kind is True:
        raise LocalIOError(f"{dest} is a file, but {prefix.key!r} names many objects", hint="choose a directory")
    state = os.path.join(final if kind else os.path.dirname(final), paths.STATE_DIRECTORY)
    # What does not exist yet appears as a whole, since users test with os.path.exists.
    root = final if kind else os.path.join(state, f"{secrets.token_hex(8)}.tree")
    target = LocalBackend(root, resources.disk, state=state, staged=root != final)
    tree = _Files(prefix, patterns)
    try:
        await Job(source, target, resources, on_event).run(tree.transfers())
        tree.check()
        await target.run(lambda: _finish(root, tree.directories, final))
    except BaseException:
        if root != final:
            with anyio.CancelScope(shield=True):
                await resources.disk.run(lambda: shutil.rmtree(root, ignore_errors=True))
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await target.aclose()
    return dest


class _Files:
    """The files below a directory that the objects of a prefix become."""

    def __init__(self, prefix: Prefix, patterns: Patterns) -> None:
        self._prefix = prefix
        self._patterns = patterns
        self._refused = 0
        self._found = 0
        self.directories: list[str] = []

    async def transfers(self) -> AsyncGenerator[Transfer]:
        tree = paths.Tree()
        prefix = self._prefix.key
        async for obj in self._prefix.objects:
            if paths.is_directory_marker(obj.key, obj.size):
                if obj.key != prefix:
                    self.directories.append(paths.relative(obj.key.rstrip("/"), prefix))
                continue
            if not self._patterns.let(paths.collapse(obj.key, prefix)):
                self._refused += 1
                continue
            path = paths.relative(obj.key, prefix)
            tree.add(path, obj.key)
            self._found += 1
            yield Transfer(obj, path, listed=True)

    def check(self) -> None:
        """Raise if the patterns left nothing."""
        if self._refused and not self._found:
            cause = f"the patterns let none of {self._refused} objects under {self._prefix.key!r} through"
            raise ModelMissingError(self._prefix.key, cause=cause)


def _finish(root: str, directories: Iterable[str], final: str) -> None:
    """Blocking: make the empty directories, and give a new tree its name."""
    for directory in (root, *(os.path.join(root, directory) for directory in directories)):
        make_directories(directory)
    if root == final:
        return
    try:
        os.rename(root, final)
    except OSError:
        # Somebody else, perhaps another download of the same, made it meanwhile: bring the files in one by one.
        for directory, _, names in os.walk(root):
            there = os.path.join(final, os.path.relpath(directory, root))
            os.makedirs(there, exist_ok=True)
            for name in names:
                os.replace(os.path.join(directory, name), os.path.join(there, name))
        shutil.rmtree(root)
