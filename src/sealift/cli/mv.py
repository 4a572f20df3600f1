"""`sealift mv`."""

import os

import click

from ..types import Event
from .arguments import Argument, Destination
from .escaping import for_stdout
from .options import (
    copy_options,
    dry_run_option,
    files_and_uris,
    json_option,
    pattern_options,
    recursive_option,
    snapshots_option,
    source_options,
    storage_options,
)
from .report import Report
from .run import run
from .settings import Settings
from .stdout import encoded

__all__ = ["mv"]


@click.command(
    short_help="Move objects and files between storages and disks.",
    epilog="""\b
Examples:
  sealift mv s3://ml-models/iris/model.joblib s3://ml-models/iris/old.joblib
  sealift mv -r s3://ml-models/llama s3://archive/llama
  sealift mv -r ./llama s3://ml-models/llama --verify require
  sealift mv -r --dry-run s3://ml-models/llama ./llama      show what would be moved
""",
)
@click.argument("src", shell_complete=files_and_uris)
@click.argument("dest", shell_complete=files_and_uris)
@recursive_option
@pattern_options
@snapshots_option
@copy_options
@json_option
@dry_run_option
@storage_options
@source_options
@click.pass_obj
def mv(settings: Settings, src: str, dest: str, *, recursive: bool) -> None:
    """Move an object or a file; with -r, everything under a prefix or directory.

    Arguments and options are those of cp. Everything is copied and verified first. Then the source objects are removed,
    each only if it is still what was copied; if anything cannot be copied, nothing is removed. On one file system,
    files and directories are renamed.

    If the command is interrupted, run it again. Source objects that cannot be removed, or that were replaced meanwhile,
    are reported on stderr, and the exit code is 1.

    Prints the path or URI of DEST on stdout; with --json, one line for each moved object and a summary line. Progress
    and a summary go to stderr.
    """
    source = Argument.of(src)
    destination = Destination.of(Argument.of(dest), source)
    config, dest_config = settings.configs(source.location, destination.argument.location, os.environ)
    storage, report = settings.storage(), Report(settings, moving=True)
    transfer_events = report.transfer_events(source, destination)

    def on_event(event: Event) -> None:
        if event.kind != "deleted":  # the source of a moved object
            transfer_events(event)

    async def move() -> str:
        async with report.progress():
            return await storage.move(
                src,
                dest,
                config=config,
                dest_config=dest_config,
                allow_patterns=settings.include or None,
                ignore_patterns=settings.exclude or None,
                recursive=recursive,
                delete_snapshots=settings.delete_snapshots == "include",
                dry_run=settings.dry_run,
                **settings.transfer_arguments,
                on_event=on_event,
            )

    path = destination.returned_name(run(move))
    report.summarize_transfer(target=path)
    if not settings.as_json and not settings.dry_run:
        click.echo(encoded(for_stdout(path)))
