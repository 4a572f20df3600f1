"""How far a transfer is: one line that moves on a terminal, a plain line now and then elsewhere. All on stderr."""

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

__all__ = ["Tally", "shown"]

_BAR_EVERY = 0.1
_LINE_EVERY = 5.0
_BAR_WIDTH = 20
_RATE_OVER = 3.0  # seconds
_ERASE = "\r\x1b[K"


@dataclass(slots=True)
class Tally:
    """Counts what the engine tells.

    Attributes:
        listed: Objects found so far.
        finished: Objects that are complete.
        total: Bytes of the objects found so far.
        done: Bytes that are in their place.
        resumed: Those of them that an earlier transfer had stored.
        retries: Requests sent again.
        removed: Objects that are gone.
        dropped: Properties that copies lack, and how many of them each.
    """

    listed: int = 0
    finished: int = 0
    total: int = 0
    done: int = 0
    resumed: int = 0
    retries: int = 0
    removed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        """Count one event."""
        match event.kind:
            case "listed":
                self.listed += 1
                self.total += event.size
            case "progress":
                self.done += event.size
                self.total = max(self.total, self.done)  # an object's size may not be known before its end
            case "resumed":
                self.resumed += event.size
            case "object":
                self.finished += 1
                self.dropped.update(event.dropped)
            case "retry":
                self.retries += 1
            case "deleted":
                self.removed += 1

    @property
    def moved(self) -> int:
        """Bytes stored so far."""
        return self.done - self.resumed

    def describe(self, rate: float) -> str:
        """All of it in words."""
        if not self.listed:
            return f"{count(self.removed, 'object')} removed" if self.removed else "looking for objects"
        words = [f"{size(self.done)} of {size(self.total)}", f"{size(rate)}/s"]
        words.append(f"{self.finished:,} of {count(self.listed, 'object')}")
        if self.resumed:
            words.append(f"{size(self.resumed)} resumed")
        if self.retries:
            words.append(f"{self.retries:,} retried")
        if self.removed:
            words.append(f"{self.removed:,} removed")
        return ", ".join(words)


class Bar:
    """One line of a terminal, drawn again and again, and erased at the end."""

    every = _BAR_EVERY

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._samples: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self.show()

    def show(self) -> None:
        """Draw it."""
        tally, now = self._tally, time.monotonic()
        self._samples.append((now, tally.moved))
        while now - self._samples[0][0] > _RATE_OVER and len(self._samples) > 2:
            self._samples.popleft()
        since, before = self._samples[0]
        rate = (tally.moved - before) / max(now - since, 1e-3)
        share = tally.done / tally.total if tally.total else 0.0
        filled = int(share * _BAR_WIDTH)
        text = tally.describe(rate)
        if tally.listed or not tally.removed:
            text = f"[{'#' * filled}{' ' * (_BAR_WIDTH - filled)}] {share:4.0%}  {text}"
        click.echo(_ERASE + text[: _columns() - 1], err=True, nl=False, color=True)

    def say(self, line: str) -> None:
        """Print a line above it."""
        click.echo(_ERASE + line, err=True, color=True)
        self.show()

    def close(self) -> None:
        """Erase it."""
        click.echo(_ERASE, err=True, nl=False, color=True)


class Lines:
    """Plain lines, for logs."""

    every = _LINE_EVERY

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._before = 0

    def show(self) -> None:
        """Print where the transfer stands, and its rate since the last line."""
        rate = (self._tally.moved - self._before) / self.every
        self._before = self._tally.moved
        self.say(self._tally.describe(rate))

    def say(self, line: str) -> None:
        """Print a line."""
        click.echo(line, err=True)

    def close(self) -> None:
        """Nothing is left to do."""


@asynccontextmanager
async def shown(tally: Tally, *, quiet: bool = False) -> AsyncGenerator[Bar | Lines]:
    """Show a tally while the block runs.

    Args:
        tally: What to show.
        quiet: Show only what is said, not the tally.
    """
    if quiet:
        yield Lines(tally)
        return
    display = Bar(tally) if sys.stderr.isatty() else Lines(tally)

    async def keep_showing() -> None:
        while True:
            await asyncio.sleep(display.every)
            display.show()

    task = asyncio.create_task(keep_showing())
    try:
        yield display
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        display.close()


def _columns() -> int:
    """The width of the terminal; of stderr, since stdout may well be a pipe."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
