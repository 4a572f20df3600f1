"""What the transfers of one job share: both ends, retries, events, and the uploads that are open."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..contract import Backend, OnlyInOrder, Upload
from ..errors import StorageError
from ..instance import Instance
from ..integrity import checksums
from ..lane_contract import ByteCount
from ..runtime import part_sizes
from ..runtime.observers import retrying
from ..runtime.shielded import shielded
from ..types import Event, EventKind, ObjectInfo, OnEvent, Receipt
from ..types.properties import NO_PROPERTIES, Properties, dropped
from ..types.write_options import WriteOptions
from . import copied_properties
from .new_objects import NewObjects, digest_of_parts
from .progress import Progress
from .transfer import OnFailure, OnStored, Transfer
from .verification import Verification

if TYPE_CHECKING:
    from .resume_upload import RecordedUpload

__all__ = ["JobContext"]

# Seconds that the cleanup after a failure may take.
_SUSPEND_DEADLINE = 10.0

T = TypeVar("T")


class _OpenUpload:
    """An upload that is neither completed nor suspended.

    Attributes:
        transfer: The object.
        upload: Its upload.
        recorded: The same, if a later call can resume it.
        discarded: Whether it is to be aborted: its parts are damaged, or of another version.
    """

    __slots__ = ("discarded", "recorded", "transfer", "upload")

    def __init__(self, transfer: Transfer, upload: Upload, recorded: "RecordedUpload | None") -> None:
        self.transfer = transfer
        self.upload = upload
        self.recorded = recorded
        self.discarded = False


class JobContext:
    """The ends of a job and its requests to them.

    Args:
        source: Where objects are read.
        destination: Where they are written.
        instance: The instance that both backends belong to.
        verification: Which checksums are compared.
        on_event: Called with progress events.
        on_stored: Called for each object that is stored and verified.
        on_failure: Called for each object that could not be moved. None: the first failure ends the job.
        overwrite: Whether an object that the destination has under the same key is replaced.
        write_options: What the caller sets on the objects. None: nothing.

    Attributes:
        total: Bytes of all objects, once all are listed.
        new_objects: The objects that are written, if they must not replace any.
    """

    total: int | None = None

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        source: Backend,
        destination: Backend,
        instance: Instance,
        verification: Verification,
        on_event: OnEvent | None,
        on_stored: OnStored | None,
        on_failure: OnFailure | None = None,
        write_options: WriteOptions | None = None,
        *,
        overwrite: bool = True,
    ) -> None:
        self.on_failure = on_failure
        self.overwrite = overwrite
        self.new_objects = NewObjects(destination)
        self.source = source
        self.destination = destination
        self.instance = instance
        self.verification = verification
        self.stores_properties = destination.capabilities.properties
        self.write_options = write_options
        self.progress: Progress[Transfer] = Progress(lambda transfer, count: self.emit("progress", transfer, count))
        self._on_event = on_event
        self._on_stored = on_stored
        self._open_uploads: dict[int, _OpenUpload] = {}
        self._kept: dict[str, tuple[Transfer, int]] = {}

    async def attempt(self, transfer: Transfer, move: Callable[[], Awaitable[None]]) -> None:
        """Move an object; a failure ends the job only if there is no `on_failure`, or if that raises."""
        try:
            await move()
        except StorageError as error:
            if self.on_failure is None:
                raise
            self.on_failure(transfer, error)

    async def retry(self, transfer: Transfer, function: Callable[[], Awaitable[T]]) -> T:
        """Call a function until it succeeds, and report each retry as an event."""
        if (on_event := self._on_event) is None:
            return await self.instance.retry(function)

        def report(error: StorageError, delay: float) -> None:
            key, target = transfer.obj.key, transfer.key
            on_event(Event("retry", key, error=error, delay=delay, target=target, total=self.total))

        return await self.instance.retry(function, on_retry=report)

    def in_order(self, transfer: Transfer, error: OnlyInOrder) -> Transfer:
        """The transfer of an object that turned out to be readable only in order, reported as an event."""
        retrying(error, 0.0)
        if self._on_event is not None:
            self._on_event(Event("retry", transfer.obj.key, error=error, target=transfer.key, total=self.total))
        properties = self.written_properties(transfer, error.obj.properties)
        return Transfer(replace(error.obj, properties=properties), transfer.key)

    @property
    def is_observed(self) -> bool:
        """Whether there is a callback for objects that are stored."""
        return self._on_event is not None or self._on_stored is not None

    def emit(self, kind: EventKind, transfer: Transfer, size: int = 0) -> None:
        if self._on_event is not None:
            self._on_event(Event(kind, transfer.obj.key, size, target=transfer.key, total=self.total))

    def report_stored(
        self, transfer: Transfer, size: int, verified: str, sent: Properties | None, stored: ObjectInfo | None
    ) -> None:
        """Report an object that is stored and verified.

        Args:
            transfer: The object.
            size: Its size in bytes.
            verified: The checksum algorithm that was compared, or "size-only".
            sent: The properties that were sent with it.
            stored: What the destination returned for it; None: nothing.
        """
        if self._on_stored is not None and stored is not None:
            self._on_stored(transfer.obj, transfer.key, replace(stored, size=size))
        if self._on_event is not None:
            kept = stored.properties if stored is not None else None
            lost = dropped(sent, kept) if self.stores_properties and sent is not None and kept is not None else ()
            self._on_event(
                Event("object", transfer.obj.key, size, verified, target=transfer.key, dropped=lost, total=self.total)
            )

    def part_size(self, obj: ObjectInfo) -> int | None:
        """The length of an object's parts in bytes; None: the object's size is unknown."""
        if obj.size is None:
            return None
        instance = self.instance
        return part_sizes.part_size(obj.size, self.destination.capabilities, instance.limits, instance.memory.limit)

    async def properties_to_store(self, transfer: Transfer, known: Properties | None) -> Properties:
        """The properties to store with an object, given those that the source has returned so far."""
        properties = self.written_properties(transfer, known)
        if properties.tags is not None:
            return properties
        return await self.retry(
            transfer, lambda: copied_properties.with_tags(self.source, transfer.obj, properties, self.destination)
        )

    def written_properties(self, transfer: Transfer, known: Properties | None) -> Properties:
        """As `properties_to_store`, without reading tags."""
        if not self.stores_properties:
            return NO_PROPERTIES
        return copied_properties.written_properties(known, transfer.key, self.write_options)

    async def put(self, transfer: Transfer, data: memoryview, properties: Properties, sent: ByteCount) -> ObjectInfo:
        """Store an object in one request."""
        with copied_properties.tag_permission_hint(properties):
            return await self.write(
                transfer,
                lambda: self.destination.put(transfer.key, data, properties, overwrite=self.overwrite, sent=sent),
                len(data),
                lambda algorithm: checksums.digest(algorithm, data),
            )

    async def write(
        self,
        transfer: Transfer,
        write: Callable[[], Awaitable[ObjectInfo]],
        size: int,
        digest: Callable[[str], str | None],
    ) -> ObjectInfo:
        """Write an object; the arguments are those of `NewObjects.write`."""
        if self.overwrite:
            return await write()
        return await self.new_objects.write(transfer.key, write, size, digest)

    async def open_upload(self, transfer: Transfer) -> Upload:
        """Open an upload that is suspended if the job fails, even if the job is cancelled while the upload opens."""
        from . import resume_upload  # noqa: PLC0415 - only for objects of several parts

        length, properties = self.part_size(transfer.obj), transfer.obj.properties or NO_PROPERTIES
        opening = asyncio.ensure_future(
            resume_upload.open_upload(
                self.source,
                transfer.obj,
                self.destination,
                transfer.key,
                length,
                self.instance,
                properties,
                overwrite=self.overwrite,
            )
        )
        try:
            with copied_properties.tag_permission_hint(properties):
                upload = await asyncio.shield(opening)
        except asyncio.CancelledError:
            await shielded(_suspend_opened(opening))
            raise
        recorded = upload if isinstance(upload, resume_upload.RecordedUpload) else None
        self._open_uploads[id(upload)] = _OpenUpload(transfer, upload, recorded)
        self._kept.pop(transfer.key, None)
        return upload

    async def complete_upload(
        self, transfer: Transfer, upload: Upload, receipts: list[Receipt], algorithm: str | None
    ) -> ObjectInfo:
        """Publish an upload.

        Args:
            transfer: The object.
            upload: Its upload.
            receipts: Those of all parts, in order.
            algorithm: The checksum that the bytes were verified with; None: no checksum.
        """
        self.verification.before_publishing(transfer.obj, algorithm, receipts)
        with copied_properties.tag_permission_hint(transfer.obj.properties or NO_PROPERTIES):
            size = sum(receipt.part.size for receipt in receipts)
            stored = await self.retry(
                transfer,
                lambda: self.write(
                    transfer, lambda: upload.complete(receipts), size, partial(digest_of_parts, receipts)
                ),
            )
        del self._open_uploads[id(upload)]
        return stored

    def recorded_upload(self, upload: Upload) -> "RecordedUpload | None":
        """An open upload, if a later call can resume it."""
        return self._open_uploads[id(upload)].recorded

    def discard_upload(self, upload: Upload) -> None:
        """Abort an upload when it is suspended, unless it is complete: its stored parts must not be resumed."""
        if opened := self._open_uploads.get(id(upload)):
            opened.discarded = True

    async def suspend_upload(self, upload: Upload) -> None:
        """Close an upload that has failed: a later call resumes it, if it can be resumed."""
        opened = self._open_uploads.pop(id(upload))
        with suppress(StorageError):  # report the failure that led here instead
            await self.instance.retry(upload.abort if opened.discarded else upload.suspend)
        if upload.stored and not opened.discarded:
            size = opened.transfer.obj.size or upload.stored
            self._kept[opened.transfer.key] = (opened.transfer, min(upload.stored, size))

    async def suspend_open_uploads(self) -> int:
        """Suspend the uploads that a failure has left open.

        Returns:
            How many bytes of unfinished uploads are stored, from which a later call resumes.
        """
        if self._open_uploads:
            await shielded(self._suspend_all())
        kept, self._kept = self._kept, {}
        for transfer, size in kept.values():
            self.emit("suspended", transfer, size)
        return sum(size for _, size in kept.values())

    async def _suspend_all(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_SUSPEND_DEADLINE), asyncio.TaskGroup() as group:
                for opened in list(self._open_uploads.values()):
                    group.create_task(self.suspend_upload(opened.upload))


async def _suspend_opened(opening: asyncio.Future[Upload]) -> None:
    with suppress(TimeoutError, StorageError):
        async with asyncio.timeout(_SUSPEND_DEADLINE):
            await (await opening).suspend()
