"""Small files, read and written at once; blocks. See `contract.SmallObjects`."""

import os
from contextlib import suppress

from ...errors import ObjectChanged
from ...persist.download_journal import Claim
from ...types import Head, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from .files import READ, check_version, crc, info, read_into
from .staging import StagingDirectory
from .upload import WRITE_SIZE, LocalUpload, Run

__all__ = ["SmallFiles"]


class SmallFiles:
    """Reads and writes the files of a directory.

    Args:
        staging: The directory.
        run: As for `LocalUpload`.
    """

    def __init__(self, staging: StagingDirectory, run: Run) -> None:
        self._staging = staging
        self._run = run

    def read(self, obj: ObjectInfo, into: memoryview, start: int = 0) -> Head:
        """Read bytes of a file, from the offset `start` on."""
        path = self._staging.path(obj.key)
        descriptor = os.open(path, READ)
        try:
            check_version(obj, os.fstat(descriptor))
            if not read_into(descriptor, start, into):
                raise ObjectChanged(f"{path} was truncated while it was read")
            check_version(obj, os.fstat(descriptor))
        finally:
            os.close(descriptor)
        return Head(obj.version, obj.size)

    def put(
        self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES, *, overwrite: bool = True
    ) -> ObjectInfo:
        """Write a file and publish it."""
        staging = self._staging
        staging.check(key)
        if staging.staged and not staging.durable and len(data) <= WRITE_SIZE:
            descriptor = staging.confined.create(key)
            if descriptor is not None:
                return self._fill(key, descriptor, data)
        return self._put(key, data, overwrite=overwrite)

    def _fill(self, key: str, descriptor: int, data: memoryview) -> ObjectInfo:
        """Write a new file that has its final name already: its directory is published later."""
        staging, done = self._staging, 0
        try:
            while done < len(data):
                done += os.pwrite(descriptor, data[done:], done)
            if staging.origins is not None:
                staging.origins.mark(key, descriptor)
            stored = info(key, os.fstat(descriptor)) if staging.versions else ObjectInfo(key, len(data))
        except BaseException as error:
            self._discard(key, descriptor)
            if isinstance(error, OSError):
                error.filename = staging.path(key)  # the OSError has only the descriptor
            raise
        staging.confined.finish(key, complete=True)
        os.close(descriptor)
        if staging.origins is not None:
            staging.origins.forget(key)
        if (journal := staging.journal) is not None:
            if journal.many and data:
                journal.add(key, Claim(0, len(data), crc(data)))
            journal.finish(key)
        return stored

    def _discard(self, key: str, descriptor: int) -> None:
        staging = self._staging
        staging.confined.finish(key, complete=False)
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(staging.path(key))
        if staging.journal is not None:
            staging.journal.retract(key)

    def _put(self, key: str, data: memoryview, *, overwrite: bool) -> ObjectInfo:
        upload = LocalUpload(self._staging, self._run, key, len(data), overwrite=overwrite)
        journal = self._staging.journal
        noted = journal is not None and journal.many  # a single small object leaves nothing to resume
        try:
            # One of many is not resumed, so that its name need not be computed from the key and looked up.
            upload.create(temporary=not self._staging.staged, resumable=not noted)
            claim = upload.write(0, data, noted=noted)
            published = upload.publish()
            upload.note(claim)
            if journal is not None:
                journal.finish(key)
        except BaseException:
            upload.remove()
            raise
        return published
