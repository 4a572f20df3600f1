"""Whether `sync` can skip an object because the destination already has its bytes.

    sizes differ                                                                 ─▶ copy
    both sides have a checksum of the same algorithm                             ─▶ skip if equal, else copy
    both sides have the same content tag                                         ─▶ skip
    an earlier sync recorded equal bytes, and neither side has changed since     ─▶ skip
    anything else                                                                ─▶ copy

Modification times are never compared with each other: a retrained model has the size of the old one, and which of two
objects was written later says nothing about their bytes.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain

import anyio

from .. import config
from ..backends.local import has_fine_times
from ..contract import Backend
from ..engine.verification import fetch_checksums
from ..integrity import checksums
from ..integrity.content import Facts, same_bytes, same_content_tag
from ..persist.sync_index import Copied, Index, Row
from ..types import ObjectInfo
from .call_options import By
from .chunks import chunks
from .open_location import OpenLocation

__all__ = ["Comparison"]

_log = logging.getLogger(__name__)

# Computed for both sides when both are local.
_LOCAL_CHECKSUM = "crc64nvme"
# Objects recorded in one transaction.
_BATCH = 1000
# Records that are kept in memory.
_KEPT = 4096
# Seconds after which the date of a row that is still used is renewed.
_REFRESH_AFTER = 24 * 3600
# A file written twice within one tick of the kernel's clock keeps its times. Some file systems count in seconds, or in
# steps of two.
_TICK = 0.02
_COARSE_TICK = 2.0


class Comparison:
    """Compares the objects of one sync, and records what it copies.

    Args:
        source: Location that objects are copied from.
        destination: Location that they are copied to.
        near: Given the key of an object at the destination, returns pairs of a source key and a destination key that
            are likely to be compared next. Their records are looked up together.
        by: "record": the rules above. "checksum": by checksum; local files are read. "size": by size alone.
        dry_run: Record nothing.
    """

    def __init__(
        self,
        source: OpenLocation,
        destination: OpenLocation,
        near: Callable[[str], Iterable[tuple[str, str]]],
        *,
        by: By,
        dry_run: bool = False,
    ) -> None:
        instance = source.instance
        self._instance = instance
        self._source = source.backend
        self._destination = destination.backend
        self._near = near
        self._by = by
        self._dry_run = dry_run
        directory = config.state_directory(instance.environ)
        self._index = None if directory is None else Index(os.path.join(directory, "sync"))
        self._rows: dict[str, Row | None] = {}
        self._copied: list[Copied] = []
        self._reused: dict[str, Row] = {}
        self._unsettled: set[str] = set()
        self._roots = {
            id(backend): f"{backend.address} {backend.location}" for backend in (self._source, self._destination)
        }

    async def equal(self, new: ObjectInfo, old: ObjectInfo) -> bool:
        """Whether a source object and a destination object have the same bytes.

        Args:
            new: The object at the source.
            old: The object at the destination.
        """
        if new.size is None or new.size != old.size:
            return False
        if new.size == 0 or self._by == "size":
            return True
        if self._by == "checksum":
            return await self._equal_by_content(new, old)
        scheme = self._source.location.scheme
        if scheme == self._destination.location.scheme and same_content_tag(scheme, new, old):
            return True
        first = Facts.of(scheme, new, new.size)
        second = Facts.of(self._destination.location.scheme, old, old.size)
        verdict = same_bytes(first, second)
        if verdict is not None:
            return verdict
        return await self._equal_by_record((new, first), (old, second))

    async def before_reading(self, obj: ObjectInfo) -> None:
        """Wait until any later change to a local source file would change its modification time."""
        if self._index is not None and not self._dry_run and not await _settled(self._source, obj):
            self._unsettled.add(obj.key)

    def copied(self, obj: ObjectInfo, key: str, stored: ObjectInfo) -> None:
        """Record that an object was copied.

        Args:
            obj: The object, as it was read.
            key: Its key at the destination.
            stored: The object that the destination reports.
        """
        size = obj.size if stored.size is None else stored.size
        if size:
            origin = Facts.of(self._source.location.scheme, obj, size)
            result = Facts.of(self._destination.location.scheme, stored, size)
            self._note(obj.key, origin if obj.key not in self._unsettled else _unmarked(origin), key, result)
            self._unsettled.discard(obj.key)

    async def flush(self, *, force: bool = False) -> None:
        """Write the collected records if there are enough for a transaction.

        Args:
            force: Write them in any case.
        """
        if self._index is None or not (self._copied or self._reused):
            return
        if force or len(self._copied) + len(self._reused) >= _BATCH:
            index, copied, reused = self._index, self._copied, list(self._reused.items())
            self._copied, self._reused = [], {}
            try:
                await self._instance.disk.run(lambda: index.record(copied, reused))
            except OSError as error:
                self._disable(error)

    def _place(self, backend: Backend, key: str) -> str:
        return f"{self._roots[id(backend)]} {key}"

    def _disable(self, error: OSError) -> None:
        self._index = None
        _log.warning("sync cannot use its record of earlier transfers and may copy more than necessary: %s", error)

    async def _look_up(self, key: str, other: str) -> None:
        """Look up the records of an object at the source and of one at the destination, and of those near them."""
        places = self._place(self._source, key), self._place(self._destination, other)
        if self._index is None or all(place in self._rows for place in places):
            return
        if len(self._rows) > _KEPT:
            self._rows.clear()
        index = self._index
        near = ((self._place(self._source, one), self._place(self._destination, two)) for one, two in self._near(other))
        missing = list({*places, *chain.from_iterable(near)} - self._rows.keys())
        try:
            found = await self._instance.disk.run(lambda: index.find(missing))
        except OSError as error:
            self._disable(error)
            return
        self._rows |= {place: found.get(place) for place in missing}

    async def _equal_by_record(self, new: tuple[ObjectInfo, Facts], old: tuple[ObjectInfo, Facts]) -> bool:
        ends = [(self._source, *new), (self._destination, *old)]
        await self._look_up(new[0].key, old[0].key)
        first, second = [await self._known(*end) for end in ends]
        equal = same_bytes(first.facts, second.facts)
        if equal is None:
            equal = bool(first.content) and first.content == second.content
        if equal:
            for row, (backend, obj, _) in zip((first, second), ends, strict=True):
                if row.content and row.facts.versions and row.used < time.time() - _REFRESH_AFTER:
                    self._refresh(self._place(backend, obj.key), row)
        return equal

    async def _known(self, backend: Backend, obj: ObjectInfo, now: Facts) -> Row:
        """The current facts of an object, with those of its row if it still has the recorded bytes."""
        row = self._rows.get(self._place(backend, obj.key))
        if row is not None and row.facts.unchanged(now):
            return Row(now.with_content(row.facts), row.content, row.used)
        # Other times do not mean other bytes: `chmod`, a hard link or a restored backup change times, too.
        if row is not None and row.facts.size == now.size and backend.service == "file":
            algorithm, digest = _checksum_of(row.facts)
            if algorithm is not None:
                compared = now if await _settled(backend, obj) else _unmarked(now)
                if await self._computed(backend, obj, algorithm) == digest:
                    return Row(compared.with_content(row.facts), row.content)
        return Row(now, "")

    def _refresh(self, place: str, row: Row) -> None:
        if not self._dry_run:
            self._reused[place] = row

    def _note(self, key: str, origin: Facts, target: str, result: Facts) -> None:
        if self._index is not None and not self._dry_run:
            self._copied.append(
                Copied(self._place(self._source, key), origin, self._place(self._destination, target), result)
            )

    async def _equal_by_content(self, new: ObjectInfo, old: ObjectInfo) -> bool:
        """Compare the checksums of two objects: computed for a local file, requested from a service."""
        ends = [
            (backend, obj if backend.service == "file" else await self._with_checksums(backend, obj))
            for backend, obj in ((self._source, new), (self._destination, old))
        ]
        known = [obj.checksums for backend, obj in ends if backend.service != "file"]
        match known:
            case []:
                algorithm: str | None = _LOCAL_CHECKSUM
            case [only]:
                algorithm = checksums.best(only, combinable=False)
            case _:
                algorithm = checksums.common(known[0], known[1])
        if algorithm is None:  # ETags may still be the same hash
            first, second = (Facts.of(backend.location.scheme, obj, old.size or 0) for backend, obj in ends)
            return same_bytes(first, second) is True
        digests: list[str] = []
        compared: list[Facts] = []
        for backend, obj in ends:
            facts = Facts.of(backend.location.scheme, obj, old.size or 0)
            compared.append(facts if await _settled(backend, obj) else _unmarked(facts))
            local = backend.service == "file"
            digests.append(await self._computed(backend, obj, algorithm) if local else obj.checksums[algorithm])
        if digests[0] != digests[1]:
            return False
        origin, result = compared
        origin = replace(origin, checksums={**origin.checksums, algorithm: digests[0]})
        self._note(new.key, origin, old.key, result)
        return True

    async def _with_checksums(self, backend: Backend, obj: ObjectInfo) -> ObjectInfo:
        if obj.checksums:
            return obj
        found = await self._instance.retry(lambda: backend.stat(obj.key))
        return replace(found, checksums=await self._instance.retry(lambda: fetch_checksums(backend, found)))

    async def _computed(self, backend: Backend, obj: ObjectInfo, algorithm: str) -> str:
        found = chunks(self._instance, backend, obj, 0, obj.size)
        if algorithm in checksums.COMBINABLE:
            parts = [(checksums.digest(algorithm, chunk), len(chunk)) async for chunk in found]
            return checksums.combine(algorithm, parts)
        running = checksums.Running(algorithm)
        async for chunk in found:
            running.update(chunk)
        return running.digest


def _checksum_of(facts: Facts) -> tuple[str | None, str]:
    """The algorithm and digest to compare a local file with. None: none is recorded."""
    known = dict(tag.split(":", 1) for tag in facts.tags if tag.startswith("md5:")) | dict(facts.checksums)
    algorithm = checksums.best(known, combinable=False)
    return algorithm, known.get(algorithm or "", "")


def _unmarked(facts: Facts) -> Facts:
    return replace(facts, versions=frozenset())


async def _settled(backend: Backend, obj: ObjectInfo) -> bool:
    """Whether any change from now on would change an object's version; waits for the next clock tick if necessary.

    Only local files need this: services give each version its own identifier.
    """
    if backend.service != "file" or obj.modified is None:
        return True
    # A downloaded file has the time of its object, which may be a whole second on any file system.
    tick = _TICK if obj.modified.microsecond or has_fine_times(obj.version) else _COARSE_TICK
    age = time.time() - obj.modified.timestamp()
    if abs(age) >= tick:
        return True
    if tick == _COARSE_TICK:
        return False
    await anyio.sleep(tick - age)
    return True
