"""What of a prefix is to be moved, and how; the same for each kind of destination."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from ..engine.transfer import OnStored
from ..errors import InvalidConfig, ModelMissingError
from ..keys import paths
from ..keys.patterns import Patterns
from ..types import Durability, ObjectInfo, OnEvent, Unpack, Verify
from .resolve import Prefix
from .skipped import OnSkip, Skips

__all__ = ["ASK_RECURSIVELY", "Options", "Selection"]

# What to do about a prefix that was refused; the command line says it in its own words.
ASK_RECURSIVELY = "ask for it recursively"


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller of a verb wants beside its source and destination.

    Attributes:
        patterns: Which objects.
        on_event: Told of progress.
        recursive: Whether a prefix may be moved, or only an object.
        dry_run: Only tell what would be moved.
        unpack: The object is an archive, and what is in it is wanted, within these bounds; the patterns are for that.
            None: the object itself is wanted.
        on_stored: Called for each object that was moved.
        wanted: Asked for each object and its path relative to the prefix: is it to be moved? None: yes.
        verify: Whether bytes are compared with checksums.
        durability: What files on the local disk survive once they are told of.
        snapshots: Whether an object is removed together with its snapshots.
        on_skip: Called with each entry that the listing of the source leaves out, whatever the patterns say.
    """

    patterns: Patterns
    on_event: OnEvent | None = None
    recursive: bool = True
    dry_run: bool = False
    unpack: Unpack | None = None
    wanted: Callable[[ObjectInfo, str], Awaitable[bool]] | None = None
    on_stored: OnStored | None = None
    verify: Verify = True
    durability: Durability = "rename"
    snapshots: bool = False
    on_skip: OnSkip | None = None

    def __post_init__(self) -> None:
        if self.verify not in {True, False, "require"}:
            raise InvalidConfig(f"verify={self.verify!r} is none of True, False and 'require'")
        if self.durability not in {"rename", "fsync"}:
            raise InvalidConfig(f"durability={self.durability!r} is neither 'rename' nor 'fsync'")

    def skips(self, key: str, *, follow: bool = True, destination: bool = False, avoid: str = "") -> Skips:
        """What a call leaves out of this prefix, or leaves behind there."""
        on_skip = None if destination else self.on_skip
        return Skips(
            self.patterns, key, self.on_event, on_skip=on_skip, follow=follow, destination=destination, avoid=avoid
        )

    def let_object(self, key: str, name: str) -> None:
        """Check a single object.

        Raises:
            ModelMissingError: The patterns do not let it through.
            InvalidConfig: Only the objects of a prefix can be compared with others.
        """
        if self.wanted is not None:
            raise InvalidConfig(f"{key!r} is an object, not a prefix of many", hint="copy it")
        if not self.patterns.matches(name):
            raise ModelMissingError(key, cause=f"the patterns do not let {name!r} through")


class Selection:
    """The objects of a prefix that are wanted.

    Attributes:
        prefix: Where they are.
        found: How many there are, the marker of the prefix itself not counted.
        kept: Paths of objects that the destination has already.

    Raises:
        InvalidConfig: A prefix is not.
    """

    def __init__(self, prefix: Prefix, options: Options, skips: Skips) -> None:
        if not options.recursive:
            raise InvalidConfig(f"{prefix.key!r} is no object but a prefix of many", hint=ASK_RECURSIVELY)
        self.prefix = prefix
        self._options = options
        self._skips = skips
        self._refused = False
        self.found = 0
        self.kept: list[str] = []
        self._empty = True

    async def objects(self, path_of: Callable[[ObjectInfo], str]) -> AsyncGenerator[tuple[ObjectInfo, str]]:
        """Each with its path at the destination; a directory marker with none.

        Args:
            path_of: Gives the path, or raises if there cannot be one.
        """
        wanted = self._options.wanted
        prefix = self.prefix.key
        async for obj in self.prefix.objects:
            self._empty = False
            marker = paths.is_directory_marker(obj.key, obj.size)
            name = obj.key[len(prefix) :] if marker else paths.collapse(obj.key, prefix)
            if not self._options.patterns.matches(name):
                self._refused = self._refused or bool(name)  # the prefix's own marker is none of the objects below it
                continue
            self.found += bool(name)
            path = "" if marker else path_of(obj)
            if wanted is None or await wanted(obj, name if marker else path):
                yield obj, path
            elif path:
                self.kept.append(path)

    def check(self) -> None:
        """Raise if the patterns left nothing, or if there is nothing to copy."""
        self.check_patterns()
        if self._empty and self._options.wanted is None:
            raise ModelMissingError(self.prefix.key, cause="it is empty: there is nothing to copy")

    def check_patterns(self) -> None:
        """Raise if the patterns left nothing."""
        if not self.found and (self._refused or self._skips.pruned):
            key = self.prefix.key
            raise ModelMissingError(key, cause=f"the patterns let nothing under {key!r} through")
