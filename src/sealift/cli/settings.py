"""The values of the shared options, and the configurations and limits they stand for."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import click

from ..config import S3Config
from ..types import Durability, Event, Limits, OnEvent, Verify
from ..uri import Location, parse
from .waits import print_each_wait, print_wait

if TYPE_CHECKING:
    from ..api.async_storage import AsyncStorage

__all__ = ["VERIFY", "Settings"]

VERIFY: dict[str, Verify] = {"yes": True, "require": "require", "no": False}

# The S3 options, and the attribute of `S3Config` that each one sets.
_S3_OPTIONS = {
    "endpoint_url": "endpoint_url",
    "region": "region",
    "profile": "profile",
    "no_sign_request": "anonymous",
}


class _TransferArguments(TypedDict):
    verify: Verify
    timeout: float | None
    durability: Durability


@dataclass(slots=True)
class Settings:
    """The values of the shared options. Each attribute has the name of its option."""

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
    retries: int | None = None
    patience: float | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    as_json: bool = False
    dry_run: bool = False
    verbose: int = 0
    quiet: bool = False
    no_progress: bool = False
    timeout: float | None = None
    verify: str = "yes"
    fsync: bool = False
    delete_snapshots: str | None = None

    @property
    def transfer_arguments(self) -> _TransferArguments:
        """The keyword arguments that `download`, `copy` and `sync` share."""
        verify = VERIFY[self.verify]
        return {"verify": verify, "timeout": self.timeout, "durability": "fsync" if self.fsync else "rename"}

    @property
    def on_wait(self) -> OnEvent:
        """Reports waits of calls that have no report of their own."""
        return _ignore if self.quiet else print_each_wait if self.verbose else print_wait

    def storage(self) -> "AsyncStorage":
        """A storage with the requested limits."""
        from ..api.async_storage import AsyncStorage  # noqa: PLC0415 - keeps --help fast

        chosen: dict[str, Any] = {"memory": self.memory, "patience": self.patience}
        if self.connections is not None:
            chosen |= {"connections": self.connections, "per_host": self.connections}
        if self.retries is not None:
            chosen["attempts"] = self.retries + 1
        limits = Limits(**{name: value for name, value in chosen.items() if value is not None})
        return AsyncStorage(limits, on_event=self.on_wait)

    def config(self, uri: str, environ: Mapping[str, str]) -> S3Config | None:
        """The configuration of the environment, overridden by the options; None if no option is set.

        Raises:
            UsageError: An option does not apply to this URI.
        """
        options, location = self._s3_options(""), parse(uri)
        _require_s3(options, "", location)
        return _config(options, environ) if options else None

    def configs(
        self, src: Location, dest: Location, environ: Mapping[str, str]
    ) -> tuple[S3Config | None, S3Config | None]:
        """The configurations of the source and the destination of a copy; see `config`.

        Raises:
            UsageError: An option does not apply to these URIs.
        """
        both, source_only = self._s3_options(""), self._s3_options("source_")
        _require_s3(both, "", src, dest)
        _require_s3(source_only, "source-", src)
        if source_only.get("profile"):
            source_only.setdefault("anonymous", False)
        if not both and not source_only:
            return None, None
        return (
            _config(both | source_only, environ) if src.scheme == "s3" else None,
            _config(both, environ) if dest.scheme == "s3" else None,
        )

    def _s3_options(self, prefix: str) -> dict[str, Any]:
        values = {attribute: getattr(self, prefix + name) for name, attribute in _S3_OPTIONS.items()}
        return {attribute: value for attribute, value in values.items() if value}


def _ignore(event: Event) -> None:
    """For --quiet."""


def _config(options: Mapping[str, Any], environ: Mapping[str, str]) -> S3Config:
    return dataclasses.replace(S3Config.from_env(environ), **options)


def _require_s3(options: Mapping[str, Any], prefix: str, *locations: Location) -> None:
    if options and all(location.scheme != "s3" for location in locations):
        names = ", ".join(
            f"--{prefix}{name.replace('_', '-')}" for name, attribute in _S3_OPTIONS.items() if attribute in options
        )
        schemes = " and ".join(dict.fromkeys(f"{location.scheme}://" for location in locations))
        raise click.UsageError(f"{names} applies only to s3://, not to {schemes}")
