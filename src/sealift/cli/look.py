"""`sealift ls`, `stat` and `cat`: the commands that change nothing."""

import os
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import click

from ..keys.paths import is_directory_marker
from ..types import Event, ObjectInfo
from .arguments import Place
from .options import (
    Settings,
    byte_size,
    files_and_uris,
    json_option,
    pattern_options,
    storage_options,
    timeout_option,
)
from .output import Output, as_json, skip_line
from .program import run
from .units import count, size

__all__ = ["cat", "ls", "stat"]


@click.command(
    short_help="List the objects below a prefix.",
    epilog="""\b
Examples:
  sealift ls s3://ml-models/
  sealift ls s3://ml-models/llama/ --include '*.safetensors'
  sealift ls -l s3://ml-models/llama/ | sort -n
  sealift ls --json s3://ml-models/llama/ | jq -s 'map(.size) | add'
""",
)
@click.argument("uri", shell_complete=files_and_uris)
@click.option("-l", "--long", "is_long", is_flag=True, help="With size in bytes and time (UTC).")
@pattern_options
@timeout_option
@json_option
@storage_options
@click.pass_obj
def ls(settings: Settings, uri: str, *, is_long: bool) -> None:
    """List the objects below a prefix, one path relative to URI a line; of an object its name.

    Lines appear while the listing arrives. With --json each is an object with key, path, size, modified and etag;
    what is not known is null. What is neither a file nor a directory, such as a link that leads nowhere, is named on
    stderr. Of an empty bucket or directory nothing is printed.
    """
    place = Place.of(uri)
    storage, config = settings.storage(), settings.config(uri, os.environ)

    def line(obj: ObjectInfo, path: str) -> str:
        if settings.as_json:
            return as_json(key=obj.key, path=path, size=obj.size, modified=obj.modified, etag=obj.etag)
        return _long(obj, path) if is_long else path

    def skipped(event: Event) -> None:
        click.echo(skip_line(place.name(event.key), event), err=True)

    async def listing() -> None:
        found = storage.objects(
            uri,
            config,
            allow_patterns=settings.include or None,
            ignore_patterns=settings.exclude or None,
            timeout=settings.timeout,
            on_event=skipped,
        )
        async with Output() as output, aclosing(found) as objects:
            async for obj in objects:
                if not is_directory_marker(obj.key, obj.size):
                    path = place.path(obj.key) or obj.name or place.location.name
                    await output.write_line(line(obj, path))

    run(listing)


def _long(obj: ObjectInfo, path: str) -> str:
    amount = "-" if obj.size is None else str(obj.size)
    time = "-" if obj.modified is None else f"{obj.modified.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{amount:>15}  {time:<20}  {path}"


@click.command(
    short_help="Tell what is known of an object.",
    epilog="""\b
Examples:
  sealift stat s3://ml-models/iris/model.joblib
  sealift stat --json s3://ml-models/iris/model.joblib | jq .size
""",
)
@click.argument("uri", shell_complete=files_and_uris)
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object; what is not known is null.")
@timeout_option
@storage_options
@click.pass_obj
def stat(settings: Settings, uri: str, *, wants_json: bool) -> None:
    """Show what is known of an object: size, time, ETag, checksums, headers, metadata and tags.

    Of a prefix, shows that it is one.
    """
    storage, config = settings.storage(), settings.config(uri, os.environ)
    found = run(lambda: storage.get_object_metadata(uri, config, timeout=settings.timeout))
    if wants_json:
        click.echo(as_json(**found))
        return
    for name, value in found.items():
        if value not in (None, {}):
            click.echo(f"{name.replace('_', ' '):<19} {_readable(name, value)}")


def _readable(name: str, value: Any) -> str:
    if name == "size":
        return f"{count(value, 'byte')} ({size(value)})" if value >= 1000 else count(value, "byte")
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return str(value)


@click.command(
    short_help="Write objects to stdout.",
    epilog="""\b
Examples:
  sealift cat s3://ml-models/llama/config.json | jq .
  sealift cat s3://ml-models/llama/part-1 s3://ml-models/llama/part-2 > model.bin
  sealift cat --length 8 s3://ml-models/llama/model.safetensors | od -t u8
""",
)
@click.argument("uris", metavar="URI...", nargs=-1, required=True, shell_complete=files_and_uris)
@click.option("--offset", type=byte_size, metavar="SIZE", default=0, help="Leave out as many bytes of each object.")
@click.option("--length", type=byte_size, metavar="SIZE", help="Write as many bytes of each object at most.")
@storage_options
@click.pass_obj
def cat(settings: Settings, uris: tuple[str, ...], *, offset: int, length: int | None) -> None:
    """Write the bytes of objects to stdout, one object after the other.

    A few parts are read ahead, in parallel; no more while nobody reads stdout. An object is verified when it is
    written: the exit code tells.
    """
    storage, configs = settings.storage(), [settings.config(uri, os.environ) for uri in uris]

    async def write() -> None:
        async with storage, Output() as output:
            for uri, config in zip(uris, configs, strict=True):
                async with aclosing(storage.open(uri, offset, length, config)) as chunks:
                    async for chunk in chunks:
                        await output.write(chunk)

    run(write)
