"""`sealift cat`."""

from functools import partial

import click

from .option_groups import Command
from .options import byte_size, files_and_uris, storage_options
from .run import run
from .settings import Settings
from .streams import write_to_stdout

__all__ = ["cat"]


@click.command(
    cls=Command,
    short_help="Write objects to stdout.",
    epilog="""\b
Examples:
  sealift cat s3://ml-models/llama/config.json | jq .
  sealift cat s3://ml-models/llama/part-1 s3://ml-models/llama/part-2 > model.bin
  sealift cat --length 8 s3://ml-models/llama/model.safetensors | od -t u8
""",
)
@click.argument("uris", metavar="URI...", nargs=-1, required=True, shell_complete=files_and_uris)
@click.option("--offset", type=byte_size, metavar="SIZE", default=0, help="Skip this many bytes of each object.")
@click.option("--length", type=byte_size, metavar="SIZE", help="Write at most this many bytes of each object.")
@click.option("--version-id", metavar="ID", help="Version of the object: version ID (S3, Azure) or generation.")
@storage_options
@click.pass_obj
def cat(settings: Settings, uris: tuple[str, ...], *, offset: int, length: int | None, version_id: str | None) -> None:
    """Write the contents of objects to stdout, one object after the other.

    A URI can contain a pattern, such as 's3://models/llama/*.json'; quote it.

    Reads ahead a few parts in parallel, and pauses while stdout is not read. Each object is verified after its last
    byte is written: check the exit code.
    """
    if version_id is not None and len(uris) > 1:
        raise click.UsageError("--version-id needs a single URI")
    run(partial(write_to_stdout, settings, uris, offset=offset, length=length, version_id=version_id))
