"""The SRC arguments of a copy: one or several, each an object, a prefix or a pattern."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from ..config import StorageConfig
from ..errors import ModelMissingError
from .arguments import Argument, Destination

if TYPE_CHECKING:
    from ..api.async_storage import AsyncStorage

__all__ = ["Source", "check_destination"]

_MAGIC = re.compile(r"[*?\[]")
# "?" begins the query of a URL, and servers have no listing. In local paths, the shell replaces patterns.
_WITHOUT_PATTERNS = {"http", "https", "file"}


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
        location = self.argument.location
        is_pattern = location.scheme not in _WITHOUT_PATTERNS and _MAGIC.search(location.key)
        if not (is_pattern or named) or await self._is_object(storage, config):
            return self
        if is_pattern and (start := _MAGIC.search(self.uri)):
            base, slash, rest = self.uri[: start.start()].rpartition("/")
            base = base + slash or "./"
            argument = Argument.of(base)
            destination = replace(self.destination, source=argument)
            return Source(base, argument, self.dest, destination, rest + self.uri[start.start() :])
        dest = f"{self.dest.rstrip('/')}/{location.name or location.root}/"
        return replace(self, dest=dest, destination=Destination(Argument.of(dest), self.argument, into=True))

    async def _is_object(self, storage: "AsyncStorage", config: StorageConfig | None) -> bool:
        try:
            found = await storage.get_object_metadata(self.uri, config=config)
        except ModelMissingError:
            return False
        return bool(found["type"] == "object")


def check_destination(dest: str, sources: Sequence[str]) -> None:
    """Check that several sources can be copied to a destination.

    Raises:
        UsageError: DEST is neither a directory nor a prefix.
    """
    argument = Argument.of(dest)
    key = argument.location.key
    directory = not key or dest.endswith("/") or (argument.location.scheme == "file" and os.path.isdir(f"/{key}"))
    if len(sources) > 1 and not directory:
        raise click.UsageError(f"{dest} must be a directory, or end in '/', to receive several sources")
