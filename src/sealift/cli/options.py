"""Options that several commands share.

Each option stores its value in the `Settings` attribute of the same name. `storage_options` can also be given before
the name of the command.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ..types.byte_sizes import parse_size
from .logs import be_quiet, be_verbose
from .option_groups import GroupedOption
from .settings import VERIFY, Settings

__all__ = [
    "byte_size",
    "copy_options",
    "dry_run_option",
    "existing_options",
    "files_and_uris",
    "json_option",
    "no_progress_option",
    "on_error_of_move_option",
    "on_error_option",
    "pattern_options",
    "recursive_option",
    "snapshots_option",
    "source_options",
    "storage_options",
    "symlinks_option",
    "timeout_option",
]

F = TypeVar("F", bound=Callable[..., Any])


def byte_size(text: str | int) -> int:
    """Convert the value of an option that takes a size in bytes, such as 64MiB."""
    try:
        return parse_size(str(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def key_file(text: str | bytes) -> bytes:
    """Read the value of an option that names the file of a key, also as `fileb://`, as in the aws CLI."""
    if isinstance(text, bytes):
        return text
    try:
        with open(text.removeprefix("fileb://"), "rb") as file:
            return file.read(1024)
    except OSError as error:
        raise click.BadParameter(f"{text}: {error.strerror}") from None


def files_and_uris(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete URIs, by asking the service, and leave local paths to the shell."""
    if "://" not in incomplete:
        return [CompletionItem(incomplete, type="file")]
    from .remote_completion import complete_uri  # noqa: PLC0415 - only where a URI is completed

    return [CompletionItem(uri) for uri in complete_uri(ctx.find_object(Settings) or Settings(), incomplete)]


def _store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and value is not False and value != () and param.name is not None:
        setattr(ctx.ensure_object(Settings), param.name, value)


def _option(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, cls=GroupedOption, expose_value=False, callback=_store, **attributes)


