"""What a storage must offer, so that the engine can move objects from it and to it. Read this page first.

A backend is made by its module's `open(location, config, instance)`; `sealift.backends` names the modules. It talks to
one bucket, container, repository or directory, and its keys are relative to that. It does not retry: its errors are
`StorageError`s that say whether they are `retryable`, and the engine's one retry loop acts on that.

    stat ─▶ ObjectInfo ─▶ read_range (any part, any order, many at once)   ─▶ put            (one part)
    list ─▶ ObjectInfo ─▶ open_read  (once, in order: no length, no ranges) ─▶ open_upload ─▶ write_part … complete
"""

from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from .errors import Skipped
from .types import Capabilities, Head, ObjectInfo, Part, Receipt
from .types.properties import NO_PROPERTIES, Properties
from .uri import Location

__all__ = ["EVERYTHING", "Backend", "Reader", "Upload", "Walk"]


@dataclass(frozen=True, slots=True)
class Walk:
    """How a listing walks a tree of directories. Storages without directories ignore it.

    Attributes:
        enter: Whether to list what is below a directory, called with the directory's key. None: list everything.
        skip: Called with each entry that the listing leaves out. None: an unreadable directory or a loop is an error,
            and what is no object is left out without notice.
        follow: Follow symbolic links, and leave out what is not a regular file. False: list links and special files
            themselves, as the objects to remove.
        readable: Leave out files that may not be read.
        avoid: Path of a directory that is left out as a loop: the destination of a copy.
    """

    enter: Callable[[str], bool] | None = None
    skip: Callable[[Skipped], None] | None = None
    follow: bool = True
    readable: bool = False
    avoid: str = ""


EVERYTHING = Walk()


class Reader(Protocol):
    """A body that can be read once, in order."""

    async def readinto(self, view: memoryview) -> int:
        """Fill some of `view` and return how many bytes; 0 at the end of the body."""


class Upload(Protocol):
    """An object on its way: nobody sees it before `complete`.

    To be derived from: where an upload ends with its process, `recall` and `suspend` are as they are here.
    """

    token: str
    """Reopens this upload in another process; "" where that cannot be done. It is kept in a file: no secret."""

    async def write_part(self, part: Part, data: memoryview) -> Receipt:
        """Store one part; it replaces an earlier one of the same index.

        What an earlier process has stored is not sent again, if the service tells that it has these very bytes.

        Args:
            part: Index and start of the data within the object.
            data: Its bytes, `part.size` of them.
        """

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        """Publish the object under its key, at once and as a whole. May be called again after an unclear end.

        Args:
            receipts: Of all parts, in their order.

        Returns:
            As `Backend.put`.
        """

    async def abort(self) -> None:
        """Remove what was stored. May be called at any time and more than once."""

    async def recall(self, part: Part, into: memoryview) -> bool:  # noqa: ARG002 - of those that can
        """Fill `into` with a part that an earlier process has stored here, if there is one and it is undamaged."""
        return False

    async def suspend(self) -> None:
        """End without completion; what a later process can `recall` stays, where that costs nothing."""
        await self.abort()


class Backend(Protocol):
    """One bucket, container, repository or directory."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    @property
    def location(self) -> Location:
        """Its root, with an empty key."""

    @property
    def service(self) -> Hashable:
        """Equal for two backends between which the service itself can `copy`."""

    @property
    def address(self) -> str:
        """Its root and the service that has it, without a secret, for another process; "": uploads are not resumed."""

    async def stat(self, key: str) -> ObjectInfo:
        """What is known of an object, with its version and checksums.

        Raises:
            ModelMissingError: There is none of this name.
            AccessDenied: Not allowed, or (where the service does not tell them apart) there is none.
        """

    def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        """All objects whose key begins with `prefix`, while the pages arrive; an order is not promised.

        Each carries enough to read it. Where the service tells no version in a listing, it is None. An empty directory
        is listed as a directory marker: its key ends in "/" and its size is 0. So is the directory `prefix` itself if
        there is nothing to list below it.

        Args:
            prefix: What the keys begin with.
            walk: How to walk directories.

        Raises:
            ModelMissingError: The bucket, container or repository does not exist.
            ServiceError: The listing does not advance, or a page of it is damaged.
        """

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        """Fill `into` with the bytes of this version from `start` on, wholly, or raise.

        A read of the whole object is asked for without a range, so that the service can answer with its checksum.

        Raises:
            ObjectChanged: The object is no longer of this version.
            TransportError: The reply was not what was asked for: another range, too short, too long.
        """

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        """The whole-object checksums of a `composite` object, which cost a request of their own.

        Returns:
            As in `ObjectInfo`, hashes of parts' hashes too, by the names of `composite`; none where the service does
            not tell enough, or not to who asks.
        """

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        """Read the tags of an object, in a request of its own; {} where the service has none.

        Raises:
            AccessDenied: They may not be read.
            UnsupportedOperation: The service cannot read them.
        """

    def open_read(self, obj: ObjectInfo) -> AbstractAsyncContextManager[Reader]:
        """Read the object once, in order: for one without a length, without ranges or without a version."""

    async def put(self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES) -> ObjectInfo:
        """Store an object in one request; it replaces one of the same key at once and as a whole.

        Args:
            key: Under which it is published.
            data: Its bytes.
            properties: To store beside them. Those that the service cannot store are left out.

        Returns:
            What is known of it, its version too; `checksums` only where they were compared with these bytes; as
            `properties` those that are stored.

        Raises:
            UnsupportedOperation: A property contains a control character and would be sent as a header.
        """

    async def open_upload(
        self, key: str, size: int | None, *, properties: Properties = NO_PROPERTIES, resume: str | None = None
    ) -> Upload:
        """Begin an upload in parts.

        Args:
            key: Under which the object is published in the end.
            size: Bytes it will have; None: not known yet.
            properties: As in `put`.
            resume: The token of an earlier upload of this key, with these properties, to resume.

        Raises:
            UnsupportedOperation: As in `put`.
            ModelMissingError: The service does not know the upload of this token any more.
        """

    async def copy(self, src: Location, obj: ObjectInfo, key: str) -> ObjectInfo:
        """Let the service copy an object of another root of its own (`service` is equal), with its properties.

        Args:
            src: The other root.
            obj: What to copy from it, in this version.
            key: Under which it is published here.

        Returns:
            What is known of it; of its `checksums` those that the service told without being asked for them.
        """

    async def delete(self, key: str, *, snapshots: bool = False) -> None:
        """Remove an object.

        Args:
            key: Of the object.
            snapshots: Remove its snapshots too, where a service keeps them with the object. False: an object with
                snapshots is an error.

        Raises:
            ModelMissingError: There is none of this name.
        """

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        """Remove objects, in as few requests as the service takes. Missing objects are no error.

        Args:
            keys: Of any number.
            under: What they all begin with: "" or something that ends in "/". Where there are directories, those that
                this leaves empty go too, from that one on down.
            snapshots: As in `delete`.
            keep: Directories that stay though they become empty, each with its "/".

        Raises:
            IncompleteError: Some objects could not be removed; all others are gone.
        """

    async def aclose(self) -> None:
        """Release what belongs to this backend alone; the instance's `instance` stay."""
