"""`sealift tensors ls`."""

import os

import click

from ..progress.units import count, size
from ..tensors.meta import TensorMeta
from .formatting import json_line
from .option_groups import Command
from .options import files_and_uris, json_option, storage_options
from .run import run
from .settings import Settings
from .stdout import print_line

__all__ = ["tensors"]

_EXAMPLES = """\b
Examples:
  sealift tensors ls s3://ml-models/llama/
  sealift tensors ls hf://owner/name@main
  sealift tensors ls --json model.safetensors | jq -s 'map(.bytes) | add'
"""


@click.group(short_help="Show the tensors of a model.", epilog=_EXAMPLES)
def tensors() -> None:
    """Show what safetensors files contain, without reading the tensors."""


@tensors.command(cls=Command, short_help="List names, types, shapes and sizes.", epilog=_EXAMPLES)
@click.argument("uri", shell_complete=files_and_uris)
@json_option
@storage_options
@click.pass_obj
def ls(settings: Settings, uri: str) -> None:
    """List the tensors of a safetensors file, an index, or a prefix, directory or hub repository that contains them.

    Reads only the headers, and checks them. Prints type, size in bytes, shape and name of each tensor, file by file,
    and the sum on stderr. With --json, each line is an object with name, dtype, shape, bytes, file and offset.
    """
    storage, config = settings.storage(), settings.config(uri, os.environ)

    async def read_headers() -> list[TensorMeta]:
        async with storage.tensors(uri, config=config) as opened:
            return [opened.meta(name) for name in opened.names]

    metas = run(read_headers)
    for meta in metas:
        print_line(_json(meta) if settings.as_json else _line(meta))
    if not settings.quiet and not settings.as_json:
        click.echo(f"{count(len(metas), 'tensor')}, {size(sum(meta.nbytes for meta in metas))}", err=True)


def _json(meta: TensorMeta) -> str:
    return json_line(
        name=meta.name, dtype=meta.dtype, shape=meta.shape, bytes=meta.nbytes, file=meta.file, offset=meta.offset
    )


def _line(meta: TensorMeta) -> str:
    return f"{meta.dtype:<8}  {meta.nbytes:>15}  {list(meta.shape)!s:<20}  {meta.name}"
