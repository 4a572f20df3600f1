"""What other libraries log of their requests and replies may hold secrets: dropped while they work for sealift.

Only then: a program that uses the same library by itself hears all that it wants to hear.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["quieten", "silence"]

_working: ContextVar[bool] = ContextVar("sealift_silence", default=False)


def _not_ours(record: logging.LogRecord) -> bool:  # noqa: ARG001 - logging's signature
    return not _working.get()


def quieten(*names: str) -> None:
    """Have these loggers drop what they are told inside `silence`. A logger's children have to be named too."""
    for name in names:
        logging.getLogger(name).addFilter(_not_ours)


@contextmanager
def silence() -> Iterator[None]:
    """While other libraries work for sealift, in this task."""
    token = _working.set(True)
    try:
        yield
    finally:
        _working.reset(token)
