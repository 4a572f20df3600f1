"""Download a snapshot into the cache.

Its files are written to a directory in `work/`, which becomes the snapshot by one rename:

    link the files that the cache has already ─▶ make room ─▶ download the others ─▶ make them read-only, and blobs
    ─▶ write the manifest ─▶ rename

A process that is killed at any step leaves a journal, from which the next one continues, or a complete snapshot.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from ..backends.local import LocalBackend, as_storage_error, sync_directories, sync_tree, work_directory
from ..errors import LocalIOError
from ..operations.call_options import CallOptions
from ..operations.open_location import OpenLocation
from ..runtime.shielded import shielded
from ..types import Event, KiB, MiB, ObjectInfo
from .blobs import digests_of, remove_blob
from .cache_events import report_outcome
from .eviction import make_room
from .leases import prevent_eviction
from .manifest import CachedFile, Manifest, current_boot, occupied
from .snapshot_plan import SnapshotPlan
from .staged_download import download_staged
from .store import Store
from .syncing import sync_in_background
from .unfinished import unpacked

if TYPE_CHECKING:
    from ..archives.unpack import MakeRoom

__all__ = ["fill"]

# Bytes of the manifest, the journal and other records, and of what they say about each file: at most, as a rule.
_RECORDS = 16 * KiB
_RECORD = 512
_AHEAD = 64 * MiB  # of room for the files of an archive, at least


async def fill(source: OpenLocation, plan: SnapshotPlan, store: Store, options: CallOptions) -> None:
    """Download the files of a snapshot that the cache does not have, and publish it.

    Args:
        source: Location of the objects.
        plan: The snapshot.
        store: The caches.
        options: Options of the call.

    Raises:
        LocalIOError: It does not fit. Nothing was downloaded.
        StorageError: As for a download. The next call continues.
    """
    work = _Work(source, plan, store, options)
    if plan.archive:
        await work.unpack()
    else:
        await work.download()


class _Work:
    def __init__(self, source: OpenLocation, plan: SnapshotPlan, store: Store, options: CallOptions) -> None:
        self._source = source
        self._plan = plan
        self._store = store
        self._cache = store.cache
        self._verified: dict[str, str] = {}  # path → checksum algorithm that its bytes were compared with
        self._resumed: set[str] = set()
        self._damaged: set[str] = set()  # paths in an existing snapshot
        self._md5: dict[str, str] = {}  # path → MD5 that the bytes in an existing snapshot were once compared with
        self._unknown = False  # an existing snapshot has lost its manifest
        self._options = replace(options, on_event=self._event, existing="overwrite")
        self._on_event = options.on_event
        self._blobs = plan.blobs(self._cache, source, options)
        self._disk = LocalBackend("/", source.instance.disk)

    def _event(self, event: Event) -> None:
        if event.kind == "resumed":
            self._resumed.add(event.target)
        elif event.kind == "object" and event.verified is not None and event.target not in self._resumed:
            self._verified[event.target] = event.verified
        if self._on_event is not None:
            self._on_event(event)

    async def download(self) -> None:
        """Download what is missing into a directory, and publish it."""
        cache, snapshot = self._cache, self._plan.snapshot
        linked = dict[str, str]()

        async def prepare(tree: str) -> dict[str, str]:
            await self._disk.run(self._forget_damaged)
            with as_storage_error(None):
                found = await self._source.instance.disk.run(lambda: self._link(tree), interrupt=self._blobs.stop)
            linked.update(found)
            await self._make_room(linked)
            return linked

        await download_staged(
            self._source,
            self._plan,
            self._options,
            state=await self._disk.run(lambda: work_directory(cache.file("work"))),
            final=cache.snapshot(snapshot),
            prepare=prepare,
            publish=lambda tree: self._publish(tree, linked),
        )

    async def unpack(self) -> None:
        """Unpack an archive into a directory, and publish it."""
        cache, snapshot, disk = self._cache, self._plan.snapshot, self._disk
        # A name of its own: a process that was stopped may go on with an earlier attempt.
        directory = cache.file("work", f"{snapshot}.{os.urandom(8).hex()}")
        tree = os.path.join(directory, "files")

        def begin() -> None:
            for earlier in unpacked(cache).get(snapshot, ()):
                cache.discard(earlier)
            cache.make(directory)

        await disk.run(begin)
        try:
            await disk.run(self._forget_damaged)
            [(archive, _)] = self._plan.files
            await self._make_room({})
            limits = self._options.unpack_limits
            assert limits is not None  # noqa: S101 - the plan says that it is an archive
            module = await disk.run(lambda: import_module("..operations.download_archive", __package__))
            await module.download_archive(self._source, archive, tree, self._options, limits, self._room_to_grow())
            await disk.run(lambda: self._publish(tree, {}))
        finally:
            await shielded(disk.run(lambda: cache.discard(directory)))

    def _link(self, tree: str) -> dict[str, str]:
        """Link the files that the cache has already into the directory. Returns their paths and blobs."""
        linked = dict[str, str]()
        for obj, path in self._plan.files:
            if not obj.size or (blob := self._blobs.find(obj)) is None:
                continue
            file = os.path.join(tree, path)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            try:
                os.link(blob, file)
            except FileExistsError:
                if not _is_same(blob, file):
                    continue  # of an earlier run: the journal tells whether it is complete
            except OSError:  # just evicted, or it has too many links
                continue
            linked[path] = os.path.basename(blob)
        return linked

    def _forget_damaged(self) -> None:
        """Keep damaged files of an existing snapshot from being used again."""
        manifest = Manifest.read(self._cache, self._plan.snapshot)
        self._unknown = manifest is None and os.path.isdir(self._cache.snapshot(self._plan.snapshot))
        if manifest is None:
            return
        self._md5 = {file.path: file.digests["md5"] for file in manifest.files if "md5" in file.digests}
        for file in manifest.damaged(self._cache):
            self._damaged.add(file.path)
            if file.blob:
                remove_blob(self._cache, file.blob)

    async def _make_room(self, linked: Mapping[str, str]) -> None:
        missing = [obj.size or 0 for obj, path in self._plan.files if path not in linked]
        needed = sum(map(occupied, missing)) + _RECORDS + _RECORD * len(self._plan.files)
        self._report_evicted(await self._disk.run(lambda: self._evict_for(needed)))

    def _room_to_grow(self) -> "MakeRoom":
        """What an archive calls, in a thread, to make room for its files: how large they are is not known before."""
        loop = asyncio.get_running_loop()

        def grow(size: int) -> int:
            # Adding up a cache takes a while. So more room is made than is needed now, if there is more.
            ahead = max(_AHEAD, size // 8)
            while True:
                try:
                    evicted = self._evict_for(size + _RECORDS + ahead)
                    break
                except LocalIOError:
                    if not ahead:
                        raise
                    ahead = ahead // 2 if ahead > MiB else 0
            loop.call_soon_threadsafe(self._report_evicted, evicted)
            return size + ahead

        return grow

    def _evict_for(self, needed: int) -> list[tuple[str, int]]:
        return make_room(self._cache, self._store.settings, self._plan.snapshot, needed)

    def _report_evicted(self, evicted: list[tuple[str, int]]) -> None:
        for uri, size in evicted:
            report_outcome("evicted", uri, size, self._on_event)

    def _publish(self, tree: str, linked: Mapping[str, str]) -> None:
        """Make the directory the snapshot."""
        cache, plan = self._cache, self._plan
        durable = self._options.durability == "fsync"
        objects = {path: obj for obj, path in plan.files}
        for directory in plan.directories:
            os.makedirs(os.path.join(tree, directory), exist_ok=True)
        files = self._protect(tree, linked, objects)
        if not {file.path for file in files} >= {path for path in objects if path}:
            raise LocalIOError(f"another process has moved {tree}", hint="run it again")
        if durable:
            sync_tree(tree, files=bool(linked) or plan.archive)
        boot = "" if durable else current_boot()
        uri = str(self._source.location)
        manifest = Manifest(plan.snapshot, uri, plan.name, files, boot, cache.file_system_time())
        final = cache.snapshot(plan.snapshot)
        prevent_eviction(cache, plan.snapshot)  # by a process that was stopped: it would remove the new manifest
        if os.path.isdir(final):
            self._repair(tree, final, manifest)
        else:
            manifest.write(cache)
            try:
                os.rename(tree, final)
            except OSError:  # another process was faster
                self._repair(tree, final, manifest)
        if durable:
            sync_directories(final, cache.root)
        for each in files:
            if each.blob and each.path not in linked:
                self._blobs.add(each.blob, objects[each.path], os.path.join(final, each.path))
        if not durable:
            sync_in_background(cache, manifest)

    def _protect(
        self, tree: str, linked: Mapping[str, str], objects: Mapping[str, ObjectInfo]
    ) -> tuple[CachedFile, ...]:
        """Make the files read-only, and describe them."""
        files, mode = list[CachedFile](), self._cache.mode
        for directory, _, names in os.walk(tree, onerror=_fail):
            os.chmod(directory, (os.stat(directory).st_mode | mode) & 0o2777 | 0o700)
            for name in names:
                file = os.path.join(directory, name)
                path = os.path.relpath(file, tree)
                if path not in linked:
                    os.chmod(file, (os.stat(file).st_mode | mode) & 0o444)
                files.append(self._describe(file, path, objects.get(path), linked.get(path)))
        return tuple(files)

    def _repair(self, tree: str, final: str, manifest: Manifest) -> None:
        """Move files into a snapshot that exists: some of its files are damaged, or another process has published it.

        They are replaced one by one, because other processes may use the snapshot, and before the manifest, so that it
        is never more than what is there.
        """
        for file in manifest.files:
            if self._unknown or file.path in self._damaged or not file.is_intact(final):
                path = os.path.join(final, file.path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.replace(os.path.join(tree, file.path), path)
        manifest.write(self._cache)
        self._cache.discard(tree)

    def _describe(self, file: str, path: str, obj: ObjectInfo | None, blob: str | None) -> CachedFile:
        status = os.stat(file)
        if obj is None:  # an entry of an archive
            return CachedFile(path, status.st_size, status.st_mtime_ns)
        verified = self._verified.get(path)
        blob = blob or self._blobs.name(obj, verified, status.st_mtime_ns)
        digests = digests_of(self._source.location.scheme, obj, verified)
        if path in self._md5:
            digests.setdefault("md5", self._md5[path])
        return CachedFile(path, status.st_size, status.st_mtime_ns, blob, digests)


def _is_same(blob: str, file: str) -> bool:
    try:
        return os.path.samefile(blob, file)
    except OSError:  # the blob has just been evicted
        return False


def _fail(error: OSError) -> None:
    raise error
