"""`sealift rm`."""

import os
import time

import click

from .arguments import Place
from .options import (
    Settings,
    adding_r,
    dry_run_option,
    files_and_uris,
    json_option,
    pattern_options,
    recursive_option,
    snapshots_option,
    storage_options,
    timeout_option,
)
from .program import run
from .reporting import Telling

__all__ = ["rm"]


@click.command(
    short_help="Remove objects or files.",
    epilog="""\b
Examples:
  sealift rm s3://ml-models/iris/model.joblib
  sealift rm -r --dry-run s3://ml-models/llama/          what would be removed?
  sealift rm -r s3://ml-models/llama/ --include '*.tmp'
""",
)
@click.argument("uris", metavar="URI...", nargs=-1, required=True, shell_complete=files_and_uris)
@recursive_option
@pattern_options
@snapshots_option
@json_option
@timeout_option
@dry_run_option
@storage_options
@click.pass_obj
def rm(settings: Settings, uris: tuple[str, ...], *, recursive: bool) -> None:
    """Remove objects or files; with -r, all that is below a prefix or a directory.

    The URIs are taken one after the other, up to the first failure. The patterns are compared with paths relative to
    the URI, as in cp. Links are removed, not what they lead to. What cannot be removed is named on stderr; the rest is
    removed, and the exit code is 1.

    With --json, prints an object for each that was removed, and one for all; a summary goes to stderr.
    """
    places = [(uri, Place.of(uri), settings.config(uri, os.environ)) for uri in uris]
    storage, telling = settings.storage(), Telling(settings)

    async def remove() -> None:
        end = None if settings.timeout is None else time.monotonic() + settings.timeout
        async with telling.progress(), storage:
            for uri, place, config in places:
                await storage.delete(
                    uri,
                    config,
                    recursive=recursive,
                    delete_snapshots=settings.delete_snapshots == "include",
                    allow_patterns=settings.include or None,
                    ignore_patterns=settings.exclude or None,
                    dry_run=settings.dry_run,
                    timeout=None if end is None else max(0.0, end - time.monotonic()),
                    on_event=telling.removal(place),
                )

    with adding_r():
        run(remove)
    telling.removed()
