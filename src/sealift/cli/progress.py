"""Show progress on stderr: a progress bar on a terminal, otherwise a line every few seconds."""

import asyncio
import os
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import click

from ..types import Event
from .units import count, size

__all__ = ["ProgressBar", "ProgressLines", "Tally", "show_progress"]

_BAR_INTERVAL = 0.1  # seconds
_LINE_INTERVAL = 5.0
_BAR_WIDTH = 20
_RATE_WINDOW = 3.0
_ERASE = "\r\x1b[K"


@dataclass(slots=True)
class Tally:
    """Totals of the events of a command.

    Attributes:
        listed: Objects listed so far.
        finished: Objects that are complete.
        total: Bytes of the objects listed so far.
        done: Bytes stored at the destination.
        resumed: Bytes of `done` that an earlier transfer stored.
        suspended: Bytes that uploads which failed or were interrupted have stored.
        retries: Requests sent again.
        removed: Objects removed.
        kept: Objects that stay at the destination because they exist.
        dropped: Number of objects per property that could not be copied.
    """

    listed: int = 0
    finished: int = 0
    total: int = 0
    done: int = 0
    resumed: int = 0
    suspended: int = 0
    retries: int = 0
    removed: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        """Count one event."""
        match event.kind:
            case "listed":
                self.listed += 1
                self.total += event.size
            case "progress":
                self.done += event.size
                self.total = max(self.total, self.done)  # the size of an object may be unknown until its end
            case "resumed":
                self.resumed += event.size
            case "suspended":
                self.suspended += event.size
            case "object":
                self.finished += 1
                self.dropped.update(event.dropped)
            case "retry":
                self.retries += 1
            case "deleted":
                self.removed += 1
            case "kept":
                self.kept += 1

    @property
    def moved(self) -> int:
        """Bytes that this command transferred."""
        return self.done - self.resumed

    def describe(self, rate: float) -> str:
        """Format the totals."""
        if not self.listed:
            return f"{count(self.removed, 'object')} removed" if self.removed else "listing objects"
        fields = [f"{size(self.done)} of {size(self.total)}", f"{size(rate)}/s"]
        fields.append(f"{self.finished:,} of {count(self.listed, 'object')}")
        if self.resumed:
            fields.append(f"{size(self.resumed)} resumed")
        if self.retries:
            fields.append(f"{self.retries:,} retried")
        if self.removed:
            fields.append(f"{self.removed:,} removed")
        return ", ".join(fields)


class ProgressBar:
    """A progress bar on a terminal; erased at the end."""

    interval = _BAR_INTERVAL

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._samples: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self.show()

    def show(self) -> None:
        """Draw the bar."""
        tally, now = self._tally, time.monotonic()
        self._samples.append((now, tally.moved))
        while now - self._samples[0][0] > _RATE_WINDOW and len(self._samples) > 2:
            self._samples.popleft()
        since, moved_then = self._samples[0]
        rate = (tally.moved - moved_then) / max(now - since, 1e-3)
        share = tally.done / tally.total if tally.total else 0.0
        filled = int(share * _BAR_WIDTH)
        text = tally.describe(rate)
        if tally.listed or not tally.removed:
            text = f"[{'#' * filled}{' ' * (_BAR_WIDTH - filled)}] {share:4.0%}  {text}"
        click.echo(_ERASE + text[: _columns() - 1], err=True, nl=False, color=True)

    def print_line(self, line: str) -> None:
        """Print a line above the bar."""
        click.echo(_ERASE + line, err=True, color=True)
        self.show()

    def close(self) -> None:
        """Erase the bar."""
        click.echo(_ERASE, err=True, nl=False, color=True)


class ProgressLines:
    """Progress as plain lines, for logs."""

    interval = _LINE_INTERVAL

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._last_moved = 0

    def show(self) -> None:
        """Print the progress, with the rate since the last line."""
        rate = (self._tally.moved - self._last_moved) / self.interval
        self._last_moved = self._tally.moved
        self.print_line(self._tally.describe(rate))

    def print_line(self, line: str) -> None:
        """Print a line."""
        click.echo(line, err=True)

    def close(self) -> None:
        """Do nothing: printed lines stay."""


@asynccontextmanager
async def show_progress(tally: Tally, *, quiet: bool = False) -> AsyncGenerator[ProgressBar | ProgressLines]:
    """Show progress while the block runs.

    Args:
        tally: The totals to show.
        quiet: Print only the lines of `print_line`, not the totals.
    """
    if quiet:
        yield ProgressLines(tally)
        return
    display = ProgressBar(tally) if sys.stderr is not None and sys.stderr.isatty() else ProgressLines(tally)

    async def refresh() -> None:
        while True:
            await asyncio.sleep(display.interval)
            display.show()

    task = asyncio.create_task(refresh())
    try:
        yield display
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        display.close()


def _columns() -> int:
    """The width of the terminal on stderr; stdout may be a pipe."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
