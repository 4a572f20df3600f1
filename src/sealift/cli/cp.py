"""`sealift cp`."""

import dataclasses
import os

import click

from .arguments import Argument, Destination
from .options import (
    copy_options,
    dry_run_option,
    files_and_uris,
    json_option,
    pattern_options,
    recursive_option,
    source_options,
    storage_options,
    suggest_recursive,
)
from .report import Report
from .run import run
from .settings import Settings
from .write_options import chosen_options, write_options

__all__ = ["cp"]


@click.command(
    short_help="Copy objects and files between storages and disks.",
    epilog="""\b
Examples:
  sealift cp s3://ml-models/iris/model.joblib .            one object, into the current directory
  sealift cp s3://ml-models/iris/model.joblib iris.joblib  with a new name
  sealift cp -r s3://ml-models/llama/ /mnt/models/llama    all objects under llama/
  sealift cp -r s3://ml-models/llama/ llama --include '*.safetensors' --include '*.json'
  sealift cp model.joblib s3://ml-models/iris/             one file, to the prefix iris/
  sealift cp -r --dry-run ./llama s3://ml-models/llama     show what would be copied
  sealift cp -r --json ./llama s3://ml-models/llama | jq -r 'select(.action == "copy").target'
  sealift cp --no-sign-request s3://public-bucket/model.onnx .
  sealift cp --endpoint-url http://127.0.0.1:9000 --memory 64MiB s3://models/big.bin /tmp/
  sealift cp -r --source-profile onprem s3://models/llama s3://ml-models/llama
  sealift cp -r --verify require --fsync --timeout 600 s3://ml-models/llama /mnt/models/llama
  sealift cp --unpack https://example.com/model.tar.gz /mnt/models/model
  sealift cp --storage-class STANDARD_IA --metadata team=nlp model.safetensors s3://ml-models/llama/
""",
)
@click.argument("src", shell_complete=files_and_uris)
@click.argument("dest", shell_complete=files_and_uris)
@recursive_option
@click.option("--unpack", is_flag=True, help="Extract SRC, a tar or zip archive, into the directory DEST.")
@click.option("--version-id", metavar="ID", help="Version of SRC, an object: version ID (S3, Azure) or generation.")
@write_options
@pattern_options
@copy_options
@json_option
@dry_run_option
@storage_options
@source_options
@click.pass_obj
def cp(settings: Settings, src: str, dest: str, *, recursive: bool, unpack: bool, version_id: str | None) -> None:
    """Copy an object or a file; with -r, everything under a prefix or directory.

    SRC and DEST are storage URIs or local paths. A single object is copied to DEST, or into DEST if it ends in "/" or
    is a bucket or an existing directory. The objects under a prefix are copied into DEST, under their paths relative to
    SRC. Patterns (* ? [abc]; * also matches "/") match these relative paths.

    An object appears under its final name once it is complete and verified; a new local directory appears when all its
    files are complete. Run an interrupted command again to resume it. A replaced file keeps its permissions. If DEST is
    a symbolic link to a file, the link is kept and the file it points to is replaced. Named pipes and devices are
    rejected as DEST (use sealift cat to stream an object).

    Symbolic links in SRC are followed. Local files that cannot be read, broken links, named pipes and the like are
    reported on stderr; the rest is copied, and the exit code is 1.

    Copies within one S3 service are made by the service. --endpoint-url, --region, --profile and --no-sign-request
    apply to both SRC and DEST if they are s3://; to copy between two services, set the --source- options for SRC. An
    endpoint set by an option or AWS_ENDPOINT_URL takes precedence over the endpoint of a profile.

    Headers, user metadata and tags of SRC are copied; --content-type, --metadata and the like replace them. Storage
    class, encryption and ACL are those of the bucket unless an option sets them. An option that the service of DEST
    does not have is an error.

    Prints the path or URI of DEST on stdout; with --json, one line for each copied object and a summary line. Progress
    and a summary go to stderr.
    """
    source = Argument.of(src)
    destination = Destination.of(Argument.of(dest), source)
    if recursive and source.location.scheme in {"http", "https"}:
        raise click.UsageError(f"-r cannot be used with {source.location.scheme}://, which cannot be listed")
    config, dest_config = settings.configs(source.location, destination.argument.location, os.environ)
    storage, report, written = settings.storage(), Report(settings), chosen_options(settings)
    if unpack:
        if written is not None:
            raise click.UsageError("--unpack writes local files, which have no headers, metadata or storage class")
        if destination.argument.location.scheme != "file" or settings.dry_run:
            raise click.UsageError("--unpack needs a local directory as DEST, and cannot be combined with --dry-run")
        destination = dataclasses.replace(destination, into=False)  # the archive is extracted into DEST itself

    async def copy() -> str:
        async with report.progress():
            if unpack:
                return await storage.download(
                    src,
                    f"/{destination.argument.location.key}",
                    config=config,
                    allow_patterns=settings.include or None,
                    ignore_patterns=settings.exclude or None,
                    unpack=True,
                    **settings.transfer_arguments,
                    on_event=report.transfer_events(source, destination),
                    version_id=version_id,
                )
            return await storage.copy(
                src,
                dest,
                config=config,
                dest_config=dest_config,
                allow_patterns=settings.include or None,
                ignore_patterns=settings.exclude or None,
                recursive=recursive,
                dry_run=settings.dry_run,
                **settings.transfer_arguments,
                on_event=report.transfer_events(source, destination),
                write_options=written,
                version_id=version_id,
            )

    with suggest_recursive():
        path = destination.returned_name(run(copy))
    report.summarize_transfer(target=path)
    if not settings.as_json and not settings.dry_run:
        click.echo(os.fsencode(path))
