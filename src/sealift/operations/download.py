"""Where the files of a download go, and how they appear there."""

import os
import secrets
import shutil
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Self

import anyio

from ..backends.local import (
    LocalBackend,
    destination,
    existing,
    is_in_place,
    kind_of,
    open_below,
    open_state_directory,
    publish_tree,
    refuse_link,
    sync_directories,
    sync_tree,
)
from ..contract import Backend
from ..engine.job import Job
from ..engine.transfer import Transfer, one
from ..errors import InvalidConfig, LocalIOError
from ..instance import Instance
from ..keys import paths
from ..persist.download_journal import Journal
from ..types import ObjectInfo, Unpack
from ..uri import Location
from .disk_space import within_space
from .resolve import Prefix, resolve
from .resume_download import is_there, journal_of
from .selection import Options, Selection
from .skipped import Skips

__all__ = ["download"]

_INCOMPLETE = "copied everything but"


async def download(instance: Instance, source: Backend, location: Location, dest: str, options: Options) -> str:
    """Bring what a location names to the disk; see `AsyncStorage.download`.

    Returns:
        The path of the file or directory.
    """
    if not dest:
        raise InvalidConfig("the destination is an empty path", hint='"." is the current directory')
    if "\0" in dest:
        raise InvalidConfig(f"the destination {dest!r} holds a NUL character")
    if os.path.basename(os.path.abspath(dest)) == paths.STATE_DIRECTORY:  # noqa: ASYNC240 - needs no disk
        raise InvalidConfig(
            f"the destination {dest!r} is where sealift keeps temporary files", hint="choose another name"
        )
    skips = options.skips(location.key, avoid=dest)
    found = await resolve(source, location.key, instance.retry, skips.walk)
    if options.unpack is not None:
        return await _unpacked(instance, source, location, found, dest, options, options.unpack)
    if isinstance(found, Prefix):
        async with aclosing(found.objects):
            path = await _directory(instance, source, location, _Files(found, options, skips), dest, options)
        skips.check(_INCOMPLETE)
        return path
    called = location.name if found.name is None else found.name
    options.let_object(location.key, called)
    into = dest.endswith("/") or await instance.disk.run(lambda: os.path.isdir(dest))
    if into and not called and found.name is not None:
        raise InvalidConfig("the URL does not say what the file is called", hint="give the file itself as destination")
    path = os.path.join(dest, paths.relative(called)) if into else dest
    # Only a link that the caller has named is followed, not one that a key happens to name.
    file = await LocalBackend("/", instance.disk).run(lambda: destination(os.path.abspath(path), follow=not into))
    directory, name = os.path.split(file)
    if options.dry_run:
        await _only_told(instance, source, one(Transfer(found, name)), options)
        return path
    state = os.path.join(directory, paths.STATE_DIRECTORY)
    async with journal_of(
        instance, state, source.address, location, directory, name, options.verify, many=False
    ) as journal:
        target = LocalBackend(directory, instance.disk, journal=journal, durability=options.durability)
        await _bring(instance, source, target, journal, one(Transfer(found, name)), options, [])
    return path


async def _bring(
    instance: Instance,
    source: Backend,
    target: LocalBackend,
    journal: Journal,
    transfers: AsyncGenerator[Transfer],
    options: Options,
    kept: list[str],
) -> None:
    """Move what an earlier process has not finished.

    Args:
        instance: Of the instance.
        source: Where the objects are.
        target: The directory.
        journal: Of the download.
        transfers: The objects.
        options: Of the verb.
        kept: Files that stay as they are; those that an earlier process has finished are added.
    """

    async def missing() -> AsyncGenerator[Transfer]:
        async with aclosing(transfers):
            async for transfer in transfers:
                if await is_there(instance, source, target, journal, transfer, options):
                    kept.append(transfer.key)
                else:
                    yield transfer

    job = Job(source, target, instance, options.on_event, verify=options.verify, on_stored=options.on_stored)
    try:
        await job.run(missing())
        await target.check_kept(kept)
    finally:
        with anyio.CancelScope(shield=True):
            await target.aclose()


async def _only_told(
    instance: Instance, source: Backend, transfers: AsyncGenerator[Transfer], options: Options
) -> None:
    await Job(source, LocalBackend("/", instance.disk), instance, options.on_event, dry_run=True).run(transfers)


async def _directory(
    instance: Instance, source: Backend, location: Location, files: "_Files", dest: str, options: Options
) -> str:
    final, there, state = await _places(instance, dest, f"{files.prefix!r} names many objects")
    if options.dry_run:
        await _only_told(instance, source, files.transfers(), options)
        files.check()
        return dest
    anchor = await _anchor(instance, final, options)
    # What does not exist yet appears as a whole, since users test with os.path.exists.
    async with (
        journal_of(instance, state, source.address, location, final, options.verify, many=True) as journal,
        _Tree(instance, final if there else journal.tree, final, ours=there or not journal.in_use) as tree,
    ):
        root = tree.path
        target = LocalBackend(
            root,
            instance.disk,
            state=state,
            staged=not there,
            journal=journal,
            durability=options.durability,
            versions=options.on_stored is not None,
        )
        transfers = files.transfers()
        if source.service != target.service:  # two local directories may share their blocks
            transfers = within_space(transfers, final, state, target.run)
        await _bring(instance, source, target, journal, transfers, options, files.kept)
        files.check()
        await target.run(tree.check)
        await target.run(lambda: _finish(root, files.directories, final, anchor))
    return dest


