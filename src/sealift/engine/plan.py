"""Decide how an object is read: in parts of which length, or in order."""

from dataclasses import replace

from ..errors import ObjectChanged
from .context import JobContext
from .transfer import Transfer
from .verification import fetch_checksums

__all__ = ["prepare"]


async def prepare(context: JobContext, transfer: Transfer) -> tuple[Transfer, int | None]:
    """Complete what is known of an object, and choose the length of its parts.

    A listing may return less than a stat. The stat is sent only where its facts are needed: the version to pin, the
    checksums to verify parts with, or the properties to store before the first byte is read.

    Returns:
        The transfer with those facts, and the length of its parts in bytes; None: read the object once, in order.

    Raises:
        ObjectChanged: The object was replaced after it was listed.
    """
    obj, source, length = transfer.obj, context.source, context.part_size(transfer.obj)
    in_parts = length is not None and obj.size is not None and obj.size > length
    compared = in_parts and context.verification.wanted
    incomplete = obj.version is None or (compared and source.capabilities.checksums and not obj.checksums)
    if context.stores_properties and (in_parts or length is None or not obj.ranged):
        incomplete = incomplete or obj.properties is None
    if transfer.listed and incomplete:
        obj = await context.retry(transfer, lambda: source.stat(obj.key))
        if transfer.obj.version not in {None, obj.version}:
            raise ObjectChanged(f"{obj.key!r} was replaced after it was listed")
        obj = replace(obj, checksums={**obj.checksums, **transfer.obj.checksums})  # perhaps signed ones
        length = context.part_size(obj)
    if compared and obj.composite:
        sums = await context.retry(transfer, lambda: fetch_checksums(source, obj))
        obj = replace(obj, checksums=sums)
    if not obj.ranged or (obj.version is None and length is not None and (obj.size or 0) > length):
        length = None
    if context.stores_properties and (length is None or obj.size is None or obj.size > length):
        obj = replace(obj, properties=await context.properties_to_store(transfer, obj.properties))
    return Transfer(obj, transfer.key), length
