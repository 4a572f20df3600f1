"""`sealift sync`."""

import os

import click

from .arguments import Argument, Destination
from .option_groups import Command
from .options import (
    copy_options,
    dry_run_option,
    files_and_uris,
    json_option,
    on_error_option,
    pattern_options,
    snapshots_option,
    source_options,
    storage_options,
    symlinks_option,
)
from .report import Report
from .run import run
from .settings import Settings
from .write_options import chosen_options, write_options

__all__ = ["sync"]


@click.command(
    cls=Command,
    short_help="Copy only what differs, and optionally delete the rest.",
    epilog="""\b
Examples:
  sealift sync s3://ml-models/llama /mnt/models/llama
  sealift sync --delete ./llama s3://ml-models/llama
  sealift sync --delete --dry-run ./llama s3://ml-models/llama     show what would change
  sealift sync --checksum s3://ml-models/llama /mnt/models/llama   compare contents
  sealift sync --source-endpoint-url http://127.0.0.1:9000 s3://models/llama s3://ml-models/llama
""",
)
@click.argument("src", shell_complete=files_and_uris)
@click.argument("dest", shell_complete=files_and_uris)
@click.option("--delete", is_flag=True, help="After copying, remove objects that exist only in DEST.")
@snapshots_option
@click.option("--checksum", is_flag=True, help="Compare checksums of objects of equal size. Reads local files.")
@click.option(
    "--size-only",
    is_flag=True,
    help="Compare sizes only: skip objects of equal size.",
)
@write_options
@pattern_options
@on_error_option
@symlinks_option
@copy_options
@json_option
@dry_run_option
@storage_options
@source_options
@click.pass_obj
def sync(settings: Settings, src: str, dest: str, *, delete: bool, checksum: bool, size_only: bool) -> None:
    """Make DEST, a prefix or directory, match SRC, copying only what differs.

    An object is skipped if both listings have the same size and a matching checksum or ETag, or if an earlier sync
    recorded that the contents are equal and neither has changed since. Everything else is copied; modification times
    are not compared. The records are in $XDG_STATE_HOME/sealift (~/.local/state/sealift); where that cannot be
    written, objects that the listings cannot compare are copied again. For a copy that another tool made, run once with
    --checksum to avoid copying everything again.

    Objects excluded by patterns are neither copied nor removed. --delete removes objects only after everything is
    copied, and removes nothing if an object could not be read or copied.

    --endpoint-url, --region, --profile, --no-sign-request and the --source- options work as in cp. Options such as
    --storage-class apply to the objects that are copied; no object is copied again because of them.

    With --json, prints one line for each copied or removed object and a summary line. Progress and a summary go to
    stderr.
    """
    if checksum and size_only:
        raise click.UsageError("--checksum and --size-only cannot be combined")
    source = Argument.of(src)
    destination = Destination.of(Argument.of(dest), source)
    config, dest_config = settings.configs(source.location, destination.argument.location, os.environ)
    storage, report, written = settings.storage(), Report(settings), chosen_options(settings)

    async def synchronize() -> int:
        async with report.progress():
            result = await storage.sync(
                src,
                dest,
                config=config,
                dest_config=dest_config,
                delete=delete,
                delete_snapshots=settings.delete_snapshots == "include",
                checksum=checksum,
                size_only=size_only,
                allow_patterns=settings.include or None,
                ignore_patterns=settings.exclude or None,
                symlinks=settings.symlinks,
                dry_run=settings.dry_run,
                on_error=settings.on_error or "continue",
                **settings.transfer_arguments,
                on_event=report.transfer_events(source, destination),
                write_options=written,
            )
            return result.kept

    report.summarize_transfer(kept=run(synchronize))
