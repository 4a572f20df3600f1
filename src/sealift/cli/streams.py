"""Standard input as a source, and standard output as a destination."""

import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing, nullcontext
from typing import Any, BinaryIO

import click

from ..progress.display import show_progress
from ..progress.tally import Tally
from ..progress.units import size
from ..types import Event
from .arguments import Argument
from .escaping import visible
from .patterns import matching_objects
from .settings import Settings
from .stdout import StdoutWriter
from .write_options import chosen_options

__all__ = ["STANDARD_STREAM", "copy_from_stdin", "write_to_stdout"]

STANDARD_STREAM = "-"
_CHUNK = 1 << 20  # bytes


async def write_to_stdout(
    settings: Settings,
    uris: Sequence[str],
    *,
    offset: int = 0,
    length: int | None = None,
    version_id: str | None = None,
) -> None:
    """Write objects to stdout, one after the other.

    Args:
        settings: The options of the command.
        uris: The objects, or patterns.
        offset: Bytes of each object that are skipped.
        length: Bytes of each object that are written at most. None: all.
        version_id: Version of the object.
    """
    storage, configs = settings.storage(), [settings.config(uri, os.environ) for uri in uris]
    async with storage, StdoutWriter() as stdout:
        for uri, config in zip(uris, configs, strict=True):
            async with aclosing(matching_objects(storage, uri, config)) as objects:
                async for each in objects:
                    chunks = storage.stream(each, offset, length, config=config, version_id=version_id)
                    async with aclosing(chunks):
                        async for chunk in chunks:
                            await stdout.write(chunk)


async def copy_from_stdin(settings: Settings, dest: str) -> None:
    """Store what arrives on stdin, until it ends, as one object.

    Raises:
        UsageError: Stdin is closed, or an option needs to know what will arrive.
    """
    if sys.stdin is None:
        raise click.UsageError("stdin is closed")
    if settings.dry_run or settings.include or settings.exclude:
        raise click.UsageError("'-' cannot be combined with --dry-run, --include or --exclude")
    config = settings.config(dest, os.environ)
    kept: list[Event] = []
    tally = Tally(listed=1)  # one object, of unknown size

    def on_event(event: Event) -> None:
        tally.add(event)
        if event.kind == "kept":
            kept.append(event)
        settings.on_wait(event)

    start = time.monotonic()
    hidden = settings.quiet or settings.no_progress
    async with nullcontext() if hidden else show_progress(tally, alone=True):
        stored = await settings.storage().write(
            dest,
            _chunks(sys.stdin.buffer),
            config=config,
            existing=settings.existing_objects,
            **settings.transfer_arguments,
            on_event=on_event,
            write_options=chosen_options(settings),
        )
    if kept and not settings.quiet:
        click.echo(visible(f"kept {Argument.of(dest).text}, which exists; stdin was not stored"), err=True)
    elif not settings.quiet:
        amount, seconds = stored.size or 0, time.monotonic() - start
        text = f"copied stdin to {Argument.of(dest).text}, {size(amount)} in {seconds:.2f} s"
        click.echo(visible(text), err=True)


def _chunks(stdin: BinaryIO) -> Iterator[bytes]:
    # Unbuffered: the interpreter locks buffers at exit, which aborts it if a thread is still reading.
    stream: Any = getattr(stdin, "raw", stdin)
    while (chunk := stream.read(_CHUNK)) != b"":
        if chunk is None:  # another program made the terminal non-blocking
            select.select([stream], [], [])
        else:
            yield chunk
