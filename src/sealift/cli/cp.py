"""`sealift cp`."""

import dataclasses
import os
from functools import partial

import click

from ..config import StorageConfig
from ..types.trust import Trust
from .arguments import Argument, Destination
from .escaping import for_stdout
from .option_groups import Command
from .options import (
    copy_options,
    dry_run_option,
    existing_options,
    files_and_uris,
    json_option,
    on_error_option,
    pattern_options,
    recursive_option,
    source_options,
    storage_options,
    symlinks_option,
)
from .report import Report
from .run import run
from .settings import Settings
from .signature_options import chosen_trust, signature_options
from .sources import Source, check_destination
from .stdout import encoded
from .streams import STANDARD_STREAM, copy_from_stdin, write_to_stdout
from .time_left import TimeLeft
from .write_options import chosen_options, write_options

__all__ = ["cp"]

# Sources that are copied at the same time; the parts of each are, too.
_AT_ONCE = 16


@click.command(
    cls=Command,
    short_help="Copy objects and files between storages and disks.",
    epilog="""\b
Examples:
  sealift cp s3://ml-models/iris/model.joblib .            one object, into the current directory
  sealift cp s3://ml-models/iris/model.joblib iris.joblib  with a new name
  sealift cp -r s3://ml-models/llama/ /mnt/models/llama    all objects under llama/
  sealift cp -r s3://ml-models/llama/ llama --include '*.safetensors' --include '*.json'
  sealift cp model.joblib s3://ml-models/iris/             one file, to the prefix iris/
  sealift cp a.bin b.bin 's3://ml-models/llama/*.json' .   several sources, and a pattern
  sealift cp -r --dry-run ./llama s3://ml-models/llama     show what would be copied
  sealift cp -r --json ./llama s3://ml-models/llama | jq -r 'select(.action == "copy").target'
  sealift cp --no-sign-request s3://public-bucket/model.onnx .
  sealift cp --endpoint-url http://127.0.0.1:9000 --memory 64MiB s3://models/big.bin /tmp/
  sealift cp -r --source-profile onprem s3://models/llama s3://ml-models/llama
  sealift cp -r --verify require --fsync --timeout 600 s3://ml-models/llama /mnt/models/llama
  sealift cp -r --skip-existing ./llama s3://ml-models/llama
  sealift cp -r --on-error continue s3://ml-models/llama /mnt/models/llama
  tar c llama | sealift cp - s3://ml-models/llama.tar      from stdin
  sealift cp --unpack https://example.com/model.tar.gz /mnt/models/model
  sealift cp --signature s3://ml-models/llama/model.sig --public-key release.pub s3://ml-models/llama/ llama
  sealift cp --storage-class STANDARD_IA --metadata team=nlp model.safetensors s3://ml-models/llama/
""",
)
@click.argument("arguments", metavar="SRC... DEST", nargs=-1, required=True, shell_complete=files_and_uris)
@recursive_option
@click.option("--unpack", is_flag=True, help="Extract SRC, a tar or zip archive, into the directory DEST.")
@click.option("--version-id", metavar="ID", help="Version of SRC, an object: version ID (S3, Azure) or generation.")
@write_options
@pattern_options
@existing_options
@on_error_option
@symlinks_option
@copy_options
@json_option
@dry_run_option
@storage_options
@source_options
@signature_options
@click.pass_obj
def cp(
    settings: Settings,
    /,
    arguments: tuple[str, ...],
    *,
    recursive: bool,
    unpack: bool,
    version_id: str | None,
    **signed_by: str | None,
) -> None:
    """Copy objects or files; with -r, everything under a prefix or directory.

    SRC and DEST are storage URIs or local paths. A single object is copied to DEST, or into DEST if it ends in "/" or
    is a bucket or an existing directory. The objects under a prefix are copied into DEST, under their paths relative to
    SRC; if there are several sources, into a directory of the prefix's name in DEST. Patterns (* ? [abc]; * also
    matches "/") match these relative paths.

    "-" is stdin as SRC, and stdout as DEST. An object that is copied from stdin appears when stdin has ended; objects
    are verified after their last byte is written to stdout: check the exit code.

    The URI of SRC can contain a pattern; quote it. 's3://models/llama/*.json' is the same as s3://models/llama/ with -r
    and --include '*.json', unless there is an object of this very name.

    An object appears under its final name once it is complete and verified; a new local directory appears when all its
    files are complete; those that fail are reported and missing, unless --on-error stop is given. Run an interrupted
    command again to resume it. A replaced file keeps its permissions. If DEST is a symbolic link to a file, the link is
    kept and the file it points to is replaced. Named pipes and devices are rejected as DEST (use sealift cat to stream
    an object).

    Files that an earlier run has downloaded, and that have not changed since at either end, are not downloaded again.
    Other files and objects that exist are replaced, unless --existing says otherwise.

    Symbolic links in SRC are followed, unless --no-follow-symlinks is given. Local files that cannot be read, broken
    links, named pipes and the like are reported on stderr; the rest is copied, and the exit code is 1.

    Copies within one service are made by the service. The options under "Services" apply to both SRC and DEST where
    they can; to copy between two services of one kind, set the --source- options for SRC. An endpoint set by an option
    or AWS_ENDPOINT_URL takes precedence over the endpoint of a profile.

    Headers, user metadata and tags of SRC are copied; --content-type, --metadata and the like replace them. Storage
    class, encryption and ACL are those of the bucket unless an option sets them. An option that the service of DEST
    does not have is an error.

    With --signature, SRC is downloaded only as it was signed: the signature is verified first, then exactly the files
    that it lists are fetched, and none appears whose digest differs.

    Prints the path or URI of each copy on stdout; with --json, one line for each copied object and a summary line.
    Progress and a summary go to stderr.
    """
    *sources, dest = arguments
    if not sources:
        raise click.UsageError("missing argument 'DEST'")
    trust = chosen_trust(**signed_by)
    if STANDARD_STREAM in arguments:
        if trust is not None:
            raise click.UsageError(
                "--signature cannot be combined with '-': bytes are compared before they can be used"
            )
        _copy_stream(settings, sources, dest, version_id)
        return
    check_destination(dest, sources)
    if unpack or trust is not None:
        _download(settings, sources, dest, version_id, unpack=unpack, trust=trust)
        return
    given = [Source.of(uri, dest) for uri in sources]
    if recursive and (schemes := {one.argument.location.scheme for one in given} & {"http", "https"}):
        raise click.UsageError(f"-r cannot be used with {schemes.pop()}://, which cannot be listed")
    configs = [settings.configs(one.argument.location, one.destination.argument.location, os.environ) for one in given]
    existing = settings.existing_objects
    written = chosen_options(settings)
    if version_id is not None and len(given) > 1:
        raise click.UsageError("--version-id needs a single SRC")
    storage, report, left = settings.storage(), Report(settings), TimeLeft(settings.timeout)

    async def copy(source: Source, config: StorageConfig | None, dest_config: StorageConfig | None) -> str:
        source = await source.resolved(storage, config, named=recursive and len(given) > 1)
        if source.include is not None and settings.include:
            raise click.UsageError("a pattern in SRC and --include cannot be combined")
        copied = await storage.copy(
            source.uri,
            source.dest,
            config=config,
            dest_config=dest_config,
            allow_patterns=source.include or settings.include or None,
            ignore_patterns=settings.exclude or None,
            existing=existing,
            symlinks=settings.symlinks,
            recursive=recursive or source.include is not None,
            dry_run=settings.dry_run,
            on_error=settings.on_error or "continue",
            **(settings.transfer_arguments | {"timeout": settings.timeout if len(given) == 1 else left.seconds}),
            on_event=report.transfer_events(source.argument, source.destination),
            write_options=written,
            version_id=version_id,
        )
        return source.destination.returned_name(copied)

    async def copy_all() -> list[str]:
        from ..api.many import gather  # noqa: PLC0415 - keeps --help fast

        calls = [partial(copy, source, *pair) for source, pair in zip(given, configs, strict=True)]
        async with report.progress(), storage:
            return [str(path) for path in await gather(calls, _AT_ONCE, return_exceptions=False)]

    copies = run(copy_all)
    _finish(settings, report, copies)


