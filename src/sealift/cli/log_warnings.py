"""Show warnings of the log on stderr, also without --verbose."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import StorageError
from ..progress.lines import print_line
from .advice import error_text
from .escaping import printable
from .settings import Settings

__all__ = ["shown_warnings"]


@contextmanager
def shown_warnings(settings: Settings) -> Iterator[None]:
    """Print each warning that sealift logs while the block runs, once.

    Args:
        settings: With `verbose`, nothing is printed: the log is.
    """
    logger, handler = logging.getLogger("sealift"), _Warnings(settings)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Warnings(logging.Handler):
    def __init__(self, settings: Settings) -> None:
        super().__init__(logging.WARNING)
        self._settings = settings
        self._shown: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        # Retries are printed by `Report` and `Settings.on_wait`, with the names of the objects.
        return not self._settings.verbose and record.name != "sealift.retries"

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        told = tuple(error_text(each) if isinstance(each, StorageError) else each for each in arguments)
        text = printable(str(record.msg) % told if told else record.getMessage())
        if text in self._shown:
            return
        self._shown.add(text)
        try:
            print_line(f"warning: {text}")
        except OSError:  # stderr is closed
            self.handleError(record)
