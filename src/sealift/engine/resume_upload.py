"""Resume uploads that an earlier call, or a killed process, has left unfinished.

    abort the uploads to this destination that no call has resumed for a week
    lock the upload's record ─▶ it is of this version of the source ─▶ reopen by its token; stored parts are not resent
                             ├▶ it is of an earlier version         ─▶ abort that upload, start a new one
                             └▶ there is none                       ─▶ start, and record the token before the first part

The record is removed when the upload is completed or aborted, and kept when it is suspended. If records cannot be used,
uploads work without them but are not resumed.
"""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from .. import config
from ..contract import Backend, Upload
from ..errors import ModelMissingError, StorageError
from ..instance import Instance
from ..integrity.content import content_id
from ..lane_contract import ByteCount
from ..persist import unfinished_uploads
from ..persist.unfinished_uploads import RecordedPart, UnfinishedUpload, UploadRecord
from ..runtime.disk_threads import DiskThreads
from ..runtime.shielded import shielded
from ..types import ObjectInfo, Part, Receipt
from ..types.properties import NO_PROPERTIES, Properties

__all__ = ["RecordedUpload", "abort_recorded", "open_stream", "open_upload", "records_directory"]

_log = logging.getLogger(__name__)


def records_directory(instance: Instance) -> str | None:
    """The directory of the records; None: the environment names none."""
    directory = config.state_directory(instance.environ)
    return None if directory is None else os.path.join(directory, "uploads")


