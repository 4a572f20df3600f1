"""What cp, sync and rm tell: lines about objects on stdout if asked for, progress and a summary on stderr."""

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import click

from ..types import Event, OnEvent
from .arguments import Place, Target
from .options import Settings
from .output import Output, as_json, skip_line
from .progress import Bar, Lines, Tally, shown
from .units import count, size

__all__ = ["Telling"]


class Telling:
    """One command's report.

    Args:
        settings: Whether it is in JSON, a dry run, or verbose.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tally = Tally()
        self._output = Output()
        self._display: Bar | Lines = Lines(self._tally)
        self._start = time.monotonic()

    @asynccontextmanager
    async def progress(self) -> AsyncGenerator[None]:
        """Show it while the block runs; in the end all lines have been taken."""
        settings = self._settings
        # Lines and a bar on one terminal would overwrite each other.
        quiet = settings.dry_run or (settings.as_json and sys.stdout.isatty())
        async with self._output, shown(self._tally, quiet=quiet) as self._display:
            yield

    def transfer(self, source: Place, target: Target) -> OnEvent:
        """Take the events of a copy.

        Args:
            source: What it was asked to copy.
            target: To where.
        """

        def on_event(event: Event) -> None:
            self._tally.add(event)
            if event.kind == "deleted":
                self._removed(target.place.name(event.key))
            elif event.kind == "skipped":
                self._skipped(target.place.name(event.key) if event.target else source.name(event.key), event)
            elif event.kind == ("listed" if self._settings.dry_run else "object"):
                self._copied(source.name(event.key), target.name(event), event)
            elif event.kind == "retry" and self._settings.verbose:
                self._display.say(f"{event.key}: again in {event.delay:.1f} s: {event.error}")

        return on_event

    def removal(self, place: Place) -> OnEvent:
        """Take the events of a removal.

        Args:
            place: What it was asked to remove.
        """

        def on_event(event: Event) -> None:
            self._tally.add(event)
            if event.kind == "skipped":
                self._skipped(place.name(event.key), event)
            else:
                self._removed(place.name(event.key))

        return on_event

    def _copied(self, source: str, target: str, event: Event) -> None:
        settings = self._settings
        if settings.as_json:
            facts: dict[str, Any] = {"source": source, "target": target, "size": event.size, "verified": event.verified}
            if event.dropped:
                facts["dropped"] = event.dropped
            self._output.say(as_json(action="copy", **facts, dry_run=settings.dry_run))
        elif settings.dry_run:
            self._output.say(f"would copy {source} to {target}")
        if settings.verbose and not settings.dry_run:
            lacks = f", not copied: {', '.join(event.dropped)}" if event.dropped else ""
            self._display.say(f"{event.key}: {size(event.size)}, verified: {event.verified}{lacks}")

    def _removed(self, name: str) -> None:
        settings = self._settings
        if settings.as_json:
            self._output.say(as_json(action="remove", target=name, dry_run=settings.dry_run))
        elif settings.dry_run:
            self._output.say(f"would remove {name}")
        if settings.verbose and not settings.dry_run:
            self._display.say(f"{name}: removed")

    def _skipped(self, name: str, event: Event) -> None:
        if self._settings.as_json:
            self._output.say(as_json(action="skip", target=name, reason=event.reason))
        self._display.say(skip_line(name, event))

    # Said when the loop has ended: the bar is gone then, and stdout is this thread's again.

    def copied(self, *, kept: int | None = None, **facts: Any) -> None:
        """Sum up a copy.

        Args:
            kept: Objects that a sync has left alone.
            facts: More for the summary in JSON.
        """
        tally, dry = self._tally, self._settings.dry_run
        number, amount = (tally.listed, tally.total) if dry else (tally.finished, tally.done)
        seconds = time.monotonic() - self._start
        text = f"{'would copy' if dry else 'copied'} {count(number, 'object')}, {size(amount)}"
        if not dry:
            text += f" in {seconds:.2f} s, {size(tally.moved / seconds)}/s"
            if tally.resumed:
                text += f"; {size(tally.resumed)} of it were there already"
        if kept is not None:
            text += f"; {'would keep' if dry else 'kept'} {kept:,}, {'remove' if dry else 'removed'} {tally.removed:,}"
            facts |= {"kept": kept, "removed": tally.removed}
        self._sum_up(text, {"copied": number, "size": amount, **facts}, seconds)
        if tally.dropped:
            names = ", ".join(f"{name} ({count(times, 'object')})" for name, times in tally.dropped.most_common())
            click.echo(f"warning: not copied with the objects: {names}", err=True)

    def removed(self) -> None:
        """Sum up a removal."""
        seconds = time.monotonic() - self._start
        number = count(self._tally.removed, "object")
        text = f"would remove {number}" if self._settings.dry_run else f"removed {number} in {seconds:.2f} s"
        self._sum_up(text, {"removed": self._tally.removed}, seconds)

    def _sum_up(self, text: str, facts: dict[str, Any], seconds: float) -> None:
        settings = self._settings
        if settings.as_json:
            click.echo(as_json(action="summary", **facts, seconds=round(seconds, 3), dry_run=settings.dry_run))
        click.echo(text, err=True)
