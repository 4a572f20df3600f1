"""Selecting the objects of a prefix that a call copies or removes."""

from collections.abc import AsyncGenerator, Awaitable, Callable

from ..compressed_list import CompressedList
from ..errors import InvalidConfig, ModelMissingError, Skipped, UnsafeKey
from ..keys import paths
from ..types import ObjectInfo
from .call_options import CallOptions
from .resolve import Prefix
from .skip_report import SkipReport, report_kept

__all__ = ["Exists", "Selection"]

Exists = Callable[[str], Awaitable[bool]]
"""Given the path of an object below the destination, returns whether there is one."""


class Selection:
    """The selected objects of a prefix.

    Attributes:
        prefix: The prefix.
        found: Number of objects that the patterns match, without the marker of the prefix itself.
        kept: Paths of objects that the destination already has.
        exists: Finds out which those are, to keep them whatever they contain. None: none is kept for its name.
        target: The prefix of the keys at the destination, for events.

    Raises:
        InvalidConfig: A prefix is not allowed.
    """

    def __init__(self, prefix: Prefix, options: CallOptions, report: SkipReport) -> None:
        if not options.recursive:
            subject = f"{prefix.key!r} is" if prefix.key else "the URI names"
            raise InvalidConfig(f"{subject} a prefix, not an object", hint="pass recursive=True")
        self.prefix = prefix
        self.found = 0
        self.kept: CompressedList[str] = CompressedList()
        self.exists: Exists | None = None
        self.target = ""
        self._options = options
        self._report = report
        self._excluded = False
        self._empty = True

    async def objects(self, path_of: Callable[[ObjectInfo], str]) -> AsyncGenerator[tuple[ObjectInfo, str]]:
        """List each selected object with its path at the destination; the path of a directory marker is "".

        Args:
            path_of: Returns the path, or raises if the key has none.
        """
        needs_copy = self._options.needs_copy
        prefix = self.prefix.key
        async for obj in self.prefix.objects:
            self._empty = False
            marker = paths.is_directory_marker(obj.key, obj.size)
            name = obj.key[len(prefix) :] if marker else paths.collapse(obj.key, prefix)
            if not self._options.patterns.matches(name):
                # The prefix's own marker is not one of the objects below it.
                self._excluded = self._excluded or bool(name)
                continue
            self.found += bool(name)
            try:
                path = "" if marker else path_of(obj)
            except UnsafeKey as error:
                if self._options.on_error == "stop":
                    raise
                self._report.fail(Skipped(obj.key, "not copied", str(error), error))
                continue
            if path and self.exists is not None and await self.exists(path):
                self.kept.append(path)
                report_kept(obj, self.target + path, self._options.on_event)
            elif needs_copy is None or await needs_copy(obj, name if marker else path):
                yield obj, path
            elif path:
                self.kept.append(path)

    def check(self) -> None:
        """Raise ModelMissingError if the patterns excluded everything, or if there was nothing to copy."""
        self.check_patterns()
        if self._empty and self._options.needs_copy is None:
            raise ModelMissingError(self.prefix.key, cause="it is empty: there is nothing to copy")

    def check_patterns(self) -> None:
        """Raise ModelMissingError if the patterns excluded everything."""
        if not self.found and (self._excluded or self._report.pruned):
            key = self.prefix.key
            raise ModelMissingError(key, cause=f"the patterns exclude everything under {key!r}")
