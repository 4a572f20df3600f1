"""`sealift cp` and `sync`."""

import dataclasses
import os

import click

from .arguments import Place, Target
from .options import (
    Settings,
    adding_r,
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
from .program import run
from .reporting import Telling

__all__ = ["cp", "sync"]


@click.command(
    short_help="Copy objects or files, from anywhere to anywhere.",
    epilog="""\b
Examples:
  sealift cp s3://ml-models/iris/model.joblib .            one object, into this directory
  sealift cp s3://ml-models/iris/model.joblib iris.joblib  under another name
  sealift cp -r s3://ml-models/llama/ /mnt/models/llama    all objects below llama/
  sealift cp -r s3://ml-models/llama/ llama --include '*.safetensors' --include '*.json'
  sealift cp model.joblib s3://ml-models/iris/             a file, under the prefix iris/
  sealift cp -r --dry-run ./llama s3://ml-models/llama     what would be copied?
  sealift cp -r --json ./llama s3://ml-models/llama | jq -r 'select(.action == "copy").target'
  sealift cp --no-sign-request s3://public-bucket/model.onnx .
  sealift cp --endpoint-url http://127.0.0.1:9000 --memory 64MiB s3://models/big.bin /tmp/
  sealift cp -r --source-profile onprem s3://models/llama s3://ml-models/llama
  sealift cp -r --verify require --fsync --timeout 600 s3://ml-models/llama /mnt/models/llama
  sealift cp --unpack https://example.com/model.tar.gz /mnt/models/model
""",
)
@click.argument("src", shell_complete=files_and_uris)
@click.argument("dest", shell_complete=files_and_uris)
@recursive_option
@click.option("--unpack", is_flag=True, help="SRC is a tar or zip archive: what is in it, into the directory DEST.")
@pattern_options
@copy_options
@json_option
@dry_run_option
@storage_options
@source_options
@click.pass_obj
def cp(settings: Settings, src: str, dest: str, *, recursive: bool, unpack: bool) -> None:
    """Copy an object or a file; with -r, all that is below a prefix or a directory.

    SRC and DEST are storage URIs or local paths. Of an object or a file: DEST is what it becomes, or, if it ends in
    "/", is a bucket or an existing directory, what receives it. Of a prefix or a directory: DEST is what receives
    the objects under their paths relative to SRC; the patterns (* ? [abc], where * takes "/" too) are compared with
    those paths. An object appears under its name when it is whole and verified; a local directory that did not exist
    appears as a whole. A file that is replaced keeps its permissions. If DEST is a symbolic link to a file, the link
    stays and that file is replaced; a named pipe or a device is refused (to stream an object, use sealift cat). Links
    in SRC are followed. A local file that cannot be read, a broken link, a named pipe or the like is named on stderr;
    the rest is copied, and the exit code is 1.

    Within one S3 service, the service copies by itself. --endpoint-url, --region, --profile and --no-sign-request
    are for each s3:// of the two; between two services, the --source- options are for SRC alone. An endpoint that an
    option or AWS_ENDPOINT_URL names goes before that of a profile.

    Prints DEST's path or URI on stdout, or with --json an object for each that was copied and one for all; progress
    and a summary go to stderr.
    """
    source = Place.of(src)
    target = Target.of(Place.of(dest), source)
    config, dest_config = settings.configs(source.location, target.place.location, os.environ)
    storage, telling = settings.storage(), Telling(settings)
    if unpack:
        if target.place.location.scheme != "file" or settings.dry_run:
            raise click.UsageError("--unpack: only into a local directory, and not with --dry-run")
        target = dataclasses.replace(target, into=False)  # DEST itself receives what is in the archive

    async def copy() -> str:
        async with telling.progress():
            if unpack:
                return await storage.download(
                    src,
                    f"/{target.place.location.key}",
                    config,
                    allow_patterns=settings.include or None,
                    ignore_patterns=settings.exclude or None,
                    unpack=True,
                    **settings.moving,
                    on_event=telling.transfer(source, target),
                )
            return await storage.copy(
                src,
                dest,
                config,
                dest_config,
                allow_patterns=settings.include or None,
                ignore_patterns=settings.exclude or None,
                recursive=recursive,
                dry_run=settings.dry_run,
                **settings.moving,
                on_event=telling.transfer(source, target),
            )

    with adding_r():
        path = target.final(run(copy))
    telling.copied(target=path)
    if not settings.as_json and not settings.dry_run:
        click.echo(os.fsencode(path))


@click.command(
    short_help="Copy what differs, and with --delete remove the rest.",
    epilog="""\b
Examples:
  sealift sync s3://ml-models/llama /mnt/models/llama
  sealift sync --delete ./llama s3://ml-models/llama
  sealift sync --delete --dry-run ./llama s3://ml-models/llama     what would change?
  sealift sync --checksum s3://ml-models/llama /mnt/models/llama   read and compare what is there
  sealift sync --source-endpoint-url http://127.0.0.1:9000 s3://models/llama s3://ml-models/llama
""",
)
@click.argument("src", shell_complete=files_and_uris)
@click.argument("dest", shell_complete=files_and_uris)
@click.option("--delete", is_flag=True, help="In the end, remove what only DEST has.")
@snapshots_option
@click.option("--checksum", is_flag=True, help="Compare checksums where sizes are equal; local files are read for it.")
@click.option("--size-only", is_flag=True, help="Take objects of equal size for equal, even if their bytes differ.")
@pattern_options
@copy_options
@json_option
@dry_run_option
@storage_options
@source_options
@click.pass_obj
def sync(settings: Settings, src: str, dest: str, *, delete: bool, checksum: bool, size_only: bool) -> None:
    """Make DEST, a prefix or a directory, hold what SRC holds, and copy only what differs.

    Two objects are equal if their sizes are equal, and a checksum or ETag in both listings says so, or an earlier sync
    recorded that they have the same bytes and neither has changed since. Anything else is copied; times are never
    compared. The record is kept under $XDG_STATE_HOME/sealift (~/.local/state/sealift). To adopt a copy that another
    tool made, run once with --checksum.

    Objects that the patterns leave out are neither copied nor removed. Nothing is removed before everything was copied,
    nor if something failed or could not be read.

    --endpoint-url, --region, --profile and --no-sign-request are for each s3:// of the two; between two services,
    the --source- options are for SRC alone, as in cp.

    With --json, prints an object for each that was copied or removed, and one for all; progress and a summary go to
    stderr.
    """
    if checksum and size_only:
        raise click.UsageError("--checksum and --size-only exclude each other")
    source = Place.of(src)
    target = Target.of(Place.of(dest), source)
    config, dest_config = settings.configs(source.location, target.place.location, os.environ)
    storage, telling = settings.storage(), Telling(settings)

    async def synchronize() -> int:
        async with telling.progress():
            done = await storage.sync(
                src,
                dest,
                config,
                dest_config,
                delete=delete,
                delete_snapshots=settings.delete_snapshots == "include",
                checksum=checksum,
                size_only=size_only,
                allow_patterns=settings.include or None,
                ignore_patterns=settings.exclude or None,
                dry_run=settings.dry_run,
                **settings.moving,
                on_event=telling.transfer(source, target),
            )
            return done.kept

    telling.copied(kept=run(synchronize))