def _combine(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Combine option decorators into one."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_SERVICES, _LIMITS, _SOURCE = "Services", "Limits", "Services, for SRC only"

storage_options = _combine(
    _option(
        "--endpoint-url",
        metavar="URL",
        heading=_SERVICES,
        help="Endpoint of s3://, gs://, azure://, hf:// or modelscope://, such as http://127.0.0.1:9000.",
    ),
    _option(
        "--anonymous",
        "--no-sign-request",
        "anonymous",
        is_flag=True,
        heading=_SERVICES,
        help="Send requests without credentials, for public data.",
    ),
    _option("--ca-bundle", metavar="PATH", heading=_SERVICES, help="Trust the CAs in this PEM file."),
    _option(
        "--no-verify-ssl", is_flag=True, heading=_SERVICES, help="Accept any TLS certificate. For tests only: insecure."
    ),
    _option("--region", metavar="NAME", heading=_SERVICES, help="s3: region of the bucket."),
    _option(
        "--profile", metavar="NAME", heading=_SERVICES, help="s3: AWS profile: its credentials, region and endpoint."
    ),
    _option("--project", metavar="ID", heading=_SERVICES, help="gs: project to bill for requester-pays buckets."),
    _option("--account", metavar="NAME", heading=_SERVICES, help="azure: storage account."),
    _option(
        "--token",
        metavar="TOKEN",
        heading=_SERVICES,
        help="hf, modelscope, oci: access token. Other users of this machine can see it; HF_TOKEN, `hf auth login`, "
        "MODELSCOPE_API_TOKEN and `docker login` are safer.",
    ),
    _option("--revision", metavar="REV", heading=_SERVICES, help="hf: branch, tag or commit.  [default: main]"),
    _option(
        "--header",
        multiple=True,
        metavar="'NAME: VALUE'",
        heading=_SERVICES,
        help="http: header to send to the server of the URL. Can be repeated.",
    ),
    _option(
        "--request-payer",
        heading=_SERVICES,
        type=click.Choice(["requester"]),
        help="s3: agree to pay for requests to requester-pays buckets.",
    ),
    _option(
        "--sse-c-key",
        heading=_SERVICES,
        type=key_file,
        metavar="FILE",
        help="s3: file with the 32 bytes of the key for server-side encryption with a customer-provided key (SSE-C).",
    ),
    _option(
        "--memory",
        type=byte_size,
        metavar="SIZE",
        heading=_LIMITS,
        help="Maximum memory for data in flight, such as 64MiB.  [default: 128MiB]",
    ),
    _option(
        "--connections",
        type=click.IntRange(min=1),
        metavar="N",
        heading=_LIMITS,
        help="Maximum number of connections.  [default: 128 per host]",
    ),
    _option(
        "--part-size",
        type=byte_size,
        metavar="SIZE",
        heading=_LIMITS,
        help="Size of the parts of large objects, such as 16MiB.  [default: by the object's size]",
    ),
    _option(
        "--bwlimit",
        type=byte_size,
        metavar="SIZE",
        heading=_LIMITS,
        help="Maximum number of bytes per second, in each direction, such as 10MiB.  [default: no limit]",
    ),
    _option(
        "--retries",
        type=click.IntRange(min=0),
        metavar="N",
        heading=_LIMITS,
        help="Maximum number of retries per request.  [default: none, see --patience]",
    ),
    _option(
        "--patience",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        heading=_LIMITS,
        help="Retry until nothing from the host has succeeded for so long.  [default: 180]",
    ),
    click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=be_verbose,
        help="Show each object and each retry, and tracebacks of errors; -vv: also each request.",
    ),
    click.option("--debug", is_flag=True, expose_value=False, callback=be_verbose, help="The same as -vv."),
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=be_quiet,
        help="Print only errors and warnings: no progress, no summary.",
    ),
)
source_options = _combine(
    _option("--source-endpoint-url", metavar="URL", heading=_SOURCE, help="Like --endpoint-url."),
    _option("--source-region", metavar="NAME", heading=_SOURCE, help="Like --region."),
    _option("--source-profile", metavar="NAME", heading=_SOURCE, help="Like --profile."),
    _option(
        "--source-anonymous",
        "--source-no-sign-request",
        "source_anonymous",
        is_flag=True,
        heading=_SOURCE,
        help="Like --anonymous.",
    ),
)
pattern_options = _combine(
    _option(
        "--include",
        multiple=True,
        metavar="PATTERN",
        help="Include only paths that match, such as '*.json', or 'onnx/' for a directory. Can be repeated.",
    ),
    _option("--exclude", multiple=True, metavar="PATTERN", help="Exclude paths that match. Can be repeated."),
)
timeout_option = _option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Fail if the command takes longer."
)
no_progress_option = _option("--no-progress", is_flag=True, help="Show no progress, only a summary at the end.")
copy_options = _combine(
    _option(
        "--verify",
        type=click.Choice(list(VERIFY)),
        help="Verify checksums where available (yes), fail if an object has no checksum (require), or compare "
        "sizes only (no).  [default: yes]",
    ),
    _option("--fsync", is_flag=True, help="Flush local files to disk, so that they survive a power failure."),
    no_progress_option,
    timeout_option,
)
existing_options = _combine(
    _option(
        "--existing",
        type=click.Choice(["overwrite", "skip", "fail"]),
        help="What to do about objects and files that exist: replace them, keep them, or fail before anything is "
        "written.  [default: overwrite]",
    ),
    _option("--skip-existing", "--no-clobber", is_flag=True, help="The same as --existing skip."),
)
on_error_option = _option(
    "--on-error",
    type=click.Choice(["stop", "continue"]),
    help="What to do if an object of a prefix fails: continue with the others and exit with 1 at the end, or stop.  "
    "[default: continue]",
)
on_error_of_move_option = _option(
    "--on-error",
    type=click.Choice(["stop", "continue"]),
    help="What to do if an object of a prefix cannot be copied: stop and remove nothing, or move the others and exit "
    "with 1 at the end.  [default: stop]",
)
symlinks_option = _option(
    "--no-follow-symlinks", is_flag=True, help="Skip symbolic links in a local source, instead of following them."
)
snapshots_option = _option(
    "--delete-snapshots",
    type=click.Choice(["include"]),
    help="Delete Azure blobs together with their snapshots. Without it, deleting a blob that has snapshots fails.",
)
json_option = _option("--json", "as_json", is_flag=True, help="Print JSON on stdout, one object per line.")
dry_run_option = _option("-n", "--dry-run", is_flag=True, help="Show what would be done, without doing it.")
recursive_option = click.option(
    "-r", "--recursive", is_flag=True, help="Include everything under a prefix or directory."
)
