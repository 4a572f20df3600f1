"""Small files, read and written at once; blocks. See `contract.SmallObjects`."""

import os

from ...errors import ObjectChanged
from ...types import Head, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from .files import READ, check_version, read_into
from .staging import StagingDirectory
from .upload import LocalUpload, Run

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

    def put(self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES) -> ObjectInfo:
        """Write a file and publish it."""
        upload = LocalUpload(self._staging, self._run, key, len(data))
        journal = self._staging.journal
        noted = journal is not None and journal.many  # a single small object leaves nothing to resume
        try:
            upload.create(temporary=not self._staging.staged)
            claim = upload.write(0, data, noted=noted)
            published = upload.publish()
            upload.note(claim)
            if journal is not None:
                journal.finish(key)
        except BaseException:
            upload.remove()
            raise
        return published
