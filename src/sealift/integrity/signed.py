"""Digests that a signature lists, as checksums of objects: they come before those that a service reports.

The algorithm name is "signed/" and the hash; for an object that was signed in shards, also the length of a shard in
bytes: `signed/sha256/1000000000`. The digest is then that of each shard, one after the other.
"""

import hashlib
from collections.abc import Iterable
from typing import Protocol

from ..errors import InvalidConfig

__all__ = ["DIGEST_BYTES", "SignedHash", "name", "signed"]

_PREFIX = "signed/"
# The hashes of https://github.com/ossf/model-signing-spec/blob/main/algorithm-registry.md, and their lengths.
DIGEST_BYTES = {"sha256": 32, "blake2b": 64, "blake3": 32}


def name(hash_type: str, shard_size: int | None = None) -> str:
    """The algorithm name.

    Example:
        >>> name("sha256"), name("blake2b", 1_000_000_000)
        ('signed/sha256', 'signed/blake2b/1000000000')
    """
    return f"{_PREFIX}{hash_type}" if shard_size is None else f"{_PREFIX}{hash_type}/{shard_size}"


def signed(algorithms: Iterable[str]) -> str | None:
    """The algorithm of a signed digest among others; None: there is none."""
    return next((algorithm for algorithm in algorithms if algorithm.startswith(_PREFIX)), None)


class _Hash(Protocol):
    """Interface of an incremental hash, as in hashlib."""

    def update(self, data: memoryview | bytes, /) -> object: ...
    def hexdigest(self) -> str: ...


class SignedHash:
    """An incremental hash of an algorithm made by `name`.

    Example:
        >>> running = SignedHash("signed/sha256/4")
        >>> running.update(b"abcdef")
        >>> running.hexdigest() == hashlib.sha256(b"abcd").hexdigest() + hashlib.sha256(b"ef").hexdigest()
        True
    """

    def __init__(self, algorithm: str) -> None:
        self._hash_type, _, shard_size = algorithm.removeprefix(_PREFIX).partition("/")
        self._shard_size = int(shard_size) if shard_size else None
        self._complete: list[str] = []
        self._shard = _new(self._hash_type)
        self._left = self._shard_size

    def update(self, data: memoryview | bytes, /) -> None:
        """Add the next bytes."""
        if self._left is None:
            self._shard.update(data)
            return
        rest = memoryview(data)
        while rest:
            if not self._left:
                self._complete.append(self._shard.hexdigest())
                self._shard, self._left = _new(self._hash_type), self._shard_size or 0
            piece = rest[: self._left]
            self._shard.update(piece)
            self._left -= len(piece)
            rest = rest[len(piece) :]

    def hexdigest(self) -> str:
        """The digest of all bytes so far."""
        return "".join(self._complete) + self._shard.hexdigest()


def _new(hash_type: str) -> _Hash:
    if hash_type != "blake3":
        return hashlib.new(hash_type)
    try:
        from blake3 import blake3  # noqa: PLC0415 - optional, and rarely used
    except ImportError:
        hint = "pip install 'sealift[blake3]'"
        raise InvalidConfig(
            "the model was signed with BLAKE3 digests, for which a package is missing", hint=hint
        ) from None
    return blake3()
