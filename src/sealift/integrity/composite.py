"""Hashes of the hashes of an object's parts, which need to know where those parts end.

An algorithm of this kind is named after its hash and the lengths of the parts in bytes: `sha256/8388608`. The last
length goes on to the end of the object: `sha256/5242880*3,8388608` has three parts of 5 MiB, and then parts of 8 MiB.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html (composite checksums)
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby, repeat
from typing import Protocol

__all__ = ["Hash", "hash_of", "is_one", "name"]


class Hash(Protocol):
    """Takes bytes in order, as those of hashlib do."""

    def update(self, data: memoryview | bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def name(algorithm: str, sizes: Sequence[int]) -> str:
    """What the hash of the hashes of such parts is called.

    Args:
        algorithm: Of the parts' hashes, and of the hash over them.
        sizes: Of the parts, in bytes and in order; at least one.

    Example:
        >>> name("sha256", [8, 8, 3]), name("sha256", [5, 8, 8, 8]), name("sha256", [5, 5, 8, 9])
        ('sha256/8', 'sha256/5,8', 'sha256/5*2,8,9')
    """
    lengths = list(sizes)
    if len(lengths) > 1 and lengths[-1] < lengths[-2]:
        lengths.pop()  # it ends where the object does
    runs = [(length, len(list(run))) for length, run in groupby(lengths)]
    *before, (last, _) = runs
    told = [f"{length}*{count}" if count > 1 else str(length) for length, count in before]
    return f"{algorithm}/{','.join([*told, str(last)])}"


def is_one(algorithm: str) -> bool:
    """Whether this is the name of an algorithm of this kind.

    Example:
        >>> is_one("sha256/8388608"), is_one("sha256")
        (True, False)
    """
    return "/" in algorithm


def hash_of(algorithm: str) -> Hash:
    """A hash, of a whole or of its parts' hashes. It compares bytes, and keeps no secret.

    Args:
        algorithm: As hashlib or `name` calls it.

    Example:
        >>> running = hash_of("sha256/4")
        >>> running.update(b"abcdef")
        >>> running.hexdigest() == hashlib.sha256(
        ...     hashlib.sha256(b"abcd").digest() + hashlib.sha256(b"ef").digest()
        ... ).hexdigest()
        True
    """
    return _HashOfHashes(algorithm) if is_one(algorithm) else _plain(algorithm)


class _HashOfHashes:
    def __init__(self, algorithm: str) -> None:
        self._hash, _, lengths = algorithm.partition("/")
        self._lengths = _each(lengths)
        self._of_parts, self._part = _plain(self._hash), _plain(self._hash)
        self._left = next(self._lengths)  # bytes of this part that are still to come

    def update(self, data: memoryview | bytes) -> None:
        rest = memoryview(data)
        while rest:
            if not self._left:
                self._of_parts.update(self._part.digest())
                self._part, self._left = _plain(self._hash), next(self._lengths)
            piece = rest[: self._left]
            self._part.update(piece)
            self._left -= len(piece)
            rest = rest[len(piece) :]

    def hexdigest(self) -> str:
        whole = self._of_parts.copy()  # the last part ends here, for now
        whole.update(self._part.digest())
        return whole.hexdigest()


def _plain(algorithm: str) -> "hashlib._Hash":
    return hashlib.new(algorithm, usedforsecurity=False)


def _each(lengths: str) -> Iterator[int]:
    length = 0
    for run in lengths.split(","):
        told, _, count = run.partition("*")
        length = int(told)
        yield from repeat(length, int(count or 1))
    yield from repeat(length)
