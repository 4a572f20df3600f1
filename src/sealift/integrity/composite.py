"""Composite checksums: a hash of the hashes of an object's parts. They depend on the part boundaries.

The algorithm name is the hash followed by the part lengths in bytes: `sha256/8388608`. The last length repeats up to
the end of the object: `sha256/5242880*3,8388608` means three parts of 5 MiB, then parts of 8 MiB.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html (composite checksums)
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby, repeat
from typing import Protocol

from .signed import SignedHash, signed

__all__ = ["HDFS_PREFIX", "Hash", "is_composite", "name", "new_hash"]

HDFS_PREFIX = "hdfs-"
"""Start of the names of HDFS's checksums: see `hdfs_checksum`."""


class Hash(Protocol):
    """Interface of an incremental hash, as in hashlib."""

    def update(self, data: memoryview | bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def name(algorithm: str, sizes: Sequence[int]) -> str:
    """Return the algorithm name of a composite checksum.

    Args:
        algorithm: Hash algorithm of the parts and of the whole.
        sizes: Part sizes in bytes, in order; at least one.

    Example:
        >>> name("sha256", [8, 8, 3]), name("sha256", [5, 8, 8, 8]), name("sha256", [5, 5, 8, 9])
        ('sha256/8', 'sha256/5,8', 'sha256/5*2,8,9')
    """
    lengths = list(sizes)
    if len(lengths) > 1 and lengths[-1] < lengths[-2]:
        lengths.pop()  # the last part ends at the end of the object
    runs = [(length, len(list(run))) for length, run in groupby(lengths)]
    *before, (last, _) = runs
    run_texts = [f"{length}*{count}" if count > 1 else str(length) for length, count in before]
    return f"{algorithm}/{','.join([*run_texts, str(last)])}"


def is_composite(algorithm: str) -> bool:
    """Check whether an algorithm name denotes a composite checksum.

    Example:
        >>> is_composite("sha256/8388608"), is_composite("sha256")
        (True, False)
    """
    return "/" in algorithm


def new_hash(algorithm: str) -> Hash:
    """Create an incremental hash, plain or composite. For integrity checks only, not for security.

    Args:
        algorithm: A name known to hashlib, or made by `name`, `signed.name` or `hdfs_checksum.name`.

    Example:
        >>> running = new_hash("sha256/4")
        >>> running.update(b"abcdef")
        >>> running.hexdigest() == hashlib.sha256(
        ...     hashlib.sha256(b"abcd").digest() + hashlib.sha256(b"ef").digest()
        ... ).hexdigest()
        True
    """
    if not is_composite(algorithm):
        return _hashlib_new(algorithm)
    if algorithm.startswith(HDFS_PREFIX):
        from .hdfs_checksum import HDFSHash  # noqa: PLC0415 - few downloads come from HDFS

        return HDFSHash(algorithm)
    return SignedHash(algorithm) if signed((algorithm,)) else _CompositeHash(algorithm)


class _CompositeHash:
    def __init__(self, algorithm: str) -> None:
        self._hash, _, lengths = algorithm.partition("/")
        self._lengths = _part_lengths(lengths)
        self._outer, self._part = _hashlib_new(self._hash), _hashlib_new(self._hash)
        self._left = next(self._lengths)  # bytes missing from the current part

    def update(self, data: memoryview | bytes) -> None:
        rest = memoryview(data)
        while rest:
            if not self._left:
                self._outer.update(self._part.digest())
                self._part, self._left = _hashlib_new(self._hash), next(self._lengths)
            piece = rest[: self._left]
            self._part.update(piece)
            self._left -= len(piece)
            rest = rest[len(piece) :]

    def hexdigest(self) -> str:
        whole = self._outer.copy()  # the current part may still grow, so work on a copy
        whole.update(self._part.digest())
        return whole.hexdigest()


# `hashlib.new` takes five times as long.
_CONSTRUCTORS = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha256": hashlib.sha256}


def _hashlib_new(algorithm: str) -> "hashlib._Hash":
    constructor = _CONSTRUCTORS.get(algorithm)
    if constructor is None:
        return hashlib.new(algorithm, usedforsecurity=False)
    return constructor(usedforsecurity=False)


def _part_lengths(lengths: str) -> Iterator[int]:
    length = 0
    for run in lengths.split(","):
        text, _, count = run.partition("*")
        length = int(text)
        yield from repeat(length, int(count or 1))
    yield from repeat(length)
