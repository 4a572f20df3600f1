"""Checksums of bytes in memory, and of an object from those of its parts. Digests are lower-case hex.

The cyclic ones combine: parts that arrive in any order verify the whole object without a second read. awscrt computes
them at memory speed; it is loaded when the first checksum is needed. The others need the bytes in order; they are
hashes of the whole, and those that `composite` names.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager

import anyio

from ..types import KiB
from .composite import hash_of, is_one

__all__ = ["COMBINABLE", "InOrder", "Running", "best", "combine", "common", "digest"]

_WIDTH = {"crc32": 4, "crc32c": 4, "crc64nvme": 8}
COMBINABLE = frozenset(_WIDTH)
# Up to so many bytes are hashed without giving the interpreter's lock away, which costs more than hashing a small body:
# https://docs.python.org/3/library/hashlib.html#hashlib.hash.update
_KEEPING = 2047
_SMALL = 64 * KiB
_PREFERENCE = ("crc64nvme", "crc32c", "crc32", "sha256", "sha1", "md5")


def best(checksums: Mapping[str, str], *, combinable: bool) -> str | None:
    """The algorithm to verify by, out of those that a service told.

    Args:
        checksums: Algorithm → digest of the whole object.
        combinable: Whether it must be computable from the parts' checksums.

    Example:
        >>> best({"md5": "…", "crc32c": "…"}, combinable=True)
        'crc32c'
    """
    for algorithm in _PREFERENCE:
        if algorithm in checksums and (algorithm in COMBINABLE or not combinable):
            return algorithm
    return None if combinable else next(filter(is_one, checksums), None)


def common(first: Mapping[str, str], second: Mapping[str, str]) -> str | None:
    """The best algorithm of which both have a digest.

    Example:
        >>> common({"md5": "…", "crc32c": "…"}, {"md5": "…"})
        'md5'
    """
    return best({name: first[name] for name in first if name in second}, combinable=False)


def digest(algorithm: str, data: memoryview | bytes) -> str:
    """The checksum of some bytes.

    Args:
        algorithm: crc32, crc32c, crc64nvme, sha256, sha1, md5, or as `composite.name` tells it.
        data: Any length.

    Example:
        >>> digest("crc32c", b"123456789")
        'e3069283'
    """
    if algorithm not in COMBINABLE:
        running = hash_of(algorithm)
        step = _KEEPING if len(data) <= _SMALL else len(data)
        for start in range(0, len(data), step):
            running.update(data[start : start + step])
        return running.hexdigest()
    return _hex(algorithm, _crc(algorithm, data))


def combine(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """The checksum of a whole from those of its parts.

    Args:
        algorithm: One of `COMBINABLE`.
        parts: Digest and length in bytes of each part, in their order.

    Example:
        >>> combine("crc32c", [(digest("crc32c", b"1234"), 4), (digest("crc32c", b"56789"), 5)])
        'e3069283'
    """
    from awscrt import checksums  # noqa: PLC0415 - 40 ms

    function = {
        "crc32": checksums.combine_crc32,
        "crc32c": checksums.combine_crc32c,
        "crc64nvme": checksums.combine_crc64nvme,
    }[algorithm]
    whole = 0
    for part, length in parts:
        whole = function(whole, int(part, 16), length)
    return _hex(algorithm, whole)


def _crc(algorithm: str, data: memoryview | bytes, before: int = 0) -> int:
    from awscrt import checksums  # noqa: PLC0415 - 40 ms

    function = {"crc32": checksums.crc32, "crc32c": checksums.crc32c, "crc64nvme": checksums.crc64nvme}[algorithm]
    found: int = function(data, before)
    return found


def _hex(algorithm: str, number: int) -> str:
    return number.to_bytes(_WIDTH[algorithm], "big").hex()


class Running:
    """A checksum of bytes that come piece by piece, in order.

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
        self._hash = None if algorithm in COMBINABLE else hash_of(algorithm)
        self._crc = 0

    def update(self, data: memoryview | bytes) -> None:
        """Take in the next bytes: for sha256 about 2 GB/s, without the interpreter's lock."""
        if self._hash is None:
            self._crc = _crc(self._algorithm, data, self._crc)
        else:
            self._hash.update(data)

    @property
    def digest(self) -> str:
        """Of all bytes so far."""
        return _hex(self._algorithm, self._crc) if self._hash is None else self._hash.hexdigest()


class InOrder(Running):
    """A checksum that needs the bytes of an object in order, while its parts arrive in any.

    A part keeps its memory until those before it have been taken in. So that they have memory before it, that is lent
    in order too.
    """

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithm)
        self.lending = _Turns()
        self.taking = _Turns()


class _Turns:
    """Lets the parts of an object pass one by one, in their order."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, anyio.Event] = {}

    @asynccontextmanager
    async def turn(self, index: int) -> AsyncGenerator[None]:
        """Entered when the parts before this one have left; where one fails, those behind it never do."""
        if index != self._next:
            await self._waiting.setdefault(index, anyio.Event()).wait()
        yield
        self._next = index + 1
        if event := self._waiting.pop(self._next, None):
            event.set()
