"""Uploads of local files that go on where an earlier run, which was killed, has stopped.

    claim the record ─▶ one of this very file ─▶ reopen by its token; parts that are there are not sent again
                     ├▶ one of what the file was before ─▶ abort that, begin
                     └▶ none ─▶ begin, and record the token before the first part is sent

The record goes when the upload is completed or aborted. Whatever is wrong with records costs only that: an upload
works without one.
"""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import anyio

from .. import config
from ..contract import Backend, Upload
from ..errors import StorageError
from ..instance import Instance
from ..persist import upload_journal
from ..persist.upload_journal import Begun, Record
from ..runtime.disk_threads import DiskThreads
from ..types import ObjectInfo, Part, Receipt
from ..types.properties import NO_PROPERTIES, Properties

__all__ = ["open_upload"]

_log = logging.getLogger(__name__)


async def open_upload(
    source: Backend,
    obj: ObjectInfo,
    destination: Backend,
    key: str,
    part_size: int | None,
    instance: Instance,
    properties: Properties,
) -> Upload:
    """Begin an upload, or go on with the one that an earlier run has begun.

    Args:
        source: Where the object is read.
        obj: What is read.
        destination: Where it goes to.
        key: Under which it is published.
        part_size: Of its parts, in bytes; None: it is not cut.
        instance: Of the instance.
        properties: To store beside the bytes. An upload that was begun with others is not resumed.

    Raises:
        StorageError: No upload could be begun.
    """
    directory = config.state_directory(instance.environ)
    known = obj.size is not None and obj.version is not None and part_size is not None
    if directory is None or not known or source.service != "file" or not destination.address:
        return await destination.open_upload(key, obj.size, properties=properties)
    path = os.path.join("/", source.location.key, obj.key)
    uri = str(destination.location.at(key))
    digest = "" if properties == NO_PROPERTIES else upload_journal.fingerprint(properties)
    now = Begun(path, uri, destination.address, obj.version or "", obj.size or 0, part_size or 0, digest)
    claim = await _claimed(os.path.join(directory, "uploads"), now, instance.disk)
    if claim is None:
        return await destination.open_upload(key, obj.size, properties=properties)
    try:
        upload = await _reopened(destination, key, claim.begun, now, properties)
        if upload is None:
            upload = await destination.open_upload(key, obj.size, properties=properties)
            await _record(claim, replace(now, token=upload.token), instance.disk)
    except BaseException:
        await _release(claim, instance.disk)
        raise
    return _Recorded(upload, claim, instance.disk)


async def _claimed(directory: str, now: Begun, disk: DiskThreads) -> Record | None:
    claims: list[Record | None] = []
    try:
        await disk.run(lambda: claims.append(upload_journal.claim(directory, now.source, now.destination, now.address)))
    except OSError as error:
        _log.debug("uploads cannot be resumed: %s", error)
        return None
    except BaseException:  # cancelled, when it may have been claimed
        for claim in filter(None, claims):
            await _release(claim, disk)
        raise
    if claims[0] is None:
        _log.debug("%s is being uploaded to %s by somebody else, too", now.source, now.destination)
    return claims[0]


async def _release(claim: Record, disk: DiskThreads) -> None:
    with anyio.CancelScope(shield=True):
        await disk.run(claim.release, short=True)


async def _reopened(
    destination: Backend, key: str, before: Begun | None, now: Begun, properties: Properties
) -> Upload | None:
    """The upload of an earlier run; None: there is none to go on with."""
    if before is None:
        return None
    try:
        upload = await destination.open_upload(key, before.size, properties=properties, resume=before.token)
    except StorageError as error:
        if error.retryable:  # it may be there a moment later, and hold much
            raise
        _log.debug("the upload to %s begins anew: %s", now.destination, error)
        return None
    if replace(before, token="") == now:
        return upload
    with suppress(StorageError):
        await upload.abort()
    return None


async def _record(claim: Record, begun: Begun, disk: DiskThreads) -> None:
    try:
        await disk.run(lambda: claim.write(begun), short=True)
    except OSError as error:
        _log.debug("the upload to %s cannot be resumed: %s", begun.destination, error)


class _Recorded(Upload):
    """An upload whose record goes when it ends."""

    def __init__(self, upload: Upload, claim: Record, disk: DiskThreads) -> None:
        self.token = upload.token
        self._upload = upload
        self._claim = claim
        self._disk = disk

    async def write_part(self, part: Part, data: memoryview) -> Receipt:
        return await self._upload.write_part(part, data)

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        stored = await self._upload.complete(receipts)
        await self._disk.run(self._claim.remove, short=True)
        return stored

    async def abort(self) -> None:
        try:
            await self._upload.abort()
        except BaseException:
            # What could not be removed is still there: the next run goes on with it, or removes it.
            await _release(self._claim, self._disk)
            raise
        await self._disk.run(self._claim.remove, short=True)
