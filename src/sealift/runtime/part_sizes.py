"""How an object is cut into parts: pure arithmetic."""

from collections.abc import Iterator

from ..errors import InvalidConfig
from ..types import Capabilities, GiB, KiB, Limits, MiB, Part

__all__ = ["DEFAULT_PART", "part_size", "parts", "stream_part"]

DEFAULT_PART = 8 * MiB
_ALIGNMENT = 64 * KiB
# Parts in flight that the memory budget should hold, so that a small budget still reads in parallel.
_IN_FLIGHT = 8


def part_size(size: int, capabilities: Capabilities, limits: Limits, memory: int) -> int:
    """The length of an object's parts; its last one may be shorter.

    Args:
        size: Of the object, in bytes.
        capabilities: Of the backend that receives the parts.
        limits: `part_size` there is taken as it is.
        memory: The instance's budget for bodies in flight, in bytes.

    Returns:
        Bytes. The smallest multiple of 64 KiB, from 8 MiB (less with a small budget), that needs no more parts than
        the backend allows.

    Raises:
        InvalidConfig: The object cannot be moved within these limits; the text names limits that would do.

    Example:
        >>> part_size(5 * 1024 * GiB, Capabilities(min_part=5 * MiB), Limits(), memory=GiB) // MiB
        524
    """
    shortest, longest = capabilities.min_part, capabilities.max_part
    needed = -(-size // capabilities.max_parts)
    if needed > longest:
        raise InvalidConfig(f"an object of {size} bytes is larger than this storage takes")
    if limits.part_size is None:
        preferred = min(DEFAULT_PART, max(memory // _IN_FLIGHT, 1), longest)
        length = max(preferred, shortest, min(_round_up(needed), longest))
    else:
        length = limits.part_size
        if length < needed:
            raise InvalidConfig(
                f"an object of {size} bytes has more than {capabilities.max_parts} parts of {length} bytes",
                hint=f"Limits(part_size={max(min(_round_up(needed), longest), shortest)}) or None",
            )
        if min(length, size) > longest or (length < size and length < shortest):
            raise InvalidConfig(
                f"a part of {min(length, size)} bytes, where this storage takes {shortest} to {longest}",
                hint=f"Limits(part_size={min(max(length, shortest), longest)}) or None",
            )
    if min(length, size) > memory:
        raise InvalidConfig(
            f"a part of {min(length, size)} bytes is larger than the memory budget of {memory} bytes",
            hint=f"Limits(memory={_round_up(min(length, size), GiB if length > GiB // 2 else MiB)}) or more",
        )
    return length


def stream_part(index: int, capabilities: Capabilities, limits: Limits, memory: int) -> int:
    """The length of a part of an object whose size is not known yet.

    Parts double after every tenth of those that the backend allows, so that an object of any size fits.

    Args:
        index: Of the part, from 0.
        capabilities: Of the backend that receives the parts.
        limits: `part_size` there is taken for the first ones.
        memory: The instance's budget for bodies in flight, in bytes.

    Raises:
        InvalidConfig: The budget or `part_size` is too small, or the object too large.

    Example:
        >>> [stream_part(index, Capabilities(), Limits(), GiB) // MiB for index in (0, 999, 1000, 2500)]
        [8, 8, 16, 32]
    """
    if index >= capabilities.max_parts:
        raise InvalidConfig(f"the object has more than {capabilities.max_parts} parts", hint="Limits(part_size=…)")
    first = part_size(0, capabilities, limits, memory)
    if first < capabilities.min_part:
        raise InvalidConfig(
            f"a part of {first} bytes, where this storage takes {capabilities.min_part} to {capabilities.max_part}",
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
    """Cut an object.

    Args:
        size: Of the object, in bytes; at least 1.
        length: Of a part, in bytes.

    Example:
        >>> [part.start for part in parts(20, 8)]
        [0, 8, 16]
    """
    for index, start in enumerate(range(0, size, length)):
        yield Part(index, start, min(length, size - start))


def _round_up(number: int, step: int = _ALIGNMENT) -> int:
    return -(-number // step) * step
