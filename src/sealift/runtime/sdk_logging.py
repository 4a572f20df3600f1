"""Suppress the log records of SDKs while they work for sealift: their requests and replies may contain secrets.

Records from the host program's own use of the same libraries are not affected.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["filter_loggers", "suppress_logs"]

_suppressed: ContextVar[bool] = ContextVar("sealift_suppress_logs", default=False)


def _keep_record(record: logging.LogRecord) -> bool:  # noqa: ARG001 - logging's signature
    return not _suppressed.get()


def filter_loggers(*names: str) -> None:
    """Make these loggers drop records inside `suppress_logs`. Child loggers must be named too."""
    for name in names:
        logging.getLogger(name).addFilter(_keep_record)


@contextmanager
def suppress_logs() -> Iterator[None]:
    """Suppress records of the filtered loggers in this task, while an SDK works for sealift."""
    token = _suppressed.set(True)
    try:
        yield
    finally:
        _suppressed.reset(token)
