"""`sealift du`."""

import os
from contextlib import aclosing

import click

from ..keys.paths import is_directory_marker
from ..progress.units import count, size
from ..types import Event
from .arguments import Argument
from .escaping import for_stdout, visible
from .formatting import json_line, skipped_line
from .option_groups import Command
from .options import files_and_uris, json_option, pattern_options, storage_options, timeout_option
from .patterns import with_pattern
from .run import run
from .settings import Settings
from .stdout import encoded
from .time_left import TimeLeft

__all__ = ["du"]


@click.command(
    cls=Command,
    short_help="Show how many objects there are, and their size.",
    epilog="""\b
Examples:
  sealift du s3://ml-models/
  sealift du -h s3://ml-models/llama s3://ml-models/iris
  sealift du s3://ml-models/llama --include '*.safetensors'
  sealift du 's3://ml-models/llama/*.safetensors'           the same
  sealift du --json s3://ml-models/llama | jq .size
""",
)
@click.argument("uris", metavar="URI...", nargs=-1, required=True, shell_complete=files_and_uris)
@click.option("-h", "--human-readable", "is_human", is_flag=True, help="Show the size as 1.2 GB.")
@pattern_options
@timeout_option
@json_option
@storage_options
@click.pass_obj
def du(settings: Settings, uris: tuple[str, ...], *, is_human: bool) -> None:
    """Show the total size in bytes and the number of the objects under each URI.

    Directory markers are not counted. Links in a local directory are followed. Patterns match paths relative to the
    URI, as in cp. A URI can contain a pattern, in quotes.

    With --json, each line is an object with uri, size, objects, and unknown: how many objects have no known size.
    """
    storage = settings.storage()
    targets = [(Argument.of(uri), uri, settings.config(uri, os.environ)) for uri in uris]

    async def measure() -> None:
        left = TimeLeft(settings.timeout)
        async with storage:
            for named, uri, config in targets:
                base, include = await with_pattern(storage, uri, config, settings.include)
                argument = named if base == uri else Argument.of(base)

                def on_event(event: Event, argument: Argument = argument) -> None:
                    if event.kind == "skipped":
                        click.echo(skipped_line(argument.name(event.key), event), err=True)
                    else:
                        settings.on_wait(event)

                listing = storage.list(
                    base,
                    config=config,
                    allow_patterns=include or None,
                    ignore_patterns=settings.exclude or None,
                    timeout=left.seconds,
                    on_event=on_event,
                )
                total = number = unknown = 0
                async with aclosing(listing) as objects:
                    async for obj in objects:
                        if not is_directory_marker(obj.key, obj.size):
                            number += 1
                            total += obj.size or 0
                            unknown += obj.size is None
                _print(settings, named.text, total, number, unknown, is_human=is_human)

    run(measure)


def _print(settings: Settings, uri: str, total: int, number: int, unknown: int, *, is_human: bool) -> None:
    if settings.as_json:
        click.echo(json_line(uri=uri, size=total, objects=number, unknown=unknown))
        return
    amount = size(total) if is_human else str(total)
    click.echo(encoded(for_stdout(f"{amount:>15}  {count(number, 'object')}  {uri}")))
    if unknown:
        click.echo(visible(f"warning: {uri}: the size of {count(unknown, 'object')} is unknown"), err=True)
