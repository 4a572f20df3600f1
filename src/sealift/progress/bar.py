"""Progress bars, drawn by tqdm. Imports tqdm: import this module only when a bar is shown."""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

from .tally import Rate, Tally

__all__ = ["NotebookBar", "TerminalBar", "prepare_lock"]

_ERASE = "\r\x1b[K"
_BAR_WIDTH = 20
# Columns from which on there is a bar beside the text, and one of the whole width.
_NARROW = 50
_WIDE = 80
_ROWS = 24


def prepare_lock(*, alone: bool) -> None:
    """Create the lock that the bars of this process share.

    Args:
        alone: Whether no other part of this process uses tqdm. Its own lock is one that other processes can share, for
            which some versions of Python start another process.
    """
    if alone:
        tqdm.set_lock(threading.RLock())
    else:
        tqdm.get_lock()


class TerminalBar:
    """A bar that is drawn over itself, as wide as the terminal.

    Args:
        tally: The totals to show.
        leave: Whether the bar stays at the end; otherwise it is erased.

    Attributes:
        interval: Seconds between two drawings.
    """

    interval = 0.1

    def __init__(self, tally: Tally, *, leave: bool = False) -> None:
        self._rate = Rate(tally)
        self._bar = _Drawn(tally, self._rate.now, leave)

    def show(self) -> None:
        """Draw the bar."""
        self._bar.refresh()

    def close(self) -> None:
        """Draw the bar for the last time, or erase it."""
        self._bar.rate_now = self._rate.average
        self._bar.close()


class _Drawn(tqdm):  # type: ignore[misc]
    """The bar of tqdm with the text of a tally.

    tqdm erases the rest of a longer line with spaces, which would go on in the next line after the terminal has become
    narrower; so this bar erases lines with a control sequence.
    """

    monitor_interval = 0  # without a thread that watches the bar: it is refreshed regularly

    def __init__(self, tally: Tally, rate_now: Callable[[], float], leave: bool) -> None:
        self._tally = tally
        self.rate_now = rate_now
        columns, rows = _terminal_size()
        super().__init__(file=sys.stderr, leave=leave, ncols=columns - 1, nrows=rows)

    @staticmethod
    def status_printer(file: TextIO) -> Callable[[str], None]:
        """Return the function that draws the bar."""

        def draw(text: str) -> None:
            file.write(_ERASE + text)
            file.flush()

        return draw

    @property
    def format_dict(self) -> dict[str, Any]:
        """The fields of the bar."""
        tally, (columns, _) = self._tally, _terminal_size()
        width = 0 if columns < _NARROW else _BAR_WIDTH // 2 if columns < _WIDE else _BAR_WIDTH
        room = columns - 1  # some terminals begin a new line after the last column
        if (not tally.listed and tally.removed) or not tally.is_sized:  # there is nothing of which it could be a part
            bar_format, used = "{text}", 0
        else:
            bar = f"|{{bar:{width}}}| " if width else " "
            bar_format, used = f"{{percentage:3.0f}}%{bar}{{text}}", len("100%") + (width + 3 if width else 1)
        text = tally.describe(self.rate_now(), room - used)
        fields: dict[str, Any] = super().format_dict
        return fields | {
            "n": tally.done,
            "total": tally.total or None,
            "ncols": room,
            "bar_format": bar_format,
            "text": text,
        }


class NotebookBar:
    """A bar in the output of a notebook's cell, a widget; the arguments are those of `TerminalBar`."""

    interval = 0.25

    def __init__(self, tally: Tally, *, leave: bool = True) -> None:
        from tqdm.notebook import tqdm as notebook_tqdm  # noqa: PLC0415 - imports IPython and ipywidgets

        self._tally = tally
        self._rate = Rate(tally)
        self._bar = notebook_tqdm(total=1, bar_format="{percentage:3.0f}%|{bar}|{desc}", leave=leave)

    def show(self) -> None:
        """Draw the bar."""
        self._draw(self._rate.now())

    def _draw(self, rate: float) -> None:
        tally, bar = self._tally, self._bar
        if (total := max(tally.total, tally.done) or 1) != bar.total:
            bar.reset(total)
        bar.n = tally.done
        bar.set_description_str(f" {tally.describe(rate)}")

    def close(self) -> None:
        """Draw the bar for the last time."""
        self._draw(self._rate.average())
        self._bar.close()


def _terminal_size() -> tuple[int, int]:
    """The columns and rows of the terminal on stderr; stdout may be a pipe. Some terminals say that they have none."""
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    return columns or _WIDE, rows or _ROWS
