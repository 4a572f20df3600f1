"""`Limits`: memory, connections, retries and timeouts, from arguments or environment variables."""

from collections.abc import Mapping
from typing import Any, Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr

__all__ = ["Limits"]

# What the environment variable of each limit must be set to.
_BYTES, _COUNT, _SECONDS = "a size in bytes such as 256MiB", "a whole number", "a number of seconds"
_KINDS = {
    "memory": _BYTES,
    "connections": _COUNT,
    "per_host": _COUNT,
    "part_size": _BYTES,
    "attempts": _COUNT,
    "patience": _SECONDS,
    "backoff_initial": _SECONDS,
    "backoff_max": _SECONDS,
    "idle_timeout": _SECONDS,
    "min_throughput": _BYTES,
    "processes": _COUNT,
    "bandwidth": _BYTES,
}
_MAY_BE_NONE = {"memory", "part_size", "attempts", "processes", "bandwidth"}
_MAY_BE_ZERO = {"patience", "backoff_initial", "backoff_max", "min_throughput", "processes"}


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
        bandwidth: Bytes per second that are received, and as many that are sent, over all running calls and their
            worker processes. None: no limit. Copies that the service makes, and those between local paths, are not
            limited.

    Raises:
        InvalidConfig: A value is not a number of the right kind, is not positive, or is negative where 0 is allowed.

    Example:
        >>> Limits(memory=64 << 20, attempts=3)
        Limits(memory=67108864, attempts=3)
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
    bandwidth: int | None = None

    def __post_init__(self) -> None:
        for name in _KINDS:
            value = getattr(self, name)
            if problem := _problem(name, value):
                raise InvalidConfig(f"Limits({name}={value!r}) {problem}")

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the limits from environment variables; one that is not set, or is empty, leaves the default.

        Args:
            environ: Environment with `SEALIFT_` and the name of a limit in upper case, such as `SEALIFT_MEMORY`,
                `SEALIFT_PER_HOST` or `SEALIFT_IDLE_TIMEOUT`. Sizes are in bytes or have a unit (`256MiB`, `1.5GB`),
                times are in seconds.

        Raises:
            InvalidConfig: The value of a variable cannot be used; the message names the variable.

        Example:
            >>> Limits.from_env({"SEALIFT_MEMORY": "256MiB", "SEALIFT_CONNECTIONS": "32"})
            Limits(memory=268435456, connections=32)
        """
        values: dict[str, Any] = {}
        for name, kind in _KINDS.items():
            variable = f"SEALIFT_{name.upper()}"
            if not (text := environ.get(variable, "").strip()):
                continue
            try:
                values[name] = _parse(text, kind)
                usable = not _problem(name, values[name])
            except (ValueError, OverflowError):
                usable = False
            if not usable:
                least = "0 or more" if name in _MAY_BE_ZERO else "more than 0"
                raise InvalidConfig(
                    f"the environment variable {variable} is {text!r}", hint=f"set it to {kind}, {least}"
                )
        return cls(**values)


def _problem(name: str, value: Any) -> str | None:
    """What is wrong with the value of a limit."""
    if value is None and name in _MAY_BE_NONE:
        return None
    seconds = _KINDS[name] is _SECONDS
    if isinstance(value, bool | str) or not hasattr(value, "__float__" if seconds else "__index__"):
        return "is not a number" if seconds else "is not a whole number"
    if name in _MAY_BE_ZERO:
        return None if value >= 0 else "is negative"
    return None if value > 0 else "is not positive"


def _parse(text: str, kind: str) -> float:
    if kind is _SECONDS:
        return float(text)
    if kind is _COUNT:
        return int(text)
    from .byte_sizes import parse_size  # noqa: PLC0415 - compiles a pattern, and few programs set these variables

    return parse_size(text)
