"""Downloading an archive and unpacking it into a directory."""

import os
import shutil

from ..archives import unpack
from ..backends.local import LocalBackend, sync_tree
from ..engine.transfer import Transfer, one
from ..errors import InvalidConfig
from ..runtime.shielded import shielded
from ..types import ObjectInfo, Unpack
from .call_options import CallOptions
from .directory_target import BuildDirectory, DirectoryTarget, sync_anchor
from .open_location import OpenLocation
from .resolve import Prefix
from .resume_download import open_journal, report_completed, transfer_missing

__all__ = ["download_archive"]


async def download_archive(
    source: OpenLocation, found: ObjectInfo | Prefix, dest: str, options: CallOptions, limits: Unpack
) -> str:
    """Download an archive into the `.sealift` directory, and publish its entries at the destination.

    Args:
        source: The archive's location.
        found: The archive. A prefix is an error.
        dest: The directory that receives the entries.
        options: Options of the call.
        limits: Limits against decompression bombs.

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
    identity = (source.backend.address, source.location, final, options.verify, "unpack")
    request = options.shared_request(source, found.version) if found.version is not None else ""
    async with open_journal(instance, state, *identity, many=True, request=request) as journal:
        if journal.completed is not None:
            report_completed(found.key, journal.completed, options)
            return dest
        async with BuildDirectory(instance, journal.tree, final) as staging:
            target = LocalBackend(staging.path, instance.disk, state=state, journal=journal)
            await transfer_missing(source, target, journal, one(Transfer(found, "archive")), options, kept=[])
            root = os.path.join(staging.path, "tree")
            await target.run(lambda: shutil.rmtree(root, ignore_errors=True))  # left by an earlier attempt
            steps = unpack.unpack(os.path.join(staging.path, "archive"), root, options.patterns.matches, limits)
            try:
                while await target.run(lambda: next(steps, None)) is not None:
                    pass  # a cancelled call ends after the current step
            finally:
                await shielded(instance.disk.run(steps.close))
            if anchor is not None:
                await target.run(lambda: sync_tree(root, files=True))
            await target.run(staging.check)
            await target.run(lambda: staging.publish(root, (), anchor))
    return dest
