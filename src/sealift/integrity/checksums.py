"""Compute and combine checksums. Digests are lower-case hex.

CRCs can be combined: the CRCs of parts that arrive in any order yield the CRC of the whole object without reading it
again. They are computed at memory speed by `crc_library`, which is loaded when the first one is computed. Hashes (MD5,
SHA) need the bytes in order; so do the hashes of part hashes described in `composite`.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager

from ..types import KiB
from . import crc_library
from .composite import is_composite, new_hash
from .crc import extend_crc
from .signed import signed

__all__ = [
    "COMBINABLE", "InOrder", "Running", "Turns", "best", "combine", "common", "crc_digest", "digest", "extend_crc",
]  # fmt: skip

_WIDTH = {"crc32": 4, "crc32c": 4, "crc64nvme": 8}
COMBINABLE = frozenset(_WIDTH)
# hashlib releases the GIL for larger updates, which costs more than hashing a small body does:
# https://docs.python.org/3/library/hashlib.html#hashlib.hash.update
_LARGEST_UPDATE_WITH_GIL = 2047
_SMALL = 64 * KiB
_PREFERENCE = ("crc64nvme", "crc32c", "crc32", "sha256", "sha1", "md5")


def best(checksums: Mapping[str, str], *, combinable: bool) -> str | None:
    """Choose the preferred algorithm among the checksums of an object: a signed digest, or what a service reports.

    Args:
        checksums: Algorithm → digest of the whole object.
        combinable: Consider only algorithms that can be combined from checksums of the parts.

    Example:
        >>> best({"md5": "…", "crc32c": "…"}, combinable=True)
        'crc32c'
    """
    if not combinable and (demanded := signed(checksums)) is not None:
        return demanded
    for algorithm in _PREFERENCE:
        if algorithm in checksums and (algorithm in COMBINABLE or not combinable):
            return algorithm
    return None if combinable else next(filter(is_composite, checksums), None)


def common(first: Mapping[str, str], second: Mapping[str, str]) -> str | None:
    """Choose the preferred algorithm present in both.

    Example:
        >>> common({"md5": "…", "crc32c": "…"}, {"md5": "…"})
        'md5'
    """
    return best({name: first[name] for name in first if name in second}, combinable=False)


def digest(algorithm: str, data: memoryview | bytes) -> str:
    """Compute the checksum of a buffer.

    Args:
        algorithm: crc32, crc32c, crc64nvme, sha256, sha1, md5, or a name made by `composite.name`.
        data: The bytes.

    Example:
        >>> digest("crc32c", b"123456789")
        'e3069283'
    """
    if algorithm not in COMBINABLE:
        running = new_hash(algorithm)
        step = _LARGEST_UPDATE_WITH_GIL if len(data) <= _SMALL else len(data)
        for start in range(0, len(data), step):
            running.update(data[start : start + step])
        return running.hexdigest()
    return crc_digest(algorithm, extend_crc(algorithm, data))


def combine(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """Combine checksums of consecutive parts into the checksum of the whole.

    Args:
        algorithm: One of `COMBINABLE`.
        parts: Digest and length in bytes of each part, in order.

    Example:
        >>> combine("crc32c", [(digest("crc32c", b"1234"), 4), (digest("crc32c", b"56789"), 5)])
        'e3069283'
    """
    _, combined = crc_library.load()[algorithm]
    whole = 0
    for part, length in parts:
        whole = combined(whole, int(part, 16), length)
    return crc_digest(algorithm, whole)


def crc_digest(algorithm: str, number: int) -> str:
    """Write a CRC as a digest."""
    return number.to_bytes(_WIDTH[algorithm], "big").hex()


class Running:
    """A checksum computed incrementally from bytes in order.

    Args:
        algorithm: As in `digest`.

    Example:
        >>> running = Running("md5")
        >>> running.update(b"1234")
        >>> running.update(b"56789")
        >>> running.digest == digest("md5", b"123456789")
        True
    """

    def __init__(self, algorithm: str) -> None:
        self._algorithm = algorithm
        self._hash = None if algorithm in COMBINABLE else new_hash(algorithm)
        self._crc = 0

    def update(self, data: memoryview | bytes) -> None:
        """Add the next bytes. SHA-256 runs at about 2 GB/s and releases the GIL."""
        if self._hash is None:
            self._crc = extend_crc(self._algorithm, data, self._crc)
        else:
            self._hash.update(data)

    @property
    def digest(self) -> str:
        """The checksum of all bytes so far."""
        return crc_digest(self._algorithm, self._crc) if self._hash is None else self._hash.hexdigest()


class InOrder(Running):
    """A checksum that needs bytes in order, for an object whose parts arrive in any order.

    A part holds its buffer until all parts before it have been hashed. Buffers must therefore be allocated in order
    too, to avoid a deadlock on the memory budget.

    Attributes:
        memory_turns: The order in which parts allocate their buffers.
        hash_turns: The order in which parts are hashed.
    """

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithm)
        self.memory_turns = Turns()
        self.hash_turns = Turns()


class Turns:
    """Admits the parts of an object one at a time, in order."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, asyncio.Event] = {}

    @asynccontextmanager
    async def turn(self, index: int) -> AsyncGenerator[None]:
        """Wait until all earlier parts have finished their turn. If one fails, later parts wait until cancelled."""
        if index != self._next:
            await self._waiting.setdefault(index, asyncio.Event()).wait()
        yield
        self._next = index + 1
        if event := self._waiting.pop(self._next, None):
            event.set()

    async def give_up(self, index: int) -> None:
        """Let later parts continue without this one, unless it has finished its turn."""
        if index >= self._next:
            async with self.turn(index):
                pass
