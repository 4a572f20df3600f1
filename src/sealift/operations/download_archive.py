"""Downloading an archive and unpacking it into a directory."""

import os

from ..archives.archive_stream import ReadRange
from ..archives.archive_target import ArchiveTarget
from ..archives.unpack import MakeRoom
from ..backends.local import LocalBackend, sync_tree
from ..engine.job import Job
from ..engine.transfer import Transfer, one
from ..errors import InvalidConfig, LocalIOError
from ..types import ObjectInfo, Unpack
from .call_options import CallOptions
from .directory_target import BuildDirectory, DirectoryTarget, sync_anchor
from .open_location import OpenLocation
from .resolve import Prefix
from .resume_download import open_journal, report_completed

__all__ = ["download_archive"]


async def download_archive(
    source: OpenLocation,
    found: ObjectInfo | Prefix,
    dest: str,
    options: CallOptions,
    limits: Unpack,
    make_room: MakeRoom | None = None,
) -> str:
    """Unpack an archive into the `.sealift` directory while it arrives, and publish its entries at the destination.

    Args:
        source: The archive's location.
        found: The archive. A prefix is an error.
        dest: The directory that receives the entries.
        options: Options of the call.
        limits: Limits against decompression bombs.
        make_room: As in `unpack`; called in a thread.

    Returns:
        The path of the directory.
    """
    if isinstance(found, Prefix):
        await found.objects.aclose()
        raise InvalidConfig(f"{found.key!r} is a prefix, not an archive", hint="name the object to unpack")
    instance = source.instance
    destination = await DirectoryTarget.of(instance, dest, "an archive holds many files")
    final, state = destination.final, destination.state
    anchor = await sync_anchor(instance, final, options)
    identity = (source.backend.address, source.location, final, options.verified_with, "unpack")
    request = options.shared_request(source, found.version) if found.version is not None else ""
    async with open_journal(instance, state, *identity, many=True, request=request) as journal:
        if journal.completed is not None:
            report_completed(found.key, journal.completed, options)
            return dest
        await LocalBackend("/", instance.disk).run(journal.discard_tree)  # of a killed process: it cannot be resumed
        async with BuildDirectory(instance, journal.tree, final) as staging:
            # The name is new, because another process may unpack in the same directory where locks are unreliable.
            root = os.path.join(staging.path, os.urandom(8).hex())
            # What was signed are the bytes that arrive in order: a hostile server may send others for a range.
            read_range = _ranges(source, found) if options.signed is None else None
            wanted = options.patterns.matches
            target = ArchiveTarget(root, staging.path, instance.disk, wanted, limits, read_range, make_room)
            job = Job(source.backend, target, instance, options.on_event, verify=options.verify)
            try:
                await job.run(one(Transfer(found, "archive")))
            except LocalIOError:
                await target.run(staging.check)  # explains why files could not be written
                raise
            journal.size = found.size or 0
            if anchor is not None:
                await target.run(lambda: sync_tree(root, files=True))
            await target.run(staging.check)
            await target.run(lambda: staging.publish(root, (), anchor))
    return dest


def _ranges(source: OpenLocation, archive: ObjectInfo) -> ReadRange | None:
    """How to read ranges of the archive; None: its storage has no ranges, or cannot say which version they are of."""
    if not archive.ranged or archive.version is None:
        return None

    async def read_range(start: int, length: int) -> bytes:
        buffer = bytearray(length)
        await source.instance.retry(lambda: source.backend.read_range(archive, start, memoryview(buffer)))
        return bytes(buffer)

    return read_range
