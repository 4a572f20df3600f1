"""The values that travel through sealift: frozen, slotted, without behaviour that does I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from .errors import InvalidConfig
from .properties import Properties

__all__ = [
    "Capabilities",
    "Durability",
    "Event",
    "EventKind",
    "GiB",
    "Head",
    "KiB",
    "Limits",
    "MiB",
    "ObjectInfo",
    "OnEvent",
    "Part",
    "Receipt",
    "Synced",
    "Unpack",
    "Verify",
]

KiB = 1 << 10
MiB = 1 << 20
GiB = 1 << 30

# Whether bytes are compared with a checksum: True wherever there is one, "require": or the object is refused.
Verify = bool | Literal["require"]
# What a file on the local disk survives when it is told of: "rename" the end of a process, "fsync" that of the machine.
Durability = Literal["rename", "fsync"]


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


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the machine one instance may use.

    Args:
        memory: Bytes of bodies in flight, over all running calls. None: 128 MiB, or a quarter of the control group's
            memory limit where that is less. A single part never needs more; a 5 TiB object needs parts of 525 MiB.
        connections: Open connections, over all hosts.
        per_host: Open connections to one host and port.
        part_size: Bytes of a part. None: chosen from the object's size and the backend's limits.
        attempts: How often one request is sent at most, the first time included. None: `AWS_MAX_ATTEMPTS`, or
            `max_attempts` of the AWS profile, for S3; else 5.
        idle_timeout: Seconds without a byte after which a connection counts as stalled; also the limit for connecting.
        min_throughput: Bytes per second, averaged over `idle_timeout`, below which a connection counts as stalled.

    Raises:
        InvalidConfig: A value is not positive.
    """

    memory: int | None = None
    connections: int = 64
    per_host: int = 32
    part_size: int | None = None
    attempts: int | None = None
    idle_timeout: float = 30.0
    min_throughput: int = 1024

    def __post_init__(self) -> None:
        for name in ("memory", "connections", "per_host", "part_size", "attempts", "idle_timeout"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidConfig(f"Limits({name}={value!r}) is not positive")
        if self.min_throughput < 0:
            raise InvalidConfig(f"Limits(min_throughput={self.min_throughput!r}) is negative")


@dataclass(frozen=True, slots=True)
class Unpack:
    """How much may come out of an archive: more is refused as a bomb.

    Args:
        entries: Files and directories.
        size: Bytes of all files.
        ratio: How many times as large as the archive they may be; weights reach 2, sparse ones some tens, a bomb a
            thousand. Up to 64 MiB no ratio is too large.

    Raises:
        InvalidConfig: A value is not positive.
    """

    entries: int = 100_000
    size: int = 1 << 40
    ratio: float = 200

    def __post_init__(self) -> None:
        for name in ("entries", "size", "ratio"):
            value = getattr(self, name)
            if not value > 0:
                raise InvalidConfig(f"Unpack({name}={value!r}) is not positive")


EventKind = Literal["listed", "progress", "resumed", "object", "retry", "deleted", "skipped"]


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of one call, told to its `on_event`.

    Attributes:
        kind: "listed" (an object is to be moved), "progress" (bytes have been stored), "resumed" (so many bytes of the
            "progress" told next were stored by an earlier run), "object" (an object is complete and verified), "retry"
            (a request failed and will be sent again), "deleted" (an object was removed), "skipped" (a file, directory
            or object is left out, or left behind by a deletion).
        key: The object's key where it comes from; of a deleted one, where it was.
        size: Bytes: of the object for "listed" and "object" (0 where unknown), newly stored ones for "progress"
            (less than 0 where a body that can only be read in order is begun again).
        verified: For "object": the checksum that was compared ("sha256/8388608" is a SHA-256 over those of parts of so
            many bytes), or "size-only".
        error: For "retry": what failed.
        delay: For "retry": seconds until the next attempt.
        target: The object's key where it goes to; "" for one that only goes, and for what is skipped at the source.
        dropped: For "object": properties of the source that the copy lacks, such as "Expires", "metadata 'a-b'" or
            "tags", because the destination cannot store them or the source's tags may not be read.
        reason: For "skipped": why.
    """

    kind: EventKind
    key: str
    size: int = 0
    verified: str | None = None
    error: BaseException | None = field(default=None, compare=False)
    delay: float = 0.0
    target: str = ""
    dropped: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Synced:
    """What `sync` has done.

    Attributes:
        copied: Objects that differed.
        kept: Objects that were there already.
        deleted: Objects that only the destination had.
    """

    copied: int
    kept: int
    deleted: int


OnEvent = Callable[[Event], None]
