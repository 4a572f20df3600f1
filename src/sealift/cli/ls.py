"""`sealift ls`."""

import os
from contextlib import aclosing
from datetime import UTC

import click

from ..keys.paths import is_directory_marker
from ..progress.units import size
from ..types import Event, ObjectInfo
from ..uri import service_of
from .arguments import Argument
from .escaping import for_stdout
from .formatting import json_line, skipped_line
from .option_groups import Command
from .options import files_and_uris, json_option, pattern_options, storage_options, timeout_option
from .patterns import with_pattern
from .run import run
from .settings import Settings
from .stdout import StdoutWriter

__all__ = ["ls"]


@click.command(
    cls=Command,
    short_help="List objects, prefixes or buckets.",
    epilog="""\b
Examples:
  sealift ls s3://                                         the buckets
  sealift ls s3://ml-models/                               one level: objects, and prefixes with a final /
  sealift ls -r s3://ml-models/llama/ --include '*.safetensors'
  sealift ls 's3://ml-models/llama/*.safetensors'          the same
  sealift ls -lh s3://ml-models/llama/
  sealift ls -r -l s3://ml-models/llama/ | sort -n
  sealift ls -r --json s3://ml-models/llama/ | jq -s 'map(.size) | add'
""",
)
@click.argument("uri", shell_complete=files_and_uris)
@click.option("-l", "--long", "is_long", is_flag=True, help="Show size in bytes and modification time (UTC).")
@click.option("-h", "--human-readable", "is_human", is_flag=True, help="With -l, show sizes as 1.2 GB.")
@click.option("-r", "--recursive", is_flag=True, help="List everything under a prefix or directory.")
@pattern_options
@timeout_option
@json_option
@storage_options
@click.pass_obj
def ls(settings: Settings, uri: str, *, is_long: bool, is_human: bool, recursive: bool) -> None:
    """List what is directly under a prefix or a directory; with -r, everything under it. s3://, gs:// and azure:// list
    the buckets or containers of the account. A pattern in URI, in quotes, lists all that it matches; * also matches
    "/".

    Prints one path per line, relative to URI; for a single object, its name. Prefixes and directories end in "/". Lines
    appear while the listing is fetched. An empty bucket or directory prints nothing. Entries that are neither files nor
    directories, such as broken links, are reported on stderr.

    With --json, each line is an object with key, path, type (object or prefix), size, modified and etag; unknown values
    are null. For a bucket it has bucket and uri.
    """
    service = service_of(uri)
    if service is not None:
        _list_buckets(settings, service)
        return
    storage, config = settings.storage(), settings.config(uri, os.environ)
    named = Argument.of(uri)  # may look at the disk, unlike that of a pattern

    def line(obj: ObjectInfo, path: str) -> str:
        if settings.as_json:
            kind = "prefix" if obj.is_prefix else "object"
            return json_line(key=obj.key, path=path, type=kind, size=obj.size, modified=obj.modified, etag=obj.etag)
        return _long_line(obj, path, is_human=is_human) if is_long else path

    async def list_objects() -> None:
        base, include = await with_pattern(storage, uri, config, settings.include)
        argument = named if base == uri else Argument.of(base)

        def on_event(event: Event) -> None:
            if event.kind == "skipped":
                click.echo(skipped_line(argument.name(event.key), event), err=True)
            else:
                settings.on_wait(event)

        listing = storage.list(
            base,
            config=config,
            delimiter=None if recursive or base != uri else "/",
            allow_patterns=include or None,
            ignore_patterns=settings.exclude or None,
            timeout=settings.timeout,
            on_event=on_event,
        )
        async with StdoutWriter() as stdout, aclosing(listing) as objects:
            async for obj in objects:
                if obj.is_prefix or not is_directory_marker(obj.key, obj.size):
                    path = argument.relative_path(obj.key) or obj.name or argument.location.name
                    await stdout.write_line(line(obj, path))

    run(list_objects)


def _list_buckets(settings: Settings, service: str) -> None:
    storage, config = settings.storage(), settings.config(f"{service}://any", os.environ)
    for name in run(lambda: storage.list_buckets(f"{service}://", config=config, timeout=settings.timeout)):
        click.echo(json_line(bucket=name, uri=f"{service}://{name}/") if settings.as_json else for_stdout(name))


def _long_line(obj: ObjectInfo, path: str, *, is_human: bool) -> str:
    amount = "-" if obj.size is None else size(obj.size) if is_human else str(obj.size)
    time = "-" if obj.modified is None else f"{obj.modified.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{amount:>15}  {time:<20}  {path}"
