"""Tell the user why a command is waiting."""

import click

from ..errors import StorageError
from ..types import Event
from .advice import error_text
from .escaping import printable

__all__ = ["is_long", "print_each_wait", "print_wait", "wait_line"]

# Seconds from which on a wait is shown without --verbose.
_LONG = 2.0


def is_long(event: Event) -> bool:
    """Whether an event is about a wait that a user would notice."""
    return event.kind in {"retry", "paused"} and event.delay >= _LONG


def wait_line(event: Event) -> str:
    """The line about a wait."""
    name = f"{event.key}: " if event.key else ""
    what = "pausing for" if event.kind == "paused" else "retrying in"
    error = error_text(event.error) if isinstance(event.error, StorageError) else str(event.error)
    return printable(f"{name}{what} {event.delay:.1f} s: {error}")


def print_wait(event: Event) -> None:
    """Print a line about a long wait on stderr. A pause is shown once, not for each request that it delays."""
    shown = event.kind == "retry" and isinstance(event.error, StorageError) and event.error.throttled
    if is_long(event) and not shown:
        click.echo(wait_line(event), err=True)


def print_each_wait(event: Event) -> None:
    """Print a line about each wait on stderr, for --verbose."""
    if event.kind in {"retry", "paused"}:
        click.echo(wait_line(event), err=True)
