"""`sealift ls`."""

import os
from contextlib import aclosing
from datetime import UTC

import click

from ..keys.paths import is_directory_marker
from ..types import Event, ObjectInfo
from .arguments import Argument
from .formatting import json_line, skipped_line
from .option_groups import Command
from .options import files_and_uris, json_option, pattern_options, storage_options, timeout_option
from .run import run
from .settings import Settings
from .stdout import StdoutWriter
from .waits import print_wait

__all__ = ["ls"]


@click.command(
    cls=Command,
    short_help="List the objects under a prefix.",
    epilog="""\b
Examples:
  sealift ls s3://ml-models/
  sealift ls s3://ml-models/llama/ --include '*.safetensors'
  sealift ls -l s3://ml-models/llama/ | sort -n
  sealift ls --json s3://ml-models/llama/ | jq -s 'map(.size) | add'
""",
)
@click.argument("uri", shell_complete=files_and_uris)
@click.option("-l", "--long", "is_long", is_flag=True, help="Show size in bytes and modification time (UTC).")
@pattern_options
@timeout_option
@json_option
@storage_options
@click.pass_obj
def ls(settings: Settings, uri: str, *, is_long: bool) -> None:
    """List the objects under a prefix or a directory, recursively.

    Prints one path per line, relative to URI; for a single object, its name. Lines appear while the listing is fetched.
    An empty bucket or directory prints nothing. Entries that are neither files nor directories, such as broken links,
    are reported on stderr.

    With --json, each line is an object with key, path, size, modified and etag; unknown values are null.
    """
    argument = Argument.of(uri)
    storage, config = settings.storage(), settings.config(uri, os.environ)

    def line(obj: ObjectInfo, path: str) -> str:
        if settings.as_json:
            return json_line(key=obj.key, path=path, size=obj.size, modified=obj.modified, etag=obj.etag)
        return _long_line(obj, path) if is_long else path

    def on_event(event: Event) -> None:
        if event.kind == "skipped":
            click.echo(skipped_line(argument.name(event.key), event), err=True)
        else:
            print_wait(event)

    async def list_objects() -> None:
        listing = storage.objects(
            uri,
            config=config,
            allow_patterns=settings.include or None,
            ignore_patterns=settings.exclude or None,
            timeout=settings.timeout,
            on_event=on_event,
        )
        async with StdoutWriter() as stdout, aclosing(listing) as objects:
            async for obj in objects:
                if not is_directory_marker(obj.key, obj.size):
                    path = argument.relative_path(obj.key) or obj.name or argument.location.name
                    await stdout.write_line(line(obj, path))

    run(list_objects)


def _long_line(obj: ObjectInfo, path: str) -> str:
    amount = "-" if obj.size is None else str(obj.size)
    time = "-" if obj.modified is None else f"{obj.modified.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{amount:>15}  {time:<20}  {path}"
