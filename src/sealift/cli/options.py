"""The options that all storage commands share; they may stand before the command's name too."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..config import S3Config
from ..types import Limits
from ..uri import parse
from .units import parse_size

if TYPE_CHECKING:
    from ..client import AsyncStorage

__all__ = ["Settings", "byte_size", "storage_options"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class Settings:
    """What the shared options said."""

    endpoint_url: str | None = None
    region: str | None = None
    no_sign_request: bool = False
    memory: int | None = None
    connections: int | None = None
    verbose: bool = False

    def storage(self) -> "AsyncStorage":
        """The storage to ask, within the limits that were given."""
        from ..client import AsyncStorage  # noqa: PLC0415 - not for --help

        limits = Limits(memory=self.memory)
        if self.connections is not None:  # one command talks to one host
            limits = dataclasses.replace(limits, connections=self.connections, per_host=self.connections)
        return AsyncStorage(limits)

    def config(self, uri: str, environ: Mapping[str, str]) -> S3Config | None:
        """How to sign in: what the environment says, then what the options say; None: the environment alone.

        Raises:
            UsageError: An option that means nothing to this URI.
        """
        given: dict[str, Any] = {
            "endpoint_url": self.endpoint_url,
            "region": self.region,
            "anonymous": self.no_sign_request,
        }
        given = {name: value for name, value in given.items() if value}
        if not given:
            return None
        scheme = parse(uri).scheme
        if scheme != "s3":
            raise click.UsageError(f"--endpoint-url, --region and --no-sign-request are for s3://, not {scheme}://")
        return dataclasses.replace(S3Config.from_env(environ), **given)


def byte_size(text: str | int) -> int:
    """The type of an option that takes a number of bytes, such as 64MiB."""
    try:
        return parse_size(str(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def storage_options(command: F) -> F:
    """Add them to a command, or to the group; what they say is gathered in the context's `Settings`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _gather(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value not in {None, False} and param.name is not None:
        setattr(ctx.ensure_object(Settings), param.name, value)


def _option(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_gather, **attributes)


_OPTIONS = (
    _option("--endpoint-url", metavar="URL", help="Another S3 service than Amazon's, such as http://127.0.0.1:9000."),
    _option("--region", metavar="NAME", help="The bucket's region."),
    _option("--no-sign-request", is_flag=True, help="Send no credentials: for public buckets."),
    _option(
        "--memory", type=byte_size, metavar="SIZE", help="Bytes in flight at most, such as 64MiB.  [default: 128MiB]"
    ),
    _option(
        "--connections", type=click.IntRange(min=1), metavar="N", help="Connections at most.  [default: 32 per host]"
    ),
    _option("-v", "--verbose", is_flag=True, help="Tell of each object and retry; show where an error came from."),
)
