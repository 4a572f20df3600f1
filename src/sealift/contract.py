"""The interface between the engine and the storage backends. Start reading here.

A backend is one bucket, container, repository or directory; its keys are relative to that root. The engine works
through this interface alone, and what a service can do is described by `Backend.capabilities`, so neither a plan nor a
transfer depends on the name of a service. ARCHITECTURE.md lists the steps for adding a backend.

    Reading                                                    Writing
    list ─┐                ┌─▶ read_range  any part, parallel ─┬─▶ put                        small object, one request
          ├─▶ ObjectInfo ──┤                                   │
    stat ─┘                └─▶ open_read   sequential, once   ─┴─▶ open_upload ─▶ write_part … ─▶ complete

    find_and_read: stat and open_read in one request

Three rules apply to all methods:

- Backends do not retry. They raise a `StorageError` with `retryable` set, and the engine decides.
- A read names one version, that of the `ObjectInfo`, and raises `ObjectChanged` if the object has another version.
- Writes are atomic: an object becomes visible complete, or not at all.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from .errors import Skipped, TransportError, UnsupportedOperation
from .frozen_dataclass import dataclass
from .lane_contract import FileRange, Lane, SentBytes, Sink, SmallObjects
from .types import Capabilities, Head, ObjectInfo, Part, Receipt
from .types.properties import NO_PROPERTIES, Properties
from .types.write_options import WriteOptions
from .uri import Location

__all__ = ["EVERYTHING", "Backend", "OnlyInOrder", "Reader", "Upload", "Walk"]


@dataclass(frozen=True, slots=True)
class Walk:
    """Options for listing a directory tree. Storages without directories ignore them.

    Attributes:
        enter: Called with the key of a directory; returns whether to list its contents. None: list everything.
        on_skip: Called with each skipped entry. None: unreadable directories and loops are errors, and entries that are
            not regular files are skipped silently.
        follow: Follow symbolic links and skip special files. False: list links and special files as objects, in order
            to delete them.
        readable: Skip files that this process cannot read.
        exclude: Path of a directory to skip as a loop: the destination of a copy. "": none.
    """

    enter: Callable[[str], bool] | None = None
    on_skip: Callable[[Skipped], None] | None = None
    follow: bool = True
    readable: bool = False
    exclude: str = ""


EVERYTHING = Walk()


class OnlyInOrder(TransportError):
    """An object cannot be read in the way that its metadata promises, but once, in order, with `Backend.open_read`.

    Args:
        cause: Why.
        obj: The object to read instead: with less metadata, of which nothing is wrong.
    """

    def __init__(self, cause: str, obj: ObjectInfo) -> None:
        super().__init__(f"{cause}, so the object is read once, in order")
        self.obj = obj


class Reader(Protocol):
    """A response body that is read once, sequentially."""

    async def readinto(self, view: memoryview) -> int:
        """Read into `view` and return the number of bytes, which may be fewer than fit; 0 at the end of the body."""


class Upload(Protocol):
    """A multi-part upload. The object becomes visible when `complete` returns.

    Derive from this class: its methods suit uploads that cannot outlive the process.
    """

    token: str
    """Identifies this upload to `Backend.open_upload(resume=…)` in a later process; "" if it cannot be resumed.

    Saved to a file, so it must not contain a secret.
    """

    stored: int = 0
    """Bytes of the parts that an earlier process has stored, if this upload resumes one."""

    writes_ranges: bool = False
    """Whether parts are ranges of a file, so that `file_range` replaces `write_part`."""

    def file_range(self, part: Part, piece: memoryview, algorithm: str | None) -> FileRange:  # noqa: ARG002
        """Return a part as a sink, so that its bytes need not pass through a buffer of its size.

        Args:
            part: The part.
            piece: Memory that the sink may use, at most as long as the part.
            algorithm: Checksum to compute, one that combines; None: none.
        """
        raise UnsupportedOperation("the parts of this upload are not ranges of a file")

    async def recall_range(self, part: Part, sink: FileRange) -> bool:  # noqa: ARG002 - used by overrides
        """Advance a sink over the bytes of its part that an earlier process has written; whether there are any."""
        return False

    async def write_part(self, part: Part, data: memoryview, sent: SentBytes | None = None) -> Receipt:
        """Store one part, replacing any earlier part of the same index.

        When an upload is resumed, a part that the service already stores with the same checksum is not sent again
        (`Receipt.reused`).

        Args:
            part: Index and offset of the part within the object.
            data: The bytes of the part, `part.size` of them.
            sent: Counts the bytes while they are sent, for progress events.
        """

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        """Publish the object atomically. May be called again if the outcome of an earlier call is unknown.

        Args:
            receipts: The receipts of all parts, in order.

        Returns:
            As `Backend.put`.
        """

    async def abort(self) -> None:
        """Delete the stored parts. May be called in any state, and again."""

    async def recall(self, part: Part, into: memoryview) -> bool:  # noqa: ARG002 - used by overrides
        """Read a part stored by an earlier process into `into`. Returns False if it is missing or damaged."""
        return False

    def holds(self, receipt: Receipt) -> bool:  # noqa: ARG002 - used by overrides
        """Whether the service still has the part that an earlier process has stored with this receipt."""
        return False

    async def suspend(self) -> None:
        """Close the upload without completing it; keep its parts if a later process can resume it."""
        await self.abort()


class Backend(Protocol):
    """One bucket, container, repository or directory."""

    @property
    def capabilities(self) -> Capabilities:
        """Features and limits of the service."""

    @property
    def location(self) -> Location:
        """The root: a location with an empty key."""

    @property
    def service(self) -> Hashable:
        """Equal for two backends if the service can `copy` objects between them on the server side."""

    @property
    def address(self) -> str:
        """Root and service endpoint, without secrets, to find this root again in a later process.

        "": uploads to this backend are not resumed.
        """

    async def stat(self, key: str) -> ObjectInfo:
        """Return the metadata of an object, including its version and checksums.

        Raises:
            ModelMissingError: The object does not exist.
            AccessDenied: Access is denied; some services also return this for missing objects.
        """

    def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        """List all objects whose keys start with `prefix`, page by page, in no particular order.

        Each item is sufficient to read the object. Its version is None if the service does not list versions. An empty
        directory is listed as a directory marker, an object of size 0 whose key ends in "/"; so is the directory
        `prefix` itself if it has no entries.

        Args:
            prefix: Start of the keys.
            walk: Options for directory trees.

        Raises:
            ModelMissingError: The bucket, container or repository does not exist.
            ServiceError: The service repeats a page or returns a malformed one.
        """

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        """Read exactly `len(into)` bytes of this version, starting at offset `start`.

        A sink receives no byte of another version or range. If the read fails, it keeps what has arrived, and another
        read may continue there.

        A read of the whole object is sent without a `Range` header, because some services return checksums only then.

        Raises:
            ObjectChanged: The object has a different version now.
            OnlyInOrder: The service does not support ranges of this object, contrary to its metadata.
            TransportError: The response has a different range or the wrong length.
        """

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        """Return whole-object checksums for an object with part checksums (`ObjectInfo.composite`). Costs a request.

        Returns:
            Algorithm → digest as in `ObjectInfo.checksums`; hashes of part hashes are named as in
            `integrity.composite`. Empty if the service does not list the parts or denies access to the list.
        """

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        """Return the tags of an object; {} if it has none or the service has no tags. Costs a request.

        Raises:
            AccessDenied: No permission to read tags.
            UnsupportedOperation: The service does not implement reading tags.
        """

    def open_read(self, obj: ObjectInfo) -> AbstractAsyncContextManager[Reader]:
        """Open an object for one sequential read: for objects without a known size, range support or a version.

        Raises:
            OnlyInOrder: The size or version is not that of the metadata, though the object was not replaced.
        """

    def find_and_read(self, key: str) -> AbstractAsyncContextManager[tuple[ObjectInfo, Reader]] | None:
        """Find an object and open it for one sequential read, in one request.

        Leaving the context before the end of the body closes the connection.

        Args:
            key: Key of the object.

        Returns:
            A context manager with the object, as from `stat`, but perhaps without its properties. None: the service
            needs more than one request.

        Raises:
            StorageError: From the context manager; as `stat`.
        """

    async def put(self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES) -> ObjectInfo:
        """Store an object in one request, atomically replacing any object of the same key.

        Args:
            key: Key of the object.
            data: Content of the object.
            properties: Headers, user metadata and tags to store. Properties that the service cannot store are dropped.

        Returns:
            The stored object with its version. `checksums` holds only those that the service verified against `data`;
            `properties` holds those that were stored.

        Raises:
            UnsupportedOperation: A property that is sent as a header contains a control character, or the service
                cannot store what `Properties.options` set.
        """

    @property
    def small_objects(self) -> SmallObjects | None:
        """For a storage without connections: small objects, in any thread. None: see `open_lane`."""

    def open_lane(self) -> AbstractAsyncContextManager[Lane] | None:
        """Take a connection for a series of small objects; it is given back when the context is left.

        It uses the credentials that are valid when it is entered, so it should be left within seconds.

        Returns:
            A context manager. None: small objects are read and stored one by one, with `read_range` and `put`.

        Raises:
            StorageError: From the context manager: there are no credentials, or there is no connection.
        """

    async def open_upload(
        self, key: str, size: int | None, *, properties: Properties = NO_PROPERTIES, resume: str | None = None
    ) -> Upload:
        """Start or resume a multi-part upload.

        Args:
            key: Key of the object.
            size: Size of the object in bytes; None: not known yet.
            properties: As in `put`.
            resume: `Upload.token` of an earlier upload of this key with the same properties. None: start a new one.

        Raises:
            UnsupportedOperation: As in `put`.
            ModelMissingError: The upload to resume no longer exists.
        """

    async def copy(self, src: Location, obj: ObjectInfo, key: str, options: WriteOptions | None = None) -> ObjectInfo:
        """Copy an object and its properties on the server side, from another root of the same `service`.

        Args:
            src: Location of the other root.
            obj: Object to copy; the copy is pinned to its version.
            key: Key of the copy in this root.
            options: What to store differently from the source; only those in `Capabilities.copy_options` are set.

        Returns:
            The copy. `checksums` holds those that the copy response contains; none are requested separately.
        """

    async def delete(self, key: str, *, snapshots: bool = False) -> None:
        """Delete an object.

        Args:
            key: Key of the object.
            snapshots: Also delete the snapshots of the object (Azure). False: fail if it has any.

        Raises:
            ModelMissingError: The object does not exist.
        """

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        """Delete objects in as few requests as possible. Missing objects are ignored.

        Args:
            keys: Keys of the objects, any number.
            under: Common prefix of the keys: "" or ending in "/". In a directory tree, directories left empty are
                deleted too, up to and including this one.
            snapshots: As in `delete`.
            keep: Directories to keep even if they become empty; each ends in "/".

        Raises:
            IncompleteError: Some objects could not be deleted; all others have been.
        """

    async def aclose(self) -> None:
        """Release resources owned by this backend. Resources shared through the instance stay open."""
