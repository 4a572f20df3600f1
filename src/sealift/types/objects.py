"""Objects, parts of objects, and the capabilities of backends."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from ..frozen_dataclass import dataclass
from .properties import Properties
from .sizes import GiB

__all__ = ["Capabilities", "Head", "ObjectInfo", "Part", "Receipt"]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One version of one object, as returned by a listing or a stat.

    Attributes:
        key: Name of the object within its bucket, container, repository or root directory, verbatim.
        size: Size in bytes; None if the service does not report it before sending the body.
        version: Pins a read to these bytes: a quoted ETag, a generation, a commit. None: reads cannot be pinned.
        modified: Time of the last modification.
        etag: The entity tag, quoted as in HTTP, if there is one.
        checksums: Algorithm → lower-case hex digest of the whole object.
        properties: Headers, user metadata and tags. None: not included in the response, as in S3 listings; stat
            returns them.
        ranged: Whether the service supports range requests for it.
        name: File name, if the key does not determine it; "" if there is none. None: the last segment of the key.
        composite: Whether the service stores checksums of the object's parts, which `Backend.checksums` combines.
        is_prefix: Whether this is no object, but a prefix of several, as a listing with a delimiter returns it: only
            `key` is known, which ends in "/".
        version_id: Identifies a version of the object that need not be the current one. None: the current one.
    """

    key: str
    size: int | None
    version: str | None = None
    modified: datetime | None = None
    etag: str | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    properties: Properties | None = None
    ranged: bool = True
    name: str | None = None
    composite: bool = False
    is_prefix: bool = False
    version_id: str | None = None

    @property
    def content_type(self) -> str | None:
        """The media type stored with the object, if known."""
        return None if self.properties is None else self.properties.content_type

    @property
    def metadata(self) -> Mapping[str, str]:
        """The user metadata stored with the object; {} if unknown."""
        return {} if self.properties is None else self.properties.metadata


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an object: `size` bytes at offset `start`; `index` counts from 0."""

    index: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Confirms that an upload has stored a part.

    Attributes:
        part: The part.
        token: Value to send when completing the upload, such as the part's ETag.
        checksums: Algorithm → lower-case hex digest of the part.
        compared: Whether the service returned these checksums, which shows that it did not ignore them.
        reused: Whether the part was stored by an earlier run and not sent again.
    """

    part: Part
    token: str = ""
    checksums: Mapping[str, str] = field(default_factory=dict)
    compared: bool = False
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """Object metadata in the response to a read.

    Attributes:
        version: As in `ObjectInfo`, if present in the response.
        size: Size of the whole object in bytes, if present in the response.
        checksums: Checksums of the whole object, as in `ObjectInfo`.
        composite: As in `ObjectInfo`.
        properties: As in `ObjectInfo`. None: the response does not contain all of them.
    """

    version: str | None = None
    size: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    composite: bool = False
    properties: Properties | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Features and limits of a backend. The engine relies on these alone, never on the name of a service.

    Attributes:
        min_part: Minimum part size of a multi-part upload in bytes, except for the last part.
        max_part: Maximum part size in bytes.
        max_parts: Maximum number of parts per upload.
        parallel_parts: Whether the parts of one upload may be sent in parallel and in any order.
        server_copy: Whether the service can copy between its own objects.
        writable: Whether objects can be written and deleted.
        listable: Whether objects can be listed. False: every key is treated as an object.
        checksums: Whole-object checksum algorithms that the service may report, best first.
        compares: Whether the service may verify uploads against a checksum sent with the data.
        properties: Whether the service stores `Properties`.
        tags: Whether `Properties.tags` are among them.
        sinks: Whether `Backend.read_range` accepts sinks.
        counts_sent: Whether `Backend.put` and `Upload.write_part` count the bytes while they are sent.
        write_options: Names of the `WriteOptions` that the service has.
        copy_options: Names of those that `Backend.copy` applies; with others, the bytes are read and written again.
    """

    min_part: int = 1
    max_part: int = 5 * GiB
    max_parts: int = 10_000
    parallel_parts: bool = True
    server_copy: bool = False
    writable: bool = True
    listable: bool = True
    checksums: tuple[str, ...] = ()
    compares: bool = False
    properties: bool = True
    tags: bool = False
    sinks: bool = False
    counts_sent: bool = False
    write_options: tuple[str, ...] = ()
    copy_options: tuple[str, ...] = ()
