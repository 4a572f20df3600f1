"""The options of one call, passed through the operations as one value."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ..engine.transfer import OnStored
from ..errors import InvalidConfig, ModelMissingError
from ..frozen_dataclass import dataclass
from ..keys.patterns import Patterns
from ..persist.download_journal import fingerprint
from ..runtime.observers import observed_events
from ..types import Durability, Event, Existing, ObjectInfo, OnError, OnEvent, Symlinks, Unpack, Verify
from ..types.argument_checks import check_callback, check_choice, wrong_type
from ..types.write_options import WriteOptions
from ..uri import Location
from .deadline import NO_DEADLINE, Deadline
from .open_location import OpenLocation
from .skip_report import OnSkip, SkipReport

if TYPE_CHECKING:
    from ..trust.signed_files import SignedFiles

__all__ = ["By", "CallEvents", "CallOptions", "comparison_mode"]

# How `sync` compares objects; see `sync_comparison`.
By = Literal["record", "checksum", "size"]

_ALL = Patterns.of(None, None)


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The arguments of a verb other than its source, destination and configurations.

    Attributes:
        patterns: Include and exclude patterns.
        on_event: Called with progress events.
        recursive: Whether a prefix is allowed, or only an object.
        dry_run: Only report what would be done.
        unpack: Unpack the object, which is an archive. The patterns then apply to its entries. False: keep it packed.
        verify: Whether to compare bytes with checksums.
        durability: What a completed file on the local disk survives.
        existing: What happens to an object whose name the destination has already.
        on_error: What happens when an object of a prefix cannot be copied or deleted.
        symlinks: What happens to symbolic links in a local source.
        delete_snapshots: Whether to remove an object's snapshots with it.
        deadline: When the call must be done.
        needs_copy: Decides for each object, given its path relative to the prefix, whether to copy it. None: copy all.
        on_stored: Called for each object that was copied.
        on_discarded: Called, on any thread, with the key of each copy that is discarded although it was stored, because
            another process has published an object of its name meanwhile.
        on_skip: Called with each entry that the listing of the source leaves out, whether the patterns match it or not.
        write_options: What to set on the objects that are written.
        version_id: The version of the object to read. None: the current one.
        signed: The files that may be downloaded. None: all.
    """

    patterns: Patterns = _ALL
    on_event: OnEvent | None = None
    recursive: bool = True
    dry_run: bool = False
    unpack: bool | Unpack = False
    verify: Verify = True
    durability: Durability = "rename"
    existing: Existing = "overwrite"
    on_error: OnError = "stop"
    symlinks: Symlinks = "follow"
    delete_snapshots: bool = False
    deadline: Deadline = NO_DEADLINE
    needs_copy: Callable[[ObjectInfo, str], Awaitable[bool]] | None = None
    on_stored: OnStored | None = None
    on_discarded: Callable[[str], None] | None = None
    on_skip: OnSkip | None = None
    write_options: WriteOptions | None = None
    version_id: str | None = None
    signed: "SignedFiles | None" = None

    def __post_init__(self) -> None:
        check_choice("verify", self.verify, True, False, "require")
        check_choice("durability", self.durability, "rename", "fsync")
        check_choice("existing", self.existing, "overwrite", "skip", "fail")
        check_choice("on_error", self.on_error, "stop", "continue")
        check_choice("symlinks", self.symlinks, "follow", "skip")
        check_callback(self.on_event)
        if not isinstance(self.version_id, str | None):
            raise wrong_type("version_id", self.version_id, "a str")
        if not isinstance(self.unpack, bool | Unpack):
            raise wrong_type("unpack", self.unpack, "True, False or Unpack(…)")
        if self.signed is not None:
            self._check_signed()
        if self.unpack and self.existing != "overwrite":
            hint = "unpack into a new directory"
            raise InvalidConfig(f"existing={self.existing!r} cannot be combined with unpack", hint=hint)

    def _check_signed(self) -> None:
        """Raise InvalidConfig if another option contradicts a signature."""
        if not self.verify:
            raise InvalidConfig("verify=False cannot be combined with trust: the digests would not be compared")
        if self.existing == "skip":
            raise InvalidConfig("existing='skip' cannot be combined with trust: what stays would not be compared")
        if self.on_error == "continue":
            raise InvalidConfig("on_error='continue' cannot be combined with trust: a signed model is complete")

    def about(self, location: Location) -> "CallOptions":
        """These options for a call about a location, which is named in its events."""
        on_event = observed_events(self.on_event)
        return self if on_event is None else replace(self, on_event=CallEvents(on_event, str(location)))

    def shared_request(self, source: OpenLocation, *facts: object) -> str:
        """What distinguishes a download to a path from others from there to this path, as a `fingerprint`.

        Args:
            source: Its source.
            facts: Whatever else does.

        Returns:
            The fingerprint; "" for a call that cannot use what another one has downloaded meanwhile: it must see which
            objects are copied or skipped.
        """
        if source.on_disk or self.needs_copy is not None or self.on_stored is not None:
            return ""
        return fingerprint(self.request, *facts)

    @property
    def request(self) -> tuple[Hashable, ...]:
        """The options on which the result of a download depends."""
        result = self.patterns, self.unpack_limits, self.verify, self.durability, self.existing, self.on_error
        return *result, self.version_id, self.verified_with

    @property
    def verified_with(self) -> Hashable:
        """How bytes are verified: what one download has verified in this way, the next one need not read again."""
        return self.verify if self.signed is None else (self.verify, self.signed.fingerprint)

    @property
    def unpack_limits(self) -> Unpack | None:
        """The limits for unpacking. None: do not unpack."""
        if isinstance(self.unpack, Unpack):
            return self.unpack
        return Unpack() if self.unpack else None

    def skip_report(self, key: str, *, follow: bool = True, destination: bool = False, avoid: str = "") -> SkipReport:
        """The report of the entries that a call skips under a prefix; the arguments are those of `SkipReport`."""
        on_skip = None if destination else self.on_skip
        return SkipReport(
            self.patterns,
            key,
            self.on_event,
            on_skip=on_skip,
            follow=follow,
            links=self.symlinks == "follow",
            destination=destination,
            avoid=avoid,
        )

    def check_object(self, key: str, name: str) -> None:
        """Check that these options allow a single object as the source.

        Raises:
            ModelMissingError: The patterns exclude it.
            InvalidConfig: `sync` needs a prefix.
        """
        if self.needs_copy is not None:
            raise InvalidConfig(f"{key!r} is an object, not a prefix", hint="use copy")
        if not self.patterns.matches(name):
            raise ModelMissingError(key, cause=f"the patterns exclude {name!r}")


class CallEvents:
    """Adds to the events of one call what they have in common.

    Args:
        on_event: Called with each event.
        call: The URI or path that the call is about.
    """

    def __init__(self, on_event: OnEvent, call: str) -> None:
        self._on_event = on_event
        self._call = call
        self._listed = 0  # bytes, of objects that are transferred and of those that an earlier run has completed

    def __call__(self, event: Event) -> None:
        if event.kind == "listed":
            self._listed += event.size
        total = None if event.total is None else self._listed
        self._on_event(replace(event, call=self._call, total=total))


def comparison_mode(*, checksum: bool, size_only: bool) -> By:
    """How to compare objects, from the two options of `sync`.

    Raises:
        InvalidConfig: Both are set.
    """
    if checksum and size_only:
        raise InvalidConfig("checksum and size_only exclude each other", hint="choose one of them")
    return "checksum" if checksum else "size" if size_only else "record"
