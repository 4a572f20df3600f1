"""The output of cp, sync and rm: lines per object on stdout, progress and a summary on stderr."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import click

from ..errors import DeadlineExceeded
from ..progress.display import show_progress
from ..progress.lines import print_line
from ..progress.tally import Tally
from ..progress.units import count, size
from ..types import Event, OnEvent
from .arguments import Argument, Destination
from .escaping import visible
from .formatting import json_line, skipped_line
from .settings import Settings
from .stdout import StdoutWriter
from .waits import is_long, wait_line

__all__ = ["Report"]


class Report:
    """Prints the output of one command.

    Args:
        settings: Select JSON output, dry run, and verbose output.
        moving: Whether objects are moved, not copied.
    """

    def __init__(self, settings: Settings, *, moving: bool = False) -> None:
        self._settings = settings
        self._verb, self._past = ("move", "moved") if moving else ("copy", "copied")
        self._tally = Tally()
        self._stdout = StdoutWriter()
        self._start = time.monotonic()
        self._silent_until = 0.0  # the wait until then has been shown

    @asynccontextmanager
    async def progress(self) -> AsyncGenerator[None]:
        """Show progress while the block runs; write all pending lines at its end."""
        settings = self._settings
        # Lines and a progress bar on the same terminal would overwrite each other.
        hidden = settings.quiet or settings.no_progress or settings.dry_run
        hidden = hidden or (settings.as_json and sys.stdout is not None and sys.stdout.isatty())
        try:
            async with self._stdout, nullcontext() if hidden else show_progress(self._tally, alone=True):
                yield
        except (asyncio.CancelledError, DeadlineExceeded):  # other errors have a hint about it
            if self._tally.suspended:
                text = f"{size(self._tally.suspended)} are stored; run the same command again to resume"
                click.echo(text, err=True)
            raise

    def transfer_events(self, source: Argument, destination: Destination) -> OnEvent:
        """Return the event callback for a copy or sync.

        Args:
            source: The SRC argument.
            destination: The DEST argument.
        """

        def on_event(event: Event) -> None:
            self._tally.add(event)
            if event.kind == "deleted":
                self._removed(destination.argument.name(event.key))
            elif event.kind == "skipped":
                self._skipped((destination.argument if event.target else source).name(event.key), event)
            elif event.kind == "kept":
                self._kept(destination.name(event))
            elif event.kind == ("listed" if self._settings.dry_run else "object"):
                self._copied(source.name(event.key), destination.name(event), event)
            else:
                self._waiting(event)

        return on_event

    def removal_events(self, argument: Argument) -> OnEvent:
        """Return the event callback for a removal.

        Args:
            argument: The URI argument.
        """

        def on_event(event: Event) -> None:
            self._tally.add(event)
            if event.kind == "skipped":
                self._skipped(argument.name(event.key), event)
            elif event.kind != "deleted":
                self._waiting(event)
            else:
                self._removed(argument.name(event.key))

        return on_event

    def _waiting(self, event: Event) -> None:
        """Show a wait: a long one once while it lasts, all of them with --verbose, none with --quiet."""
        if self._settings.quiet:
            return
        if self._settings.verbose:
            if event.kind in {"retry", "paused"}:
                print_line(wait_line(event))
        elif is_long(event):
            now = time.monotonic()
            if now >= self._silent_until:
                self._silent_until = now + event.delay
                print_line(wait_line(event))

    def _copied(self, source: str, target: str, event: Event) -> None:
        settings = self._settings
        if settings.as_json:
            fields: dict[str, Any] = {
                "source": source,
                "target": target,
                "size": event.size,
                "verified": event.verified,
            }
            if event.dropped:
                fields["dropped"] = event.dropped
            self._stdout.print_line(json_line(action=self._verb, **fields, dry_run=settings.dry_run))
        elif settings.dry_run:
            self._stdout.print_line(f"would {self._verb} {source} to {target}")
        if settings.verbose and not settings.dry_run:
            dropped = f", not copied: {', '.join(event.dropped)}" if event.dropped else ""
            print_line(visible(f"{event.key}: {size(event.size)}, verified: {event.verified}{dropped}"))

    def _kept(self, name: str) -> None:
        if self._settings.as_json:
            self._stdout.print_line(json_line(action="keep", target=name, dry_run=self._settings.dry_run))
        if self._settings.verbose:
            print_line(f"{name}: exists, kept")

    def _removed(self, name: str) -> None:
        settings = self._settings
        if settings.as_json:
            self._stdout.print_line(json_line(action="remove", target=name, dry_run=settings.dry_run))
        elif settings.dry_run:
            self._stdout.print_line(f"would remove {name}")
        if settings.verbose and not settings.dry_run:
            print_line(visible(f"{name}: removed"))

    def _skipped(self, name: str, event: Event) -> None:
        if self._settings.as_json:
            self._stdout.print_line(json_line(action="skip", target=name, reason=event.reason))
        print_line(skipped_line(name, event))

    # The summaries are printed after the event loop has ended: the progress bar is erased, and stdout is free.

    def summarize_transfer(self, *, kept: int | None = None, **fields: Any) -> None:
        """Print the summary of a copy or sync.

        Args:
            kept: Number of objects that a sync did not need to copy.
            fields: Additional fields of the JSON summary.
        """
        tally, dry = self._tally, self._settings.dry_run
        number, amount = (tally.listed, tally.total) if dry else (tally.finished, tally.done)
        seconds = time.monotonic() - self._start
        text = f"{f'would {self._verb}' if dry else self._past} {count(number, 'object')}, {size(amount)}"
        if not dry:
            text += f" in {seconds:.2f} s, {size(tally.moved / seconds)}/s"
            if tally.resumed:
                text += f"; {size(tally.resumed)} already transferred"
        if kept is not None:
            text += f"; {'would keep' if dry else 'kept'} {kept:,}, {'remove' if dry else 'removed'} {tally.removed:,}"
            fields |= {"kept": kept, "removed": tally.removed}
        elif tally.kept:
            text += f"; {'would keep' if dry else 'kept'} {tally.kept:,} existing"
            fields |= {"kept": tally.kept}
        self._summarize(text, {self._past: number, "size": amount, **fields}, seconds)
        if tally.dropped:
            names = ", ".join(f"{name} ({count(times, 'object')})" for name, times in tally.dropped.most_common())
            click.echo(visible(f"warning: properties not copied: {names}"), err=True)

    def summarize_removal(self) -> None:
        """Print the summary of a removal."""
        seconds = time.monotonic() - self._start
        number = count(self._tally.removed, "object")
        text = f"would remove {number}" if self._settings.dry_run else f"removed {number} in {seconds:.2f} s"
        self._summarize(text, {"removed": self._tally.removed}, seconds)

    def _summarize(self, text: str, fields: dict[str, Any], seconds: float) -> None:
        settings = self._settings
        if settings.as_json:
            click.echo(json_line(action="summary", **fields, seconds=round(seconds, 3), dry_run=settings.dry_run))
        if not settings.quiet:
            click.echo(text, err=True)
