"""`sealift rm`."""

import os

import click

from ..errors import ModelMissingError
from ..progress.units import count
from .arguments import Argument
from .option_groups import Command
from .options import (
    dry_run_option,
    files_and_uris,
    json_option,
    no_progress_option,
    on_error_option,
    pattern_options,
    recursive_option,
    snapshots_option,
    storage_options,
    timeout_option,
)
from .patterns import split_pattern
from .report import Report
from .run import run
from .settings import Settings
from .time_left import TimeLeft

__all__ = ["rm"]


@click.command(
    cls=Command,
    short_help="Remove objects or files.",
    epilog="""\b
Examples:
  sealift rm s3://ml-models/iris/model.joblib
  sealift rm -r --dry-run s3://ml-models/llama/          show what would be removed
  sealift rm -r s3://ml-models/llama/ --include '*.tmp'
  sealift rm --incomplete s3://ml-models/llama/          abort uploads that were interrupted
""",
)
@click.argument("uris", metavar="URI...", nargs=-1, required=True, shell_complete=files_and_uris)
@recursive_option
@click.option("--incomplete", is_flag=True, help="Abort incomplete uploads to the URI or under it, instead of objects.")
@pattern_options
@snapshots_option
@on_error_option
@json_option
@timeout_option
@no_progress_option
@dry_run_option
@storage_options
@click.pass_obj
def rm(settings: Settings, uris: tuple[str, ...], *, recursive: bool, incomplete: bool) -> None:
    """Remove objects or files; with -r, everything under a prefix or directory.

    URIs are processed in order, up to the first one that fails. Patterns match paths relative to the URI, as in cp.
    Symbolic links are removed, not their targets. Objects that cannot be removed are reported on stderr; the rest is
    removed, unless --on-error stop is given, and the exit code is 1.

    With --incomplete, uploads that this user has started on this machine, and that failed or were interrupted, are
    aborted: their stored parts are deleted, objects stay.

    With --json, prints one line for each removed object and a summary line. A summary also goes to stderr.
    """
    targets = [(uri, Argument.of(uri), settings.config(uri, os.environ)) for uri in uris]
    storage, report = settings.storage(), Report(settings)

    async def abort() -> int:
        left = TimeLeft(settings.timeout)
        async with storage:
            return sum(
                [await storage.abort_uploads(uri, config=config, timeout=left.seconds) for uri, _, config in targets]
            )

    async def remove() -> None:
        left = TimeLeft(settings.timeout)
        async with report.progress(), storage:
            for uri, argument, config in targets:
                try:
                    await storage.delete(
                        uri,
                        config=config,
                        recursive=recursive,
                        delete_snapshots=settings.delete_snapshots == "include",
                        allow_patterns=settings.include or None,
                        ignore_patterns=settings.exclude or None,
                        on_error=settings.on_error or "continue",
                        dry_run=settings.dry_run,
                        timeout=left.seconds,
                        on_event=report.removal_events(argument),
                    )
                except ModelMissingError as error:
                    # A name that contains "[" may be missing: no other object must be removed instead.
                    if split_pattern(uri) is not None:
                        error.hint = "rm takes no pattern in the URI: use -r with the prefix, and --include"
                    raise

    if incomplete:
        if recursive or settings.dry_run or settings.include or settings.exclude or settings.as_json:
            raise click.UsageError("--incomplete cannot be combined with -r, -n, --include, --exclude or --json")
        text = f"aborted {count(run(abort), 'incomplete upload')}"
        if not settings.quiet:
            click.echo(text, err=True)
        return
    run(remove)
    report.summarize_removal()
