"""What a call does about objects that it could not copy, by its options `existing` and `on_error`."""

import time

from ..engine.transfer import OnFailure, Transfer
from ..errors import ClosedError, InvalidConfig, LocalIOError, ObjectExists, Skipped, StorageError
from ..instance import Instance
from .call_options import CallOptions
from .skip_report import SkipReport, report_kept

__all__ = ["ObjectFailures"]


# Errors of a disk, or limits of this process, that every other object would meet, too.
_FATAL = {"EAGAIN", "EDQUOT", "EIO", "EMFILE", "ENFILE", "ENOSPC", "EROFS"}


class ObjectFailures:
    """Collects the objects of a prefix that could not be copied.

    Args:
        options: Options of the call.
        report: Receives the objects.
        instance: The instance that the call uses.

    Attributes:
        handler: For the job; None: the first failure ends it.
    """

    def __init__(self, options: CallOptions, report: SkipReport, instance: Instance) -> None:
        self._options = options
        self._report = report
        self._instance = instance
        self._first: StorageError | None = None
        self._number = 0
        wanted = options.existing == "skip" or options.on_error == "continue"
        self.handler: OnFailure | None = self._handle if wanted else None

    def _handle(self, transfer: Transfer, error: StorageError) -> None:
        if isinstance(error, ObjectExists) and self._options.existing == "skip":  # it has just appeared
            report_kept(transfer.obj, transfer.key, self._options.on_event)
            return
        if self._options.on_error == "stop" or self._affects_all(error):
            raise error
        self._first = self._first or error
        self._number += 1
        self._report.fail(Skipped(transfer.obj.key, "not copied", str(error), error))

    def _affects_all(self, error: StorageError) -> bool:
        """Whether the other objects would fail too: the disk is full, or a host has not answered for `patience`."""
        if isinstance(error, ClosedError | InvalidConfig) or (isinstance(error, LocalIOError) and error.code in _FATAL):
            return True
        if not error.retryable or error.host is None:
            return False
        silent = time.monotonic() - self._instance.retry.hosts.of(error.host).last_success
        return silent >= self._instance.limits.patience

    def check(self, number: int) -> None:
        """Raise the first failure if all objects have failed, which then have the same cause.

        Args:
            number: How many objects there were.
        """
        if self._first is not None and self._number >= number:
            raise self._first
