"""What a caller chooses."""

from dataclasses import dataclass
from typing import Literal

from ..errors import InvalidConfig

__all__ = ["Durability", "Limits", "Unpack", "Verify"]

# Whether bytes are compared with a checksum: True wherever there is one, "require": or the object is refused.
Verify = bool | Literal["require"]


# What a file on the local disk survives when it is told of: "rename" the end of a process, "fsync" that of the machine.
Durability = Literal["rename", "fsync"]


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
