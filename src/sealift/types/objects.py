"""Objects, their parts, and what a storage can do with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .properties import Properties
from .sizes import GiB

__all__ = ["Capabilities", "Head", "ObjectInfo", "Part", "Receipt"]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One version of one object, as a listing or a stat tells of it.

    Attributes:
        key: The object's name within its bucket, container, repository or root directory, verbatim.
        size: Bytes; None where the service does not say before it sends them.
        version: What pins a read to these bytes: a quoted ETag, a generation, a commit. None: nothing does.
        modified: When this version was written.
        etag: The entity tag, quoted as in HTTP, where there is one.
        checksums: Algorithm → digest as lower-case hex, of the whole object only.
        properties: What is stored beside the bytes. None: not told, as in listings of S3; a stat tells.
        ranged: Whether any range of it can be asked for.
        name: What a file of it is called, where its key does not say; "" where nothing does.
        composite: Whether the service has checksums of its parts, from which `Backend.checksums` makes one.
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

    @property
    def content_type(self) -> str | None:
        """The media type stored with the object, where it is told."""
        return None if self.properties is None else self.properties.content_type

    @property
    def metadata(self) -> Mapping[str, str]:
        """The user metadata stored with the object, where it is told."""
        return {} if self.properties is None else self.properties.metadata


@dataclass(frozen=True, slots=True)
class Part:
    """A range of an object: the `index`-th (from 0), `size` bytes from `start`."""

    index: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an upload gives for a part that it has taken.

    Attributes:
        part: Which part.
        token: What the service wants to hear again when the upload is completed, such as the part's ETag.
        checksums: Algorithm → digest of the part as lower-case hex.
        compared: Whether the service has told these checksums too: it has not just ignored them.
        reused: Whether the service had it already, from an earlier run.
    """

    part: Part
    token: str = ""
    checksums: Mapping[str, str] = field(default_factory=dict)
    compared: bool = False
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What the reply to a read said of the object.

    Attributes:
        version: As in `ObjectInfo`, where the reply names it.
        size: Of the whole object, in bytes, where the reply names it.
        checksums: Of the whole object, as in `ObjectInfo`.
        composite: As in `ObjectInfo`.
        properties: As in `ObjectInfo`. None: the reply does not tell them all.
    """

    version: str | None = None
    size: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    composite: bool = False
    properties: Properties | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do; the plan and the engine go by this and know no service by name.

    Attributes:
        min_part: The smallest part but the last of a multi-part upload, in bytes.
        max_part: The largest part, in bytes.
        max_parts: How many parts one upload may have.
        parallel_parts: Whether the parts of one upload may arrive at once and in any order.
        server_copy: Whether the service copies between two of its own objects by itself.
        writable: Whether objects can be written and deleted.
        listable: Whether it can tell which objects there are; else each key is an object's.
        checksums: Whole-object checksums that the service may tell, the best first.
        compares: Whether it may compare what it is given with a checksum that goes along.
        properties: Whether it stores `Properties` beside the bytes.
        tags: Whether it stores tags among them.
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
