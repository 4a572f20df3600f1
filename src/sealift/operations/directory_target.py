"""Building a directory beside its destination, and renaming it when it is complete."""

import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Self

from ..backends.local import (
    LocalBackend,
    existing,
    kind_of,
    open_below,
    open_work_directory,
    refuse_link,
    sync_directories,
    sync_tree,
    work_directory,
)
from ..backends.local.tree import is_in_place, publish_tree
from ..errors import LocalIOError
from ..frozen_dataclass import dataclass
from ..instance import Instance
from ..persist.download_journal import Journal
from ..persist.file_locks import is_at
from ..runtime.shielded import shielded
from ..types import Existing
from .call_options import CallOptions

__all__ = ["BuildDirectory", "DirectoryTarget", "sync_anchor"]


@dataclass(frozen=True, slots=True)
class DirectoryTarget:
    """The destination directory of a download.

    Attributes:
        final: Its absolute path.
        exists: Whether it exists already.
        state: The work directory: inside an existing destination, beside a new one.
    """

    final: str
    exists: bool
    state: str

    @classmethod
    async def of(cls, instance: Instance, dest: str, because: str) -> Self:
        """Check that a path can be a directory.

        Args:
            instance: The instance.
            dest: The path.
            because: Why it must be a directory, for the error.

        Raises:
            LocalIOError: It is something else, or its work directory is a link.
        """
        final = os.path.abspath(dest)  # noqa: ASYNC240 - does not touch the disk
        exists, kind = await instance.disk.run(
            lambda: (os.path.isdir(final), os.path.lexists(final) and kind_of(final))
        )
        if kind and not exists:
            raise LocalIOError(f"{dest} is {kind}, but {because}", hint="choose a directory")

        def find_state() -> str:
            state = work_directory(final if exists else os.path.dirname(final))
            refuse_link(state)
            return state

        return cls(final, exists, await instance.disk.run(find_state))

    async def resumed(self, instance: Instance, name: str) -> Self:
        """This destination, but with the journal beside it if a download was killed after it published the directory.

        Args:
            instance: The instance.
            name: Name of the download, as for `Journal`.
        """

        def was_published() -> str | None:
            beside = work_directory(os.path.dirname(self.final))
            journal = Journal(beside, name, many=True)
            published = (
                not os.path.islink(beside)
                and os.path.isfile(journal.path)
                and not os.path.lexists(journal.tree)
                and os.stat(beside).st_dev == os.stat(self.final).st_dev  # files can be renamed into it
            )
            return beside if published else None

        state = await instance.disk.run(was_published) if self.exists else None
        return self if state is None else replace(self, state=state)

    def staging(self, instance: Instance, journal: Journal) -> "BuildDirectory":
        """The directory in which a prefix is built: the destination itself if it exists."""
        if self.exists:
            return BuildDirectory(instance, self.final, self.final)
        return BuildDirectory(instance, journal.tree, self.final)


class BuildDirectory:
    """A directory under construction.

    Args:
        instance: The instance.
        path: Where to build it.
        final: Its destination; equal to `path` if that exists already.

    Attributes:
        path: Where it is built.
    """

    def __init__(self, instance: Instance, path: str, final: str) -> None:
        self._final = final
        self.path = path
        self._disk = LocalBackend("/", instance.disk)
        self._descriptor = -1

    async def __aenter__(self) -> Self:
        try:
            await self._disk.run(self._open)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    def _open(self) -> None:
        if self.path != self._final:
            self._descriptor = open_work_directory(self.path)

    def check(self) -> None:
        """Blocking: raise if another process has removed the directory, and with it the files written so far."""
        if self._descriptor >= 0 and not is_in_place(self._descriptor, self.path, self._final):
            raise LocalIOError(f"{self.path} was removed while files were written to it", hint="run it again")

    def publish(
        self,
        root: str,
        directories: Iterable[str],
        anchor: str | None,
        existing: Existing = "overwrite",
        on_discarded: Callable[[str], None] | None = None,
    ) -> None:
        """Blocking: create the empty directories, and rename a new tree to its destination.

        Args:
            root: The tree: this directory, or one below it.
            directories: Paths of the empty directories below it.
            anchor: As `sync_anchor` returned it: sync the directories up to this one. None: sync nothing.
            existing: What happens to files that the destination has by now.
            on_discarded: As for `publish_tree`.
        """
        final = self._final
        if root == self.path != final and is_at(self._descriptor, final):
            root = final  # where locks are unreliable, another process has published the tree that both were building
        for directory in itertools.chain([""], directories):
            os.close(open_below(root, directory, directory))
        if root != final:
            if anchor is not None:
                sync_tree(root, files=False)
            published = publish_tree(
                root, final, durable=anchor is not None, existing=existing, on_discarded=on_discarded
            )
            if not published and anchor is not None:
                sync_tree(final, files=False)
        if anchor is not None:
            for directory in directories:
                sync_directories(os.path.join(final, directory), final)
            sync_directories(final, anchor)

    async def __aexit__(self, *exc_info: object) -> None:
        await shielded(self._disk.run(self._close))

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


async def sync_anchor(instance: Instance, final: str, options: CallOptions) -> str | None:
    """The nearest existing ancestor of `final`, up to which new directories are synced. None: no fsync requested."""
    return None if options.durability == "rename" else await instance.disk.run(lambda: existing(final))
