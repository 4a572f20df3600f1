"""Mark each file of a download with the time of its object, and with a note of which object it holds.

    user.sealift.origin = hash(source, object, version; size, modification time and inode of the file; boot)

The note is an extended attribute of the file: it lives as long as the file, on the same volume, and needs no other file
in the directory, which a model server might take for a model. It does not match a file that was written to, replaced,
truncated or copied since. A crash of the machine may lose bytes of a file that was not synced, so that note is valid
only until the next boot. Blocking.
"""

import errno
import hashlib
import logging
import os
import stat
import time
from datetime import UTC, datetime, timedelta

from ...integrity.content import content_id
from ...types import ObjectInfo

__all__ = ["Origins"]

_log = logging.getLogger(__name__)

_ATTRIBUTE = "user.sealift.origin"
_NOT_SUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
# Identifies the boot of the kernel: https://docs.kernel.org/admin-guide/sysctl/kernel.html#random
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_SYNCED = "synced"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Systems without extended attributes of files, such as macOS, have no notes.
_SUPPORTED = hasattr(os, "setxattr")


class Origins:
    """The objects that the files of one download hold.

    Args:
        scheme: Scheme of the storage that the objects come from.
        source: Identifies that storage, and how the objects are verified.
        durable: Whether files are synced to disk before they get their names.

    Example:
        >>> origins = Origins("s3", "https://s3.amazonaws.com/models", durable=False)
        >>> origins.expect("model.onnx", ObjectInfo("iris/model.onnx", 1024, '"etag"'))
    """

    def __init__(self, scheme: str, *source: object, durable: bool) -> None:
        self._scheme = scheme
        self._source = source
        self._durable = durable
        self._expected: dict[str, ObjectInfo] = {}  # files that are not complete yet
        self._noted = _SUPPORTED
        self._boot: str | None = None

    def expect(self, key: str, obj: ObjectInfo) -> None:
        """Declare which object a file will hold.

        Args:
            key: Path of the file below the target directory.
            obj: The object, as it was listed.
        """
        self._expected[key] = obj

    def forget(self, key: str) -> None:
        """Forget a file that is complete, or that will not be written."""
        self._expected.pop(key, None)

    def mark(self, key: str, descriptor: int) -> None:
        """Mark a complete file; call this before it gets its final name.

        Args:
            key: Path of the file, as in `expect`.
            descriptor: The file, open for writing.
        """
        obj = self._expected.get(key)
        if obj is None:
            return
        # A copy of a local file has its times already, to the nanosecond.
        modified = None if self._scheme == "file" else _nanoseconds(obj.modified)
        if modified is not None:
            os.utime(descriptor, ns=(time.time_ns(), modified))
        boot = _SYNCED if self._durable else self._current_boot()
        if self._noted and boot and obj.version is not None and obj.size:
            note = self._note(obj, os.fstat(descriptor), boot)
            try:
                os.setxattr(descriptor, _ATTRIBUTE, note)
            except OSError as error:
                self._noted = False
                # Where file systems lack attributes, each download would warn of what nobody can change.
                level = logging.INFO if error.errno in _NOT_SUPPORTED else logging.WARNING
                _log.log(level, "files cannot be marked, so a repeated download fetches them again: %s", error.strerror)

    def holds(self, path: str, obj: ObjectInfo) -> bool:
        """Whether a file is marked as holding this version of an object, and has not been changed since.

        Args:
            path: Path of the file, which need not exist. A link is not followed.
            obj: The object.
        """
        if not _SUPPORTED or obj.version is None or not obj.size:
            return False
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode) or status.st_size != obj.size:
                return False
            note = os.getxattr(path, _ATTRIBUTE, follow_symlinks=False)
        except OSError:  # there is no such file, or it is not marked
            return False
        return note in {self._note(obj, status, boot) for boot in (_SYNCED, self._current_boot()) if boot}

    def _note(self, obj: ObjectInfo, status: os.stat_result, boot: str) -> bytes:
        facts = (
            *self._source, obj.key, content_id(self._scheme, obj), obj.size, status.st_mtime_ns, status.st_ino, boot
        )  # fmt: skip
        text = "\0".join(map(str, facts))
        return hashlib.blake2b(text.encode(errors="backslashreplace"), digest_size=16).digest()

    def _current_boot(self) -> str:
        """Identifies the boot of this machine; "": unknown."""
        if self._boot is None:
            try:
                with open(_BOOT_ID, encoding="ascii") as file:
                    self._boot = file.read().strip()
            except OSError:  # not Linux, or hidden from this container
                self._boot = ""
        return self._boot


def _nanoseconds(time: datetime | None) -> int | None:
    """A time since the epoch, exactly; None: unknown, or before the epoch."""
    if time is None or time < _EPOCH:
        return None
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000
