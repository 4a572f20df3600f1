"""The values of the shared options, and the configurations and limits they stand for."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

import click

from ..config import StorageConfig
from ..types import Durability, Event, Existing, Limits, OnError, OnEvent, Symlinks, Verify
from ..uri import Location, parse
from .service_options import SERVICE_OPTIONS, ServiceOptions
from .waits import print_each_wait, print_wait

if TYPE_CHECKING:
    from ..api.async_storage import AsyncStorage

__all__ = ["VERIFY", "Settings"]

VERIFY: dict[str, Verify] = {"yes": True, "require": "require", "no": False}


class _TransferArguments(TypedDict):
    verify: Verify
    timeout: float | None
    durability: Durability


@dataclass(slots=True)
class Settings:
    """The values of the shared options. Each attribute has the name of its option."""

    endpoint_url: str | None = None
    anonymous: bool = False
    ca_bundle: str | None = None
    no_verify_ssl: bool = False
    region: str | None = None
    profile: str | None = None
    project: str | None = None
    account: str | None = None
    token: str | None = field(default=None, repr=False)
    revision: str | None = None
    header: tuple[str, ...] = field(default=(), repr=False)
    source_endpoint_url: str | None = None
    source_region: str | None = None
    source_profile: str | None = None
    source_anonymous: bool = False
    memory: int | None = None
    connections: int | None = None
    part_size: int | None = None
    bwlimit: int | None = None
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
    existing: Existing | None = None
    skip_existing: bool = False
    on_error: OnError | None = None
    no_follow_symlinks: bool = False
    delete_snapshots: str | None = None
    request_payer: str | None = None
    sse_c_key: bytes | None = field(default=None, repr=False)
    written: dict[str, Any] = field(default_factory=dict)  # arguments of `WriteOptions`

    @property
    def transfer_arguments(self) -> _TransferArguments:
        """The keyword arguments that `download`, `copy` and `sync` share."""
        verify = VERIFY[self.verify]
        return {
            "verify": verify,
            "timeout": self.timeout,
            "durability": "fsync" if self.fsync else "rename",
        }

    @property
    def existing_objects(self) -> Existing:
        """What happens to objects and files that exist.

        Raises:
            UsageError: Two options contradict each other.
        """
        if self.skip_existing and self.existing not in {None, "skip"}:
            raise click.UsageError(f"--skip-existing and --existing {self.existing} exclude each other")
        return "skip" if self.skip_existing else self.existing or "overwrite"

    @property
    def symlinks(self) -> Symlinks:
        """What happens to symbolic links in a local source."""
        return "skip" if self.no_follow_symlinks else "follow"

    @property
    def on_wait(self) -> OnEvent:
        """Reports waits of calls that have no report of their own."""
        return _ignore if self.quiet else print_each_wait if self.verbose else print_wait

    def storage(self) -> "AsyncStorage":
        """A storage with the limits of the environment, overridden by the options.

        Raises:
            InvalidConfig: An environment variable cannot be used.
        """
        from ..api.async_storage import AsyncStorage  # noqa: PLC0415 - keeps --help fast

        return AsyncStorage(self.limits(), on_event=print_wait)

    def limits(self) -> Limits:
        """The requested limits."""
        chosen: dict[str, Any] = {
            "memory": self.memory,
            "patience": self.patience,
            "part_size": self.part_size,
            "bandwidth": self.bwlimit,
        }
        if self.connections is not None:
            chosen |= {"connections": self.connections, "per_host": self.connections}
        if self.retries is not None:
            chosen["attempts"] = self.retries + 1
        chosen = {name: value for name, value in chosen.items() if value is not None}
        return dataclasses.replace(Limits.from_env(os.environ), **chosen)

    def config(self, uri: str, environ: Mapping[str, str]) -> StorageConfig | None:
        """The configuration of the environment, overridden by the options; None if no option is set.

        Raises:
            UsageError: An option does not apply to this URI.
        """
        options, location = self.service_options(), parse(uri)
        options.check(location)
        return options.config(location, environ) if options else None

    def configs(
        self, src: Location, dest: Location, environ: Mapping[str, str]
    ) -> tuple[StorageConfig | None, StorageConfig | None]:
        """The configurations of the source and the destination of a copy; see `config`.

        Raises:
            UsageError: An option does not apply to these URIs.
        """
        both, source_only = self.service_options(), self.service_options("source_")
        both.check(src, dest)
        source_only.check(src)
        if not both and not source_only:
            return None, None
        return both.overridden_by(source_only).config(src, environ), both.config(dest, environ)

    def service_options(self, prefix: str = "") -> ServiceOptions:
        """The options of services that were given; `prefix` is "" or "source_"."""
        values = {name: getattr(self, prefix + name, None) for name in SERVICE_OPTIONS}
        return ServiceOptions({name: value for name, value in values.items() if value}, prefix.replace("_", "-"))


def _ignore(event: Event) -> None:
    """For --quiet."""
