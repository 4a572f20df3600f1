"""Part sizes: how an object is split. Pure arithmetic."""

from collections.abc import Iterator

from ..errors import InvalidConfig
from ..types import Capabilities, GiB, KiB, Limits, MiB, Part

__all__ = ["DEFAULT_PART", "part_size", "parts", "stream_part"]

DEFAULT_PART = 8 * MiB
_ALIGNMENT = 64 * KiB
# The memory budget should hold this many parts, so that a small budget still allows parallel reads.
_IN_FLIGHT = 8


def part_size(size: int, capabilities: Capabilities, limits: Limits, memory: int) -> int:
    """The length of an object's parts in bytes; the last part may be shorter.

    Args:
        size: Size of the object in bytes.
        capabilities: Capabilities of the backend that receives the parts.
        limits: Limits of the instance; a `part_size` set there is used as it is.
        memory: The instance's memory budget in bytes.

    Returns:
        The smallest multiple of 64 KiB, from 8 MiB (less with a small budget), that needs no more parts than the
        backend allows.

    Raises:
        InvalidConfig: The object cannot be moved within these limits; the hint names limits that would work.

    Example:
        >>> part_size(5 * 1024 * GiB, Capabilities(min_part=5 * MiB), Limits(), memory=GiB) // MiB
        524
    """
    shortest, longest = capabilities.min_part, capabilities.max_part
    needed = -(-size // capabilities.max_parts)
    if needed > longest:
        raise InvalidConfig(f"an object of {size} bytes is larger than this storage accepts")
    if limits.part_size is None:
        preferred = min(DEFAULT_PART, max(memory // _IN_FLIGHT, 1), longest)
        length = max(preferred, shortest, min(_round_up(needed), longest))
    else:
        length = limits.part_size
        if length < needed:
            raise InvalidConfig(
                f"an object of {size} bytes needs more than {capabilities.max_parts} parts of {length} bytes",
                hint=f"Limits(part_size={max(min(_round_up(needed), longest), shortest)}) or None",
            )
        if min(length, size) > longest or (length < size and length < shortest):
            raise InvalidConfig(
                f"a part has {min(length, size)} bytes, but this storage accepts {shortest} to {longest}",
                hint=f"Limits(part_size={min(max(length, shortest), longest)}) or None",
            )
    if min(length, size) > memory:
        raise InvalidConfig(
            f"a part of {min(length, size)} bytes is larger than the memory budget of {memory} bytes",
            hint=f"Limits(memory={_round_up(min(length, size), GiB if length > GiB // 2 else MiB)}) or more",
        )
    return length


def stream_part(index: int, capabilities: Capabilities, limits: Limits, memory: int) -> int:
    """The length of a part of an object of unknown size.

    The length doubles after each tenth of the parts that the backend allows, so that an object of any size fits.

    Args:
        index: Index of the part, from 0.
        capabilities: Capabilities of the backend that receives the parts.
        limits: Limits of the instance; a `part_size` set there is the length of the first parts.
        memory: The instance's memory budget in bytes.

    Raises:
        InvalidConfig: The budget or `part_size` is too small, or the object is too large.

    Example:
        >>> [stream_part(index, Capabilities(), Limits(), GiB) // MiB for index in (0, 999, 1000, 2500)]
        [8, 8, 16, 32]
    """
    if index >= capabilities.max_parts:
        raise InvalidConfig(f"the object needs more than {capabilities.max_parts} parts", hint="Limits(part_size=…)")
    first = part_size(0, capabilities, limits, memory)
    if first < capabilities.min_part:
        raise InvalidConfig(
            f"a part has {first} bytes, but this storage accepts {capabilities.min_part} to {capabilities.max_part}",
            hint=f"Limits(part_size={capabilities.min_part}) or None",
        )
    if first > memory:
        raise InvalidConfig(
            f"a part of {first} bytes is larger than the memory budget of {memory} bytes",
            hint=f"Limits(memory={_round_up(first, MiB)}) or more",
        )
    doubled = first << (index * 10 // capabilities.max_parts)
    return max(first, min(doubled, capabilities.max_part, memory // 2))


def parts(size: int, length: int) -> Iterator[Part]:
    """Split an object into parts.

    Args:
        size: Size of the object in bytes, at least 1.
        length: Bytes per part.

    Example:
        >>> [part.start for part in parts(20, 8)]
        [0, 8, 16]
    """
    for index, start in enumerate(range(0, size, length)):
        yield Part(index, start, min(length, size - start))


def _round_up(number: int, step: int = _ALIGNMENT) -> int:
    return -(-number // step) * step
