"""`sealift mv`."""

import os
from functools import partial

import click

from ..config import StorageConfig
from ..types import Event, OnEvent
from .escaping import for_stdout
from .option_groups import Command
from .options import (
    copy_options,
    dry_run_option,
    existing_options,
    files_and_uris,
    json_option,
    on_error_of_move_option,
    pattern_options,
    recursive_option,
    snapshots_option,
    source_options,
    storage_options,
)
from .report import Report
from .run import run
from .settings import Settings
from .sources import Source, check_destination
from .stdout import encoded
from .time_left import TimeLeft
from .write_options import chosen_options, write_options

__all__ = ["mv"]

# Sources that are moved at the same time.
_AT_ONCE = 16


@click.command(
    cls=Command,
    short_help="Move objects and files between storages and disks.",
    epilog="""\b
Examples:
  sealift mv s3://ml-models/iris/model.joblib s3://ml-models/iris/old.joblib
  sealift mv -r s3://ml-models/llama s3://archive/llama
  sealift mv a.bin b.bin s3://ml-models/llama/              several sources
  sealift mv 's3://ml-models/llama/*.json' s3://archive/llama/
  sealift mv -r ./llama s3://ml-models/llama --verify require
  sealift mv -r --dry-run s3://ml-models/llama ./llama      show what would be moved
  sealift mv -r --skip-existing ./llama s3://ml-models/llama
  sealift mv -r --on-error continue s3://ml-models/llama s3://archive/llama
  sealift mv -r --storage-class GLACIER_IR s3://ml-models/llama s3://archive/llama
""",
)
@click.argument("arguments", metavar="SRC... DEST", nargs=-1, required=True, shell_complete=files_and_uris)
@recursive_option
@write_options
@pattern_options
@existing_options
@on_error_of_move_option
@snapshots_option
@copy_options
@json_option
@dry_run_option
@storage_options
@source_options
@click.pass_obj
def mv(settings: Settings, arguments: tuple[str, ...], *, recursive: bool) -> None:
    """Move objects or files; with -r, everything under a prefix or directory.

    Arguments and options are those of cp; a pattern must be the only SRC. Everything of a SRC is copied and verified
    first. Then its objects are removed, each only if it is still what was copied; if anything cannot be copied, nothing
    is removed, unless --on-error continue is given: then only what could not be copied stays. With --existing skip,
    what DEST has already is neither replaced nor removed from SRC. On one file system, files and directories are
    renamed.

    If the command is interrupted, run it again. Source objects that cannot be removed, or that were replaced meanwhile,
    are reported on stderr, and the exit code is 1.

    Prints the path or URI of each moved SRC on stdout; with --json, one line for each moved object and a summary line.
    Progress and a summary go to stderr.
    """
    *sources, dest = arguments
    if not sources:
        raise click.UsageError("missing argument 'DEST'")
    check_destination(dest, sources)
    given = [Source.of(uri, dest) for uri in sources]
    configs = [settings.configs(one.argument.location, one.destination.argument.location, os.environ) for one in given]
    existing, written = settings.existing_objects, chosen_options(settings)
    storage, report, left = settings.storage(), Report(settings, moving=True), TimeLeft(settings.timeout)

    async def move(source: Source, config: StorageConfig | None, dest_config: StorageConfig | None) -> str:
        moved = await storage.move(
            source.uri,
            source.dest,
            config=config,
            dest_config=dest_config,
            allow_patterns=source.include or settings.include or None,
            ignore_patterns=settings.exclude or None,
            recursive=recursive or source.include is not None,
            delete_snapshots=settings.delete_snapshots == "include",
            dry_run=settings.dry_run,
            existing=existing,
            on_error=settings.on_error or "stop",
            **(settings.transfer_arguments | {"timeout": settings.timeout if len(given) == 1 else left.seconds}),
            on_event=_without_deletions(report.transfer_events(source.argument, source.destination)),
            write_options=written,
        )
        return source.destination.returned_name(moved)

    async def move_all() -> list[str]:
        from ..api.many import gather  # noqa: PLC0415 - keeps --help fast

        several = len(given) > 1
        resolving = [
            partial(one.resolved, storage, config, named=recursive and several)
            for one, (config, _) in zip(given, configs, strict=True)
        ]
        async with report.progress(), storage:
            found = [one for one in await gather(resolving, _AT_ONCE, return_exceptions=False) if type(one) is Source]
            # Two patterns may match one object, or objects that would replace each other.
            if several and any(one.include is not None for one in found):
                raise click.UsageError("a pattern must be the only SRC of mv")
            if settings.include and any(one.include is not None for one in found):
                raise click.UsageError("a pattern in SRC and --include cannot be combined")
            calls = [partial(move, one, *pair) for one, pair in zip(found, configs, strict=True)]
            return [str(path) for path in await gather(calls, _AT_ONCE, return_exceptions=False)]

    paths = run(move_all)
    report.summarize_transfer(target=paths[0] if len(paths) == 1 else paths)
    if not settings.as_json and not settings.dry_run:
        for path in paths:
            click.echo(encoded(for_stdout(path)))


def _without_deletions(on_event: OnEvent) -> OnEvent:
    """Leave out the events of the source objects that are removed: they are reported as moved."""

    def passed_on(event: Event) -> None:
        if event.kind != "deleted":
            on_event(event)

    return passed_on
