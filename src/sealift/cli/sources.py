"""The SRC arguments of a copy: one or several, each an object, a prefix or a pattern."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from ..config import StorageConfig
from ..uri import parse
from .arguments import Argument, Destination
from .patterns import is_object, split_pattern

if TYPE_CHECKING:
    from ..api.async_storage import AsyncStorage

__all__ = ["Source", "check_destination"]


@dataclass(frozen=True, slots=True)
class Source:
    """One SRC argument, and where it is copied to.

    Attributes:
        uri: The argument; for a pattern, the prefix or directory in which it is searched.
        argument: The same, parsed.
        dest: The DEST argument, extended by the name of a directory if there are several sources.
        destination: The same, parsed.
        include: The pattern, relative to the prefix. None: the argument is not a pattern.
    """

    uri: str
    argument: Argument
    dest: str
    destination: Destination
    include: str | None = None

    @classmethod
    def of(cls, uri: str, dest: str) -> "Source":
        """Parse a SRC argument, and look at the destination. Blocks; raises like `Argument.of`."""
        argument = Argument.of(uri)
        return cls(uri, argument, dest, Destination.of(Argument.of(dest), argument))

    async def resolved(self, storage: "AsyncStorage", config: StorageConfig | None, *, named: bool) -> "Source":
        """Find out whether the argument is a pattern, and which directory receives a prefix.

        An object or file whose name is the pattern itself wins. "*" also matches "/", as in --include.

        Args:
            storage: The storage.
            config: Configuration of the source.
            named: Whether a prefix is copied into a directory of its own name, since there are several sources.
        """
        location, split = self.argument.location, split_pattern(self.uri)
        if not (split or named) or await is_object(storage, self.uri, config):
            return self
        if split is not None:
            argument = Argument.of(split[0])
            return Source(split[0], argument, self.dest, replace(self.destination, source=argument), split[1])
        dest = f"{self.dest.rstrip('/')}/{location.name or location.root}/"
        return replace(self, dest=dest, destination=Destination(Argument.of(dest), self.argument, into=True))


def check_destination(dest: str, sources: Sequence[str]) -> None:
    """Check that several sources can be copied to a destination.

    Raises:
        UsageError: DEST is neither a directory nor a prefix, or two sources have the same name in it.
    """
    argument = Argument.of(dest)
    key = argument.location.key
    directory = not key or dest.endswith("/") or (argument.location.scheme == "file" and os.path.isdir(f"/{key}"))
    if len(sources) > 1 and not directory:
        raise click.UsageError(f"{dest} must be a directory, or end in '/', to receive several sources")
    names: dict[str, str] = {}
    for source in sources:
        location = parse(source)
        if location.scheme in {"http", "https"} or split_pattern(source):
            continue  # the server may name the file, and what a pattern matches has names of its own
        name = location.name or location.root
        if name in names:
            raise click.UsageError(f"{names[name]} and {location} would both become {name!r} in {dest}")
        names[name] = str(location)
