"""The interface between the engine and the storage backends. Start reading here.

A backend is one bucket, container, repository or directory; its keys are relative to that root. The engine works
through this interface alone, and what a service can do is described by `Backend.capabilities`, so neither a plan nor a
transfer depends on the name of a service. ARCHITECTURE.md lists the steps for adding a backend.

    Reading                                                    Writing
    list ─┐                ┌─▶ read_range  any part, parallel ─┬─▶ put                        small object, one request
          ├─▶ ObjectInfo ──┤                                   │
    stat ─┘                └─▶ open_read   sequential, once   ─┴─▶ open_upload ─▶ write_part … ─▶ complete

    find_and_read: stat and open_read in one request
    list_level:    one level of a listing

Three rules apply to all methods:

- Backends do not retry. They raise a `StorageError` with `retryable` set, and the engine decides.
- A read names one version, that of the `ObjectInfo`, and raises `ObjectChanged` if the object has another version.
- Writes are atomic: an object becomes visible complete, or not at all.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from .lane_contract import ByteCount, Lane, Sink, SmallObjects
from .read_contract import EVERYTHING, OnlyInOrder, Reader, Walk
from .types import Capabilities, Head, ObjectInfo
from .types.properties import NO_PROPERTIES, Properties
from .types.write_options import WriteOptions
from .upload_contract import Upload
from .uri import Location

__all__ = ["EVERYTHING", "Backend", "OnlyInOrder", "Reader", "Upload", "Walk"]


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

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        """List one level below a prefix, as a directory: the objects in it, and the prefixes of what is deeper.

        Args:
            prefix: "" or a key that ends in "/".
            walk: As in `list`.

        Yields:
            Each object whose key has no further "/" after the prefix, and the object `prefix` itself; and, once for all
            other objects with the same start up to the next "/", that start (`ObjectInfo.is_prefix`). In no particular
            order.
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

    def find_and_read(
        self, key: str, last: int | None = None
    ) -> AbstractAsyncContextManager[tuple[ObjectInfo, Reader]] | None:
        """Find an object and open it for one sequential read, in one request.

        Leaving the context before the end of the body closes the connection.

        Args:
            key: Key of the object.
            last: Read only so many bytes at its end, or all of a shorter object. None: read all.

        Returns:
            A context manager with the object, as from `stat`, but perhaps without its properties. None: the service
            needs more than one request.

        Raises:
            StorageError: From the context manager; as `stat`. With `last`, also if the service sends another range, or
                has none to send, because the object is empty.
        """

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        """Store an object in one request, atomically replacing any object of the same key.

        Args:
            key: Key of the object.
            data: Content of the object.
            properties: Headers, user metadata and tags to store. Properties that the service cannot store are dropped.
            overwrite: False: store nothing if there is an object of this key, as far as the service can decide this
                atomically. A service that ignores the condition replaces the object.
            sent: Counts the bytes while they are sent, for progress events, if `Capabilities.counts_sent`. It may count
                a few bytes more, which the request has besides.

        Returns:
            The stored object with its version. `checksums` holds only those that the service verified against `data`;
            `properties` holds those that were stored.

        Raises:
            UnsupportedOperation: A property that is sent as a header contains a control character, or the service
                cannot store what `Properties.options` set.
            ObjectExists: There is an object of this key, and `overwrite` is False.
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
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> Upload:
        """Start or resume a multi-part upload.

        Args:
            key: Key of the object.
            size: Size of the object in bytes; None: not known yet.
            properties: As in `put`.
            resume: `Upload.token` of an earlier upload of this key with the same properties. None: start a new one.
            overwrite: As in `put`; `Upload.complete` raises ObjectExists.

        Raises:
            UnsupportedOperation: As in `put`.
            ModelMissingError: The upload to resume no longer exists.
        """

    async def copy(
        self,
        src: Location,
        obj: ObjectInfo,
        key: str,
        options: WriteOptions | None = None,
        *,
        overwrite: bool = True,
        on_copied: Callable[[int], None] | None = None,
    ) -> ObjectInfo:
        """Copy an object and its properties on the server side, from another root of the same `service`.

        Args:
            src: Location of the other root.
            obj: Object to copy; the copy is pinned to its version.
            key: Key of the copy in this root.
            options: What to store differently from the source; only those in `Capabilities.copy_options` are set.
            overwrite: As in `put`.
            on_copied: Called with the number of bytes copied so far, if the service tells it before the end.

        Returns:
            The copy. `checksums` holds those that the copy response contains; none are requested separately.

        Raises:
            ObjectExists: As in `put`.
        """

    async def delete(self, key: str, *, snapshots: bool = False, version: str | None = None) -> None:
        """Delete an object.

        Args:
            key: Key of the object.
            snapshots: Also delete the snapshots of the object (Azure). False: fail if it has any.
            version: Delete the object only if it has this version (`ObjectInfo.version`). None: whichever it has.

        Raises:
            ModelMissingError: The object does not exist.
            ObjectChanged: It has another version.
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

    async def presign(self, key: str, method: str, seconds: int) -> str:
        """Return a URL with a signature in its query, for one kind of request without credentials.

        Args:
            key: Key of the object, which need not exist.
            method: HTTP method that the URL is for: "GET" or "PUT".
            seconds: How long the URL is valid.

        Raises:
            UnsupportedOperation: The service has no such URLs, or these credentials cannot sign them.
            InvalidConfig: `seconds` is more than the service allows.
        """

    async def aclose(self) -> None:
        """Release resources owned by this backend. Resources shared through the instance stay open."""