async def open_upload(
    source: Backend,
    obj: ObjectInfo,
    destination: Backend,
    key: str,
    part_size: int | None,
    instance: Instance,
    properties: Properties,
    *,
    overwrite: bool = True,
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
        overwrite: As in `Backend.open_upload`.

    Returns:
        The upload; a `RecordedUpload` if a later call can resume it.

    Raises:
        StorageError: The upload could not be started.
    """
    directory = records_directory(instance)
    if directory is None or None in {obj.size, obj.version, part_size} or not destination.address:
        return await destination.open_upload(key, obj.size, properties=properties, overwrite=overwrite)
    is_file = source.service == "file"
    if is_file:
        name, version = os.path.join("/", source.location.key, obj.key), obj.version
    else:  # by content: a commit to a hub repository gives all its files a new version
        name = f"{source.address or source.location.root}/{obj.key}"
        version = content_id(source.location.scheme, obj)
    digest = "" if properties == NO_PROPERTIES else unfinished_uploads.fingerprint(properties)
    current = UnfinishedUpload(name, destination.address, key, version or "", obj.size or 0, part_size or 0, digest)
    record = await _lock(directory, current, instance.disk)
    if record is None:
        return await destination.open_upload(key, obj.size, properties=properties, overwrite=overwrite)
    try:
        await _abort_expired(directory, destination, instance.disk)
        upload = await _reopen(destination, key, record.upload, current, properties, overwrite=overwrite)
        if upload is None:
            upload = await destination.open_upload(key, obj.size, properties=properties, overwrite=overwrite)
            if not upload.token:  # no later process can resume it
                await _release(record, instance.disk)
                return upload
            await _write(lambda: record.write(replace(current, token=upload.token)), key, instance.disk)
        else:
            await _write(record.renew, key, instance.disk)
    except BaseException:
        await _release(record, instance.disk)
        raise
    return RecordedUpload(upload, record, instance.disk, records_parts=not is_file)


async def open_stream(destination: Backend, key: str, instance: Instance, properties: Properties) -> Upload:
    """Start an upload of unknown size. No call resumes it; it is recorded so that a later one can abort it.

    Args:
        destination: Where it is written.
        key: The key to publish it under.
        instance: The instance that owns the threads and the environment.
        properties: Properties to store with the object.

    Raises:
        StorageError: The upload could not be started.
    """
    upload = await destination.open_upload(key, None, properties=properties)
    directory, disk = records_directory(instance), instance.disk
    if directory is None or not destination.address or not upload.token:
        return upload
    current = UnfinishedUpload(f"a file object: {os.urandom(16).hex()}", destination.address, key, "", 0, 0)
    try:
        record = await _lock(directory, current, disk)
        if record is None:
            return upload
        await _write(lambda: record.write(replace(current, token=upload.token)), key, disk)
        recorded = RecordedUpload(upload, record, disk, records_parts=False)
    except BaseException:
        await shielded(upload.abort())
        raise
    await _abort_expired(directory, destination, disk)
    return recorded


async def _lock(directory: str, current: UnfinishedUpload, disk: DiskThreads) -> UploadRecord | None:
    records: list[UploadRecord | None] = []
    source, address, key = current.source, current.address, current.key
    try:
        await disk.run(lambda: records.append(unfinished_uploads.lock_record(directory, source, address, key)))
    except OSError as error:
        _log.debug("uploads cannot be resumed: %s", error)
        return None
    except BaseException:  # cancelled; the record may have been locked nevertheless
        for record in filter(None, records):
            await _release(record, disk)
        raise
    if records[0] is None:
        _log.debug("another call is also uploading %s to %s", source, key)
    return records[0]


async def _release(record: UploadRecord, disk: DiskThreads) -> None:
    await shielded(disk.run(record.release, short=True))


async def _abort_expired(directory: str, destination: Backend, disk: DiskThreads) -> None:
    """Abort the uploads to this destination that no call has resumed for a week."""
    records: list[UploadRecord] = []
    try:
        await disk.run(lambda: records.extend(unfinished_uploads.lock_expired(directory, destination.address)))
        for record in records:
            with suppress(StorageError):  # the record stays for the next call
                await abort_recorded(destination, record, disk)
    except OSError as error:
        _log.debug("old uploads are not removed: %s", error)
    finally:
        for record in records:
            await _release(record, disk)


async def abort_recorded(destination: Backend, record: UploadRecord, disk: DiskThreads) -> None:
    """Abort an upload that an earlier call has left, and remove its record.

    Args:
        destination: Where it was sent.
        record: Its record, locked by this process.
        disk: Threads for the record.

    Raises:
        StorageError: The upload could not be aborted; its record is unchanged.
    """
    recorded = record.upload
    if recorded is not None:
        try:
            upload = await destination.open_upload(recorded.key, recorded.size, resume=recorded.token)
            await upload.abort()
        except ModelMissingError:  # it has ended, or was aborted by somebody else
            _log.debug("the upload to %s no longer exists", recorded.key)
    await shielded(disk.run(record.remove, short=True))


async def _reopen(
    destination: Backend,
    key: str,
    recorded: UnfinishedUpload | None,
    current: UnfinishedUpload,
    properties: Properties,
    *,
    overwrite: bool,
) -> Upload | None:
    """The upload of an earlier run; None: there is none to resume."""
    if recorded is None:
        return None
    try:
        upload = await destination.open_upload(
            key, recorded.size, properties=properties, resume=recorded.token, overwrite=overwrite
        )
    except StorageError as error:
        if error.retryable:  # the upload may still exist and hold many parts
            raise
        _log.debug("the upload to %s starts from the beginning: %s", key, error)
        return None
    if replace(recorded, token="") == current:
        return upload
    try:
        await upload.abort()
    except StorageError as error:
        if error.retryable:  # as above
            raise
        _log.debug("the earlier upload to %s cannot be aborted: %s", key, error)
    return None


async def _write(write: Callable[[], None], key: str, disk: DiskThreads) -> None:
    try:
        await disk.run(write, short=True)
    except OSError as error:
        _log.debug("the upload to %s cannot be resumed: %s", key, error)


class RecordedUpload(Upload):
    """An upload that a later call can resume, by its record.

    Args:
        upload: The upload.
        record: Its record, locked by this process.
        disk: Threads for the record.
        records_parts: Whether to record stored parts, so that they need not be read again when the upload is resumed.

    Attributes:
        stored: Bytes that the service has stored, by this process or an earlier one.
    """

    def __init__(self, upload: Upload, record: UploadRecord, disk: DiskThreads, *, records_parts: bool) -> None:
        self.token = upload.token
        self.stored = upload.stored
        self._upload = upload
        self._record = record
        self._disk = disk
        self._records_parts = records_parts

    def find(self, part: Part, algorithm: str | None) -> RecordedPart | None:
        """Find a part that an earlier process has stored and recorded, and that the service still has.

        Args:
            part: The part.
            algorithm: The algorithm whose checksum of the part is needed; None: none.

        Returns:
            The part; None: read and write it.
        """
        found = self._record.parts.get(part.index)
        if found is None or found.receipt.part != part or (algorithm is not None and found.algorithm != algorithm):
            return None
        return found if self._upload.holds(found.receipt) else None

    async def add(self, receipt: Receipt, algorithm: str | None, digest: str) -> None:
        """Record a part that is stored; the arguments are those of `RecordedPart`."""
        if self._records_parts:
            part = RecordedPart(receipt, algorithm, digest)
            await _write(lambda: self._record.add(part), self.token, self._disk)

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        receipt = await self._upload.write_part(part, data, sent)
        if not receipt.reused:
            self.stored += part.size
        return receipt

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        stored = await self._upload.complete(receipts)
        self.stored = 0
        await self._disk.run(self._record.remove, short=True)
        return stored

    async def abort(self) -> None:
        self.stored = 0
        try:
            await self._upload.abort()
        except BaseException:
            # The upload may still exist: keep its record, so that the next run resumes or removes it.
            await _release(self._record, self._disk)
            raise
        await self._disk.run(self._record.remove, short=True)

    async def suspend(self) -> None:
        recorded = self._record.upload is not None and self._record.upload.token == self._upload.token
        if self.stored and recorded:
            await _release(self._record, self._disk)
        else:  # it has just been started, is complete, or could not be recorded
            await self.abort()
