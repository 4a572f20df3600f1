"""Resume uploads of local files that a killed run has left unfinished.

    lock the upload's record ─▶ it is of this version of the file ─▶ reopen by its token; stored parts are not resent
                             ├▶ it is of an earlier version       ─▶ abort that upload, start a new one
                             └▶ there is none                     ─▶ start, and record the token before the first part

The record is removed when the upload is completed or aborted. If records cannot be used, uploads work without them but
are not resumed.
"""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from .. import config
from ..contract import Backend, Upload
from ..errors import StorageError
from ..instance import Instance
from ..lane_contract import SentBytes
from ..persist import unfinished_uploads
from ..persist.unfinished_uploads import UnfinishedUpload, UploadRecord
from ..runtime.disk_threads import DiskThreads
from ..runtime.shielded import shielded
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
    """Start an upload, or resume the one that an earlier run has left.

    Args:
        source: Where the object is read.
        obj: The object to upload.
        destination: Where it is written.
        key: The key to publish it under.
        part_size: Bytes per part; None: not known, so the upload is not resumed.
        instance: The instance that owns the threads and the environment.
        properties: Properties to store with the object. An upload with other properties is not resumed.

    Raises:
        StorageError: The upload could not be started.
    """
    directory = config.state_directory(instance.environ)
    known = obj.size is not None and obj.version is not None and part_size is not None
    if directory is None or not known or source.service != "file" or not destination.address:
        return await destination.open_upload(key, obj.size, properties=properties)
    path = os.path.join("/", source.location.key, obj.key)
    uri = str(destination.location.at(key))
    digest = "" if properties == NO_PROPERTIES else unfinished_uploads.fingerprint(properties)
    current = UnfinishedUpload(path, uri, destination.address, obj.version or "", obj.size or 0, part_size or 0, digest)
    record = await _lock(os.path.join(directory, "uploads"), current, instance.disk)
    if record is None:
        return await destination.open_upload(key, obj.size, properties=properties)
    try:
        upload = await _reopen(destination, key, record.upload, current, properties)
        if upload is None:
            upload = await destination.open_upload(key, obj.size, properties=properties)
            await _write(record, replace(current, token=upload.token), instance.disk)
    except BaseException:
        await _release(record, instance.disk)
        raise
    return _RecordedUpload(upload, record, instance.disk)


async def _lock(directory: str, current: UnfinishedUpload, disk: DiskThreads) -> UploadRecord | None:
    records: list[UploadRecord | None] = []
    source, destination, address = current.source, current.destination, current.address
    try:
        await disk.run(lambda: records.append(unfinished_uploads.lock_record(directory, source, destination, address)))
    except OSError as error:
        _log.debug("uploads cannot be resumed: %s", error)
        return None
    except BaseException:  # cancelled; the record may have been locked nevertheless
        for record in filter(None, records):
            await _release(record, disk)
        raise
    if records[0] is None:
        _log.debug("another process is also uploading %s to %s", source, destination)
    return records[0]


async def _release(record: UploadRecord, disk: DiskThreads) -> None:
    await shielded(disk.run(record.release, short=True))


async def _reopen(
    destination: Backend,
    key: str,
    recorded: UnfinishedUpload | None,
    current: UnfinishedUpload,
    properties: Properties,
) -> Upload | None:
    """The upload of an earlier run; None: there is none to resume."""
    if recorded is None:
        return None
    try:
        upload = await destination.open_upload(key, recorded.size, properties=properties, resume=recorded.token)
    except StorageError as error:
        if error.retryable:  # the upload may still exist and hold many parts
            raise
        _log.debug("the upload to %s starts from the beginning: %s", current.destination, error)
        return None
    if replace(recorded, token="") == current:
        return upload
    with suppress(StorageError):
        await upload.abort()
    return None


async def _write(record: UploadRecord, upload: UnfinishedUpload, disk: DiskThreads) -> None:
    try:
        await disk.run(lambda: record.write(upload), short=True)
    except OSError as error:
        _log.debug("the upload to %s cannot be resumed: %s", upload.destination, error)


class _RecordedUpload(Upload):
    """An upload whose record is removed when it ends."""

    def __init__(self, upload: Upload, record: UploadRecord, disk: DiskThreads) -> None:
        self.token = upload.token
        self._upload = upload
        self._record = record
        self._disk = disk

    async def write_part(self, part: Part, data: memoryview, sent: SentBytes | None = None) -> Receipt:
        return await self._upload.write_part(part, data, sent)

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        stored = await self._upload.complete(receipts)
        await self._disk.run(self._record.remove, short=True)
        return stored

    async def abort(self) -> None:
        try:
            await self._upload.abort()
        except BaseException:
            # The upload may still exist: keep its record, so that the next run resumes or removes it.
            await _release(self._record, self._disk)
            raise
        await self._disk.run(self._record.remove, short=True)