async def _unpacked(
    instance: Instance,
    source: Backend,
    location: Location,
    found: ObjectInfo | Prefix,
    dest: str,
    options: Options,
    bounds: Unpack,
) -> str:
    """Bring an archive into the dot directory, and what is in it to the destination."""
    from ..archives import unpack  # noqa: PLC0415 - 4 ms, which most downloads need not wait for

    if isinstance(found, Prefix):
        await found.objects.aclose()
        raise InvalidConfig(
            f"{found.key!r} is no archive but a prefix of many objects", hint="name the object to unpack"
        )
    final, _, state = await _places(instance, dest, "an archive holds many files")
    anchor = await _anchor(instance, final, options)
    async with (
        journal_of(instance, state, source.address, location, final, options.verify, "unpack", many=True) as journal,
        _Tree(instance, journal.tree, final, ours=not journal.in_use) as tree,
    ):
        work = tree.path
        target = LocalBackend(work, instance.disk, state=state, journal=journal)
        await _bring(instance, source, target, journal, one(Transfer(found, "archive")), options, [])
        root = os.path.join(work, "tree")
        await target.run(lambda: shutil.rmtree(root, ignore_errors=True))  # of an earlier attempt
        steps = unpack.unpack(os.path.join(work, "archive"), root, options.patterns.matches, bounds)
        try:
            while await target.run(lambda: next(steps, None)) is not None:
                pass  # a call that is cancelled ends after a step
        finally:
            with anyio.CancelScope(shield=True):
                await instance.disk.run(steps.close)
        if anchor is not None:
            await target.run(lambda: sync_tree(root, files=True))
        await target.run(tree.check)
        await target.run(lambda: _finish(root, (), final, anchor))
    return dest


class _Tree:
    """Where a directory grows.

    Args:
        instance: Of the instance.
        path: Where it may grow.
        final: Where it goes; the same: it is there already.
        ours: False: that is another process's; it grows in a directory that does not stay.

    Attributes:
        path: Where it grows.
    """

    def __init__(self, instance: Instance, path: str, final: str, *, ours: bool) -> None:
        self._final = final
        self.path = path if ours else f"{path}-{secrets.token_hex(8)}"
        self._ours = ours
        self._disk = LocalBackend("/", instance.disk)
        self._held = -1

    async def __aenter__(self) -> Self:
        try:
            await self._disk.run(self._open)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    def _open(self) -> None:
        if self.path != self._final:
            self._held = open_state_directory(self.path)

    def check(self) -> None:
        """Raise if others have removed the directory meanwhile: what was made in it by then is gone. Blocking."""
        if self._held >= 0 and not is_in_place(self._held, self.path, self._final):
            raise LocalIOError(f"{self.path} was removed while files were written to it", hint="run it again")

    async def __aexit__(self, *exc_info: object) -> None:
        with anyio.CancelScope(shield=True):
            await self._disk.run(self._close)

    def _close(self) -> None:
        if self._held >= 0:
            os.close(self._held)
        if not self._ours:
            shutil.rmtree(self.path, ignore_errors=True)


async def _places(instance: Instance, dest: str, because: str) -> tuple[str, bool, str]:
    """Where a directory is to be, whether it is there, and the dot directory: in it if it is, else beside it."""
    final = os.path.abspath(dest)  # noqa: ASYNC240 - needs no disk
    there, kind = await instance.disk.run(lambda: (os.path.isdir(final), os.path.lexists(final) and kind_of(final)))
    if kind and not there:
        raise LocalIOError(f"{dest} is {kind}, but {because}", hint="choose a directory")
    state = os.path.join(final if there else os.path.dirname(final), paths.STATE_DIRECTORY)
    await instance.disk.run(lambda: refuse_link(state))
    return final, there, state


async def _anchor(instance: Instance, final: str, options: Options) -> str | None:
    """The directory that is there already, and in which those for `final` are made; None: nobody asks for fsync."""
    return None if options.durability == "rename" else await instance.disk.run(lambda: existing(final))


class _Files:
    """The files below a directory that the objects of a prefix become."""

    def __init__(self, prefix: Prefix, options: Options, skips: Skips) -> None:
        self.prefix = prefix.key
        self.directories: list[str] = []
        self._selection = Selection(prefix, options, skips)
        self._skips = skips
        self.kept = self._selection.kept

    def check(self) -> None:
        """Raise if nothing could be brought."""
        if not self._selection.found:
            self._skips.check(_INCOMPLETE)
        self._selection.check()

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


def _finish(root: str, directories: Iterable[str], final: str, anchor: str | None) -> None:
    """Blocking: make the empty directories, and give a new tree its name; with an anchor, see to it that both last."""
    for directory in ("", *directories):
        os.close(open_below(root, directory, directory))
    if root != final:
        if anchor is not None:
            sync_tree(root, files=False)
        if not publish_tree(root, final, durable=anchor is not None) and anchor is not None:
            sync_tree(final, files=False)
    if anchor is not None:
        for directory in directories:
            sync_directories(os.path.join(final, directory), final)
        sync_directories(final, anchor)
