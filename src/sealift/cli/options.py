"""The options that several commands share. Those of all storage commands may stand before the command's name too."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click
from click.shell_completion import CompletionItem

from ..config import S3Config
from ..errors import InvalidConfig
from ..types import Durability, Limits, Verify
from ..uri import Location, parse
from .units import parse_size

if TYPE_CHECKING:
    from ..api.async_storage import AsyncStorage

__all__ = [
    "Settings",
    "adding_r",
    "byte_size",
    "copy_options",
    "dry_run_option",
    "files_and_uris",
    "json_option",
    "pattern_options",
    "recursive_option",
    "snapshots_option",
    "source_options",
    "storage_options",
    "timeout_option",
]

F = TypeVar("F", bound=Callable[..., Any])

# Of the options about a service: the attribute of `S3Config` that each sets.
_S3 = {"endpoint_url": "endpoint_url", "region": "region", "profile": "profile", "no_sign_request": "anonymous"}


_VERIFY: dict[str, Verify] = {"yes": True, "require": "require", "no": False}


class _Moving(TypedDict):
    verify: Verify
    timeout: float | None
    durability: Durability


@dataclass(slots=True)
class Settings:
    """What the shared options said."""

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    no_sign_request: bool = False
    source_endpoint_url: str | None = None
    source_region: str | None = None
    source_profile: str | None = None
    source_no_sign_request: bool = False
    memory: int | None = None
    connections: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    as_json: bool = False
    dry_run: bool = False
    verbose: bool = False
    timeout: float | None = None
    verify: str = "yes"
    fsync: bool = False
    delete_snapshots: str | None = None

    @property
    def moving(self) -> "_Moving":
        """What the verbs that copy take of these."""
        verify = _VERIFY[self.verify]
        return {"verify": verify, "timeout": self.timeout, "durability": "fsync" if self.fsync else "rename"}

    def storage(self) -> "AsyncStorage":
        """The storage to ask, within the limits that were given."""
        from ..api.async_storage import AsyncStorage  # noqa: PLC0415 - not for --help

        limits = Limits(memory=self.memory)
        if self.connections is not None:
            limits = dataclasses.replace(limits, connections=self.connections, per_host=self.connections)
        return AsyncStorage(limits)

    def config(self, uri: str, environ: Mapping[str, str]) -> S3Config | None:
        """How to sign in: what the environment says, then what the options say; None: the environment alone.

        Raises:
            UsageError: An option that means nothing to this URI.
        """
        given, location = self._given(""), parse(uri)
        _refuse_unless_s3(given, "", location)
        return _config(given, environ) if given else None

    def configs(
        self, src: Location, dest: Location, environ: Mapping[str, str]
    ) -> tuple[S3Config | None, S3Config | None]:
        """How to sign in at the two ends of a copy; as `config`.

        Raises:
            UsageError: An option that means nothing to these URIs.
        """
        both, own = self._given(""), self._given("source_")
        _refuse_unless_s3(both, "", src, dest)
        _refuse_unless_s3(own, "source-", src)
        if own.get("profile"):
            own.setdefault("anonymous", False)
        if not both and not own:
            return None, None
        return (
            _config(both | own, environ) if src.scheme == "s3" else None,
            _config(both, environ) if dest.scheme == "s3" else None,
        )

    def _given(self, prefix: str) -> dict[str, Any]:
        given = {attribute: getattr(self, prefix + name) for name, attribute in _S3.items()}
        return {attribute: value for attribute, value in given.items() if value}


def _config(given: Mapping[str, Any], environ: Mapping[str, str]) -> S3Config:
    return dataclasses.replace(S3Config.from_env(environ), **given)


def _refuse_unless_s3(given: Mapping[str, Any], prefix: str, *places: Location) -> None:
    if given and all(place.scheme != "s3" for place in places):
        names = ", ".join(
            f"--{prefix}{name.replace('_', '-')}" for name, attribute in _S3.items() if attribute in given
        )
        schemes = " and ".join(dict.fromkeys(f"{place.scheme}://" for place in places))
        raise click.UsageError(f"{names}: for s3://, not {schemes}")


@contextmanager
def adding_r() -> Iterator[None]:
    """Of a prefix that was refused, tell which option lets it through."""
    try:
        yield
    except InvalidConfig as error:
        from ..operations.selection import ASK_RECURSIVELY  # noqa: PLC0415 - loaded by now

        if error.hint == ASK_RECURSIVELY:
            error.hint = "add -r for all that is below it"
        raise


def byte_size(text: str | int) -> int:
    """The type of an option that takes a number of bytes, such as 64MiB."""
    try:
        return parse_size(str(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def files_and_uris(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete paths; a URI stays as it is."""
    return [] if "://" in incomplete else [CompletionItem(incomplete, type="file")]


def _gather(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and value is not False and value != () and param.name is not None:
        setattr(ctx.ensure_object(Settings), param.name, value)


def _option(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_gather, **attributes)


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Add options to a command, or to the group; what they say is gathered in the context's `Settings`."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


storage_options = _all(
    _option("--endpoint-url", metavar="URL", help="Another S3 service than Amazon's, such as http://127.0.0.1:9000."),
    _option("--region", metavar="NAME", help="The bucket's region."),
    _option("--profile", metavar="NAME", help="A profile of ~/.aws: credentials, and its region and endpoint."),
    _option("--no-sign-request", is_flag=True, help="Send no credentials: for public buckets."),
    _option(
        "--memory", type=byte_size, metavar="SIZE", help="Bytes in flight at most, such as 64MiB.  [default: 128MiB]"
    ),
    _option(
        "--connections", type=click.IntRange(min=1), metavar="N", help="Connections at most.  [default: 32 per host]"
    ),
    _option("-v", "--verbose", is_flag=True, help="Tell of each object and retry; show where an error came from."),
)
source_options = _all(
    _option("--source-endpoint-url", metavar="URL", help="As --endpoint-url, for the source alone."),
    _option("--source-region", metavar="NAME", help="As --region, for the source alone."),
    _option("--source-profile", metavar="NAME", help="As --profile, for the source alone."),
    _option("--source-no-sign-request", is_flag=True, help="As --no-sign-request, for the source alone."),
)
pattern_options = _all(
    _option(
        "--include", multiple=True, metavar="PATTERN", help="Only paths that match, such as '*.json'. May be repeated."
    ),
    _option("--exclude", multiple=True, metavar="PATTERN", help="No paths that match. May be repeated."),
)
timeout_option = _option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up when it takes longer."
)
copy_options = _all(
    _option(
        "--verify",
        type=click.Choice(list(_VERIFY)),
        help="Compare checksums: wherever there are any, refuse what has none, or not at all.  [default: yes]",
    ),
    _option("--fsync", is_flag=True, help="Have local files on the disk, for the case of a power failure."),
    timeout_option,
)
snapshots_option = _option(
    "--delete-snapshots",
    type=click.Choice(["include"]),
    help="Azure: remove objects together with their snapshots. Without it, an object that has any is an error.",
)
json_option = _option("--json", "as_json", is_flag=True, help="Print JSON objects on stdout, one a line.")
dry_run_option = _option("-n", "--dry-run", is_flag=True, help="Only print what would be done.")
recursive_option = click.option("-r", "--recursive", is_flag=True, help="All that is below a prefix or a directory.")
