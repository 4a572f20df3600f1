"""Let the service copy an object between two locations of its own; no bytes pass through this process."""

from dataclasses import replace

from ..contract import Backend
from ..integrity import composite
from ..types import ObjectInfo
from ..types.write_options import apply_options
from .context import JobContext
from .transfer import Transfer
from .verification import SIZE_ONLY, fetch_checksums, unverifiable

__all__ = ["copy_object"]


async def copy_object(context: JobContext, transfer: Transfer) -> None:
    """Copy an object on the server, and compare the checksums of source and copy."""
    destination, verification, obj = context.destination, context.verification, transfer.obj
    required = verification.required and obj.size != 0
    if required:
        obj = await _with_checksums(context, transfer, context.source, obj, listed=transfer.listed)
        # A copy has different parts, or none: checksums of the source's parts cannot be compared with it.
        if all(composite.is_composite(algorithm) for algorithm in obj.checksums):
            raise unverifiable(f"there is no checksum to verify {obj.key!r} with")
    moved = 0

    def report(count: int) -> None:
        nonlocal moved
        moved = count

    async def copy() -> ObjectInfo:
        report(0)
        source, key, options = context.source.location, transfer.key, context.write_options
        return await destination.copy(source, obj, key, options, overwrite=context.overwrite, on_copied=report)

    with context.progress.count(transfer, lambda: moved):
        size = obj.size or 0
        copied = stored = await context.retry(transfer, lambda: context.write(transfer, copy, size, obj.checksums.get))
        verified = verification.compare_copy(obj, stored)
        if verified is None and required:
            stored = await _with_checksums(context, transfer, destination, replace(stored, checksums={}), listed=True)
            verified = verification.compare_copy(obj, stored)
            if verified is None:
                raise unverifiable(f"{obj.key!r} was copied, but source and copy have no checksum in common")
        report(size)
    sent = None if obj.properties is None else apply_options(context.write_options, obj.properties)
    context.report_stored(transfer, size, verified or SIZE_ONLY, sent, copied)


async def _with_checksums(
    context: JobContext, transfer: Transfer, backend: Backend, obj: ObjectInfo, *, listed: bool
) -> ObjectInfo:
    """Fetch the checksums of an object, with a stat and a request for its parts' checksums where needed."""
    if listed and not obj.checksums:
        obj = await context.retry(transfer, lambda: backend.stat(obj.key))
    return replace(obj, checksums=await context.retry(transfer, lambda: fetch_checksums(backend, obj)))