def _copy_stream(settings: Settings, sources: list[str], dest: str, version_id: str | None) -> None:
    """Copy stdin to an object, or objects to stdout."""
    if dest == STANDARD_STREAM and STANDARD_STREAM not in sources:
        run(partial(write_to_stdout, settings, sources, version_id=version_id))
    elif sources == [STANDARD_STREAM] and dest != STANDARD_STREAM:
        run(partial(copy_from_stdin, settings, dest))
    else:
        raise click.UsageError("'-' must be the only SRC, or DEST")


def _download(
    settings: Settings, sources: list[str], dest: str, version_id: str | None, *, unpack: bool, trust: Trust | None
) -> None:
    """Extract an archive, or download a signed model."""
    option = "--unpack" if unpack else "--signature"
    if settings.existing_objects != "overwrite":
        raise click.UsageError(f"--existing and --skip-existing cannot be combined with {option}")
    if chosen_options(settings) is not None:
        raise click.UsageError(f"{option} writes local files, which have no headers, metadata or storage class")
    source, destination = Argument.of(sources[0]), Destination.of(Argument.of(dest), Argument.of(sources[0]))
    if len(sources) > 1 or destination.argument.location.scheme != "file" or settings.dry_run:
        raise click.UsageError(
            f"{option} needs a local directory as DEST and one SRC, and cannot be combined with --dry-run"
        )
    if unpack:
        destination = dataclasses.replace(destination, into=False)  # the archive is extracted into DEST itself
    config, _ = settings.configs(source.location, destination.argument.location, os.environ)
    storage, report = settings.storage(), Report(settings)

    async def download() -> str:
        async with report.progress():
            return await storage.download(
                sources[0],
                f"/{destination.argument.location.key}",
                config=config,
                allow_patterns=settings.include or None,
                ignore_patterns=settings.exclude or None,
                unpack=unpack,
                trust=trust,
                on_error=settings.on_error or "stop",
                **settings.transfer_arguments,
                on_event=report.transfer_events(source, destination),
                version_id=version_id,
            )

    _finish(settings, report, [destination.returned_name(run(download))])


def _finish(settings: Settings, report: Report, copies: list[str]) -> None:
    """Print the summary and the paths of the copies."""
    report.summarize_transfer(target=copies[0] if len(copies) == 1 else copies)
    if not settings.as_json and not settings.dry_run:
        for path in copies:
            click.echo(encoded(for_stdout(path)))
