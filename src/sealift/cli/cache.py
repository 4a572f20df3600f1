"""`sealift cache`."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import IntegrityError, LocalIOError
from ..progress.units import count, size
from ..uri import parse
from .cache_entries import cache_directory, entries_of, path_in_hub, path_in_read_only_cache, writable_directory
from .escaping import printable
from .formatting import json_line
from .option_groups import Command
from .options import byte_size, json_option
from .settings import Settings

if TYPE_CHECKING:
    from ..cache.maintenance import CacheEntry

__all__ = ["cache"]

F = TypeVar("F", bound=Callable[..., Any])

_DAY = 24 * 3600.0


@click.group(
    short_help="Show and manage the cache of downloaded models.",
    epilog="""\b
Examples:
  sealift cache ls -h
  sealift cache path s3://ml-models/llama/
  sealift cache pin s3://ml-models/llama/
  sealift cache prune --older-than 30
  sealift cache prune --size 100GB
  sealift cache verify
""",
)
def cache() -> None:
    """Show and manage the cache, to which Storage.download(uri) downloads.

    It is in $SEALIFT_CACHE, or else in $XDG_CACHE_HOME/sealift or ~/.cache/sealift. What comes from the Hugging Face
    Hub is in the Hub's own cache, which `hf cache` manages.
    """


def _command(name: str, summary: str) -> Callable[[Callable[..., None]], click.Command]:
    return cache.command(name, cls=Command, short_help=summary)


_uris = click.argument("uris", metavar="URI...", nargs=-1, required=True)


@_command("ls", "List what is in the cache.")
@click.option("-h", "--human-readable", "is_human", is_flag=True, help="Show sizes as 1.2 GB.")
@json_option
@click.pass_obj
def ls(settings: Settings, *, is_human: bool) -> None:
    """List what is in the cache: size in bytes, time of the last use (UTC), whether it is pinned or used, and URI.

    What was not used for longest, and would be removed first, comes first.

    With --json, each line is an object with uri, uris, path, size, files, last_used, pinned and used_by.
    """
    from ..cache.maintenance import entries  # noqa: PLC0415

    for entry in entries(cache_directory()):
        manifest, used = entry.manifest, datetime.fromtimestamp(entry.last_used, UTC)
        if settings.as_json:
            facts = {"size": manifest.size, "files": len(manifest.files), "last_used": used}
            state = {"pinned": entry.pinned, "used_by": entry.used_by}
            click.echo(json_line(uri=entry.uris[0], uris=entry.uris, path=entry.path, **facts, **state))
            continue
        amount = size(manifest.size) if is_human else str(manifest.size)
        state_text = "pinned" if entry.pinned else "in use" if entry.used_by else ""
        click.echo(printable(f"{amount:>15}  {used:%Y-%m-%dT%H:%M:%SZ}  {state_text:<6}  {entry.uris[0]}"))


@_command("du", "Show how much space the cache takes.")
@click.option("-h", "--human-readable", "is_human", is_flag=True, help="Show sizes as 1.2 GB.")
@json_option
@click.pass_obj
def du(settings: Settings, *, is_human: bool) -> None:
    """Show how many bytes the cache occupies on its disk. Files that several models share count once."""
    from ..cache.eviction import usage  # noqa: PLC0415

    directory = cache_directory()
    used = usage(directory)
    if settings.as_json:
        click.echo(json_line(path=directory.path, size=used.bytes, unfinished=used.unfinished))
        return
    text = size if is_human else str
    click.echo(f"{text(used.bytes)}  {directory.path}")
    if used.unfinished:
        click.echo(f"{text(used.unfinished)}  unfinished downloads")


@_command("rm", "Remove models from the cache.")
@_uris
@json_option
@click.pass_obj
def rm(settings: Settings, uris: tuple[str, ...]) -> None:
    """Remove all cached versions of each URI. What a process uses, or is pinned, is an error and stays."""
    from ..cache.eviction import collect_garbage, evict  # noqa: PLC0415

    directory = writable_directory()
    kept = []
    for entry in entries_of(directory, uris):
        if evict(directory, entry.manifest.snapshot):
            _print(settings, "removed", entry)
        else:
            why = "is pinned" if entry.pinned else f"is used by {', '.join(entry.used_by) or 'a process'}"
            kept.append(f"{entry.uris[0]} {why}")
    collect_garbage(directory)
    if kept:
        raise LocalIOError(f"not removed: {'; '.join(kept)}", hint="unpin it, or end the process")


@_command("prune", "Remove what is not needed.")
@click.option(
    "--all", "everything", is_flag=True, help="Remove everything that no process uses and that is not pinned."
)
@click.option("--older-than", type=float, metavar="DAYS", help="Remove what was not used for so many days.")
@click.option("--size", "limit", type=byte_size, metavar="SIZE", help="Remove models until the cache has this size.")
@json_option
@click.pass_obj
def prune(settings: Settings, *, everything: bool, older_than: float | None, limit: int | None) -> None:
    """Remove unfinished downloads, and models as the options say; those first that were not used for longest.

    What a process uses, and what is pinned, stays.
    """
    from ..cache.eviction import collect_garbage, evict, usage  # noqa: PLC0415
    from ..cache.maintenance import entries, remove_stale_requests, remove_unfinished  # noqa: PLC0415

    directory = writable_directory()
    now = time.time()
    removed, more = True, 1
    while removed:  # again for a size: what was removed has freed less if files are shared
        removed = False
        collect_garbage(directory)
        excess = 0 if limit is None else more * (usage(directory).bytes - limit)
        for entry in entries(directory):
            old = older_than is not None and entry.last_used < now - older_than * _DAY
            if not everything and not old and excess <= 0:
                break  # all others were used later
            if evict(directory, entry.manifest.snapshot):
                excess -= entry.manifest.occupied
                removed = limit is not None
                _print(settings, "removed", entry)
        more *= 2
    collect_garbage(directory)
    remove_stale_requests(directory)
    try:
        remove_unfinished(directory)
    except BlockingIOError as error:
        click.echo(f"unfinished downloads stay: {error}", err=True)


@_command("verify", "Read the cache back and compare it with its checksums.")
@json_option
@click.pass_obj
def verify(settings: Settings) -> None:
    """Read all files back, and compare them with the checksums of the service. Damaged files are moved aside, and the
    next download replaces them; the exit code is 1.

    Prints the files that are damaged or missing; with --json, one line for each file, with uri, path, result (intact,
    damaged, missing or recorded) and algorithm. "recorded": the service had no checksum of the whole file, so its
    SHA-256 is recorded, and compared the next time.
    """
    from ..cache.maintenance import verify as verify_all  # noqa: PLC0415

    files = damaged = 0
    for checked in verify_all(writable_directory()):
        files += 1
        bad = checked.result in {"damaged", "missing"}
        damaged += bad
        if settings.as_json:
            names = ("uri", "path", "result", "algorithm")
            click.echo(json_line(**{name: getattr(checked, name) for name in names}))
        elif bad:
            click.echo(printable(f"{checked.result}: {checked.path}"))
    if damaged:
        raise IntegrityError(f"{damaged} of {count(files, 'file')} are damaged or missing", hint="download them again")
    if not settings.as_json and not settings.quiet:
        click.echo(f"{count(files, 'file')} verified", err=True)


@_command("pin", "Keep models in the cache.")
@_uris
@json_option
@click.pass_obj
def pin(settings: Settings, uris: tuple[str, ...]) -> None:
    """Keep the cached versions of each URI, even when the cache is full."""
    from ..cache.maintenance import pin as pin_one  # noqa: PLC0415

    directory = writable_directory()
    for entry in entries_of(directory, uris):
        pin_one(directory, entry.manifest.snapshot)
        _print(settings, "pinned", entry)


@_command("unpin", "Let pinned models be removed when the cache is full.")
@_uris
@json_option
@click.pass_obj
def unpin(settings: Settings, uris: tuple[str, ...]) -> None:
    """Undo `sealift cache pin`."""
    from ..cache.maintenance import unpin as unpin_one  # noqa: PLC0415

    directory = writable_directory()
    for entry in entries_of(directory, uris):
        unpin_one(directory, entry.manifest.snapshot)
        _print(settings, "unpinned", entry)


@_command("path", "Print where a model is in the cache.")
@click.argument("uri")
@json_option
@click.pass_obj
def path(settings: Settings, uri: str) -> None:
    """Print the path of the version of URI that was used last. Nothing is downloaded.

    The caches of SEALIFT_CACHE_READ are searched, too, and for hf:// URIs the cache of the Hugging Face Hub.
    """
    location = parse(uri)
    found = path_in_hub(location) or path_in_read_only_cache(location) or entries_of(cache_directory(), [uri])[-1].path
    click.echo(json_line(uri=str(location), path=found) if settings.as_json else found)


def _print(settings: Settings, action: str, entry: "CacheEntry") -> None:
    if settings.as_json:
        click.echo(json_line(action=action, uri=entry.uris[0], path=entry.path, size=entry.manifest.size))
    elif not settings.quiet:
        click.echo(printable(f"{action}: {entry.uris[0]}"), err=True)
