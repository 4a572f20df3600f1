"""`sealift config show`."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import click

from ..config import Proxies, PVCConfig, StorageConfig, state_directory
from ..config.setting import Setting
from ..config.user_agent import user_agent
from ..runtime.event_loop import loop_factory
from ..runtime.memory_budget import default_budget
from ..types import Limits
from ..types.byte_sizes import format_size
from ..uri import Location, parse
from .escaping import printable
from .exit_codes import USAGE
from .formatting import json_line
from .option_groups import Command
from .options import files_and_uris, json_option, storage_options
from .run import run
from .service_options import SERVICE_OPTIONS
from .settings import Settings

__all__ = ["config"]

_WIDTH = 16
_DEFAULT = "the default"
# The option of each limit that has one. `Settings` has an attribute of its name.
_OPTIONS = {
    "memory": "--memory",
    "connections": "--connections",
    "per_host": "--connections",
    "part_size": "--part-size",
    "attempts": "--retries",
    "patience": "--patience",
    "bandwidth": "--bwlimit",
}
_UNITS = {
    "memory": "{size}",
    "part_size": "{size}",
    "min_throughput": "{size}/s",
    "bandwidth": "{size}/s",
    "patience": "{value:g} s",
    "backoff_initial": "{value:g} s",
    "backoff_max": "{value:g} s",
    "idle_timeout": "{value:g} s",
}
# What None stands for.
_NONE = {
    "part_size": "by the object's size",
    "attempts": "no limit, or that of the AWS profile",
    "processes": "2, if the interpreter is busy",
    "bandwidth": "no limit",
}


@click.group(
    invoke_without_command=True,
    short_help="Show the configuration.",
    epilog="""\b
Examples:
  sealift config show
  sealift config show s3://ml-models/llama/
""",
)
@click.pass_context
def config(ctx: click.Context) -> None:
    """Show the configuration that the other commands use."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


@config.command(
    cls=Command,
    short_help="Show the settings and where they come from.",
    epilog="""\b
Examples:
  sealift config show
  sealift config show s3://ml-models/llama/
  sealift config show --profile onprem --endpoint-url http://127.0.0.1:9000 s3://models/
  sealift config show --json | jq -r 'select(.source | startswith("SEALIFT_"))'
""",
)
@click.argument("uri", required=False, shell_complete=files_and_uris)
@json_option
@storage_options
@click.pass_obj
def show(settings: Settings, uri: str | None) -> None:
    """Show the settings that commands use, and where each comes from: an option, an environment variable, a profile, or
    the default. With URI, also those of its service: endpoint, region, credentials.

    Secrets are not shown. Nothing is sent to the storage; the AWS SDK may ask a service for credentials. `sealift
    doctor` checks whether URI can be read with these settings.

    Prints one line for each setting; with --json, an object with setting, value and source.
    """
    if uri is None and (given := settings.service_options()):
        flags = ", ".join(SERVICE_OPTIONS[name].flag for name in given.values)
        raise click.UsageError(f"{flags}: options of services need a URI")
    location = None if uri is None else parse(uri)
    chosen = None if uri is None else settings.config(uri, os.environ)
    for name, setting in _process_settings(settings, os.environ):
        _print(settings, name, setting)
    if location is not None:
        _print(settings, "URI", Setting(str(location)))
        for name, setting in run(partial(_describe, settings, location, chosen)).items():
            _print(settings, name, setting)


async def _describe(settings: Settings, location: Location, chosen: StorageConfig | None) -> dict[str, Setting]:
    from ..backends import describe_backend  # noqa: PLC0415 - keeps --help fast
    from ..instance import Instance  # noqa: PLC0415

    async with Instance(settings.limits()) as instance:
        return await describe_backend(location, chosen, instance)


def _process_settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[str, Setting]]:
    """The settings of all services.

    Raises:
        InvalidConfig: An environment variable cannot be used.
    """
    limits = settings.limits()
    for name in (field.name for field in fields(Limits)):
        yield name, Setting(_limit(name, getattr(limits, name)), _limit_source(name, settings, environ))
    loop = "asyncio" if loop_factory(environ) is None else "uvloop"
    yield "event loop", Setting(loop, _first(environ, "SEALIFT_LOOP"))
    directory = state_directory(environ)
    yield "state directory", Setting(directory or "none: uploads are not resumed", _state_source(directory, environ))
    proxies = Proxies.from_env(environ)
    for name, url in (("http", proxies.http), ("https", proxies.https)):
        variables = [each for prefix in (name, "all") for each in (f"{prefix}_proxy", f"{prefix}_proxy".upper())]
        if url is None:
            yield f"{name} proxy", Setting("none")
        else:  # without user name and password
            address = url.rpartition("@")[2].rpartition("://")[2]
            yield f"{name} proxy", Setting(address, _first(environ, *variables))
    if proxies.exempt:
        yield "no proxy for", Setting(", ".join(proxies.exempt), _first(environ, "no_proxy", "NO_PROXY"))
    yield "user agent", Setting(user_agent(environ), _first(environ, "SEALIFT_USER_AGENT"))
    if mounts := PVCConfig.from_env(environ).mounts:
        text = ", ".join(f"{claim}={directory}" for claim, directory in mounts.items())
        yield "volumes", Setting(text, _first(environ, "SEALIFT_PVC_MOUNTS"))


def _limit(name: str, value: Any) -> str:
    if value is None and name == "memory":
        value = default_budget()
    if value is None:
        return _NONE[name]
    unit = _UNITS.get(name, "{value}")
    return unit.format(value=value, size=format_size(value) if "size" in unit else "")


def _limit_source(name: str, settings: Settings, environ: Mapping[str, str]) -> str:
    option = _OPTIONS.get(name)
    if option is not None and getattr(settings, option.removeprefix("--").replace("-", "_")) is not None:
        return option
    return _first(environ, f"SEALIFT_{name.upper()}")


def _state_source(directory: str | None, environ: Mapping[str, str]) -> str | None:
    if directory is None:
        return None
    return "XDG_STATE_HOME" if os.path.isabs(environ.get("XDG_STATE_HOME", "")) else "HOME"


def _first(environ: Mapping[str, str], *variables: str) -> str:
    return next((name for name in variables if environ.get(name, "").strip()), _DEFAULT)


def _print(settings: Settings, name: str, setting: Setting) -> None:
    if settings.as_json:
        click.echo(json_line(setting=name, value=setting.value, source=setting.source))
    else:
        click.echo(printable(f"{name:<{_WIDTH}} {setting}"))
