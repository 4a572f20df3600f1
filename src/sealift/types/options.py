"""Options that callers choose."""

from typing import Literal

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass

__all__ = ["Durability", "Limits", "Unpack", "Verify"]

# Checksum verification. True: verify if a checksum is available; "require": fail if none is; False: compare sizes only.
Verify = bool | Literal["require"]

# What a file reported as complete survives: "rename" a crash of the process, "fsync" also a crash of the machine.
Durability = Literal["rename", "fsync"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits; instances with equal limits in one event loop share them.

    Args:
        memory: Bytes of bodies held in memory, over all running calls. None: 128 MiB, or a quarter of the cgroup's
            memory limit if that is less. A single part never exceeds it; a 5 TiB object needs parts of 525 MiB.
        connections: Maximum number of open connections.
        per_host: Maximum number of open connections per host and port.
        part_size: Part size in bytes. None: chosen from the object size and the backend's limits.
        attempts: Maximum number of attempts per request, including the first. None: for S3, `AWS_MAX_ATTEMPTS` or the
            profile's `max_attempts`; otherwise none, and `patience` ends the attempts.
        patience: Seconds without a success from a host after which its failures are no longer retried. A failure that
            may pass is retried until then: a refused connection, a timeout, a 5xx, a request to slow down. A quota that
            is used up is waited for, if it is renewed within 300 seconds.
        backoff_initial: Upper bound of the first delay before a retry, in seconds; doubles with each retry.
        backoff_max: Upper bound of any such delay in seconds, except one that the service asks for (Retry-After).
        idle_timeout: Seconds without data after which a connection is considered stalled; also the connect timeout.
        min_throughput: Bytes per second, averaged over `idle_timeout`, below which a connection is considered stalled.
        processes: Worker processes that receive the parts of large files, besides threads. 0: none. None: two, started
            during a large download if the threads of this process are held up by its other Python code.

    Raises:
        InvalidConfig: A value is not positive, or is negative where 0 is allowed.
    """

    memory: int | None = None
    connections: int = 256
    per_host: int = 128
    part_size: int | None = None
    attempts: int | None = None
    patience: float = 180.0
    backoff_initial: float = 0.2
    backoff_max: float = 20.0
    idle_timeout: float = 30.0
    min_throughput: int = 1024
    processes: int | None = None

    def __post_init__(self) -> None:
        for name in ("memory", "connections", "per_host", "part_size", "attempts", "idle_timeout"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidConfig(f"Limits({name}={value!r}) is not positive")
        for name in ("patience", "backoff_initial", "backoff_max", "min_throughput", "processes"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InvalidConfig(f"Limits({name}={value!r}) is negative")


@dataclass(frozen=True, slots=True)
class Unpack:
    """Limits for unpacking an archive; an archive that exceeds them fails as a decompression bomb.

    Args:
        entries: Maximum number of files and directories.
        size: Maximum total size of the files in bytes.
        ratio: Maximum ratio of unpacked to packed size, applied above 64 MiB; of what has arrived, if the size of the
            archive is not known in advance. Model weights reach 2, sparse weights
            some tens, decompression bombs a thousand.

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
