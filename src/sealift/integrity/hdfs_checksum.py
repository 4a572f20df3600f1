"""The checksum of HDFS: an MD5 of the MD5s of the blocks' CRCs, one for each chunk of 512 bytes or so.

The algorithm name holds what it depends on: `hdfs-crc32c/512*262144` is the CRC32C of chunks of 512 bytes, in blocks of
262,144 chunks (128 MiB). `hdfs-crc32c/512*0` is that of a file of one block.
Source: FileChecksumHelper.java and BlockChecksumHelper.java in https://github.com/apache/hadoop
"""

import hashlib
import struct

from . import crc_library
from .composite import HDFS_PREFIX

__all__ = ["HDFSHash", "name"]

# HDFS hashes the whole buffer of the blocks' MD5s, which begins with 32 bytes and doubles when it is full; the rest of
# it is zeros.
_BUFFER = 32


def name(crc: str, chunk: int, chunks: int) -> str:
    """Return the algorithm name.

    Args:
        crc: "crc32" or "crc32c".
        chunk: Bytes of a chunk.
        chunks: Chunks of a block; 0: the file has one block.
    """
    return f"{HDFS_PREFIX}{crc}/{chunk}*{chunks}"


class HDFSHash:
    """Computes the checksum incrementally from bytes in order.

    Args:
        algorithm: A name made by `name`.

    Example:
        >>> running = HDFSHash("hdfs-crc32c/512*0")
        >>> running.update(b"123456789")
        >>> block = hashlib.md5(bytes.fromhex("e3069283")).digest()
        >>> running.hexdigest() == hashlib.md5(block + bytes(16)).hexdigest()
        True
    """

    def __init__(self, algorithm: str) -> None:
        crc, _, lengths = algorithm.removeprefix(HDFS_PREFIX).partition("/")
        chunk, _, chunks = lengths.partition("*")
        self._crc, _ = crc_library.load()[crc]
        self._chunk, self._chunks = int(chunk), int(chunks)
        self._partial = bytearray()  # the beginning of the next chunk
        self._block = hashlib.md5(usedforsecurity=False)
        self._in_block = 0  # complete chunks of the current block
        self._blocks = b""  # the MD5s of the complete blocks

    def update(self, data: memoryview | bytes) -> None:
        """Add the next bytes. It takes about a second for each GiB."""
        rest = memoryview(data).cast("B")
        if self._partial:
            missing = self._chunk - len(self._partial)
            self._partial += rest[:missing]
            rest = rest[missing:]
            if len(self._partial) < self._chunk:
                return
            self._add(memoryview(bytes(self._partial)))
            self._partial.clear()
        whole = len(rest) - len(rest) % self._chunk
        while whole:
            count = min(whole, self._room())
            self._add(rest[:count])
            rest, whole = rest[count:], whole - count
        self._partial += rest

    def _room(self) -> int:
        """The number of bytes that belong to the same block as the next one."""
        left = self._chunks - self._in_block % self._chunks if self._chunks else 1 << 20
        return left * self._chunk

    def _add(self, data: memoryview) -> None:
        """Add complete chunks of one block."""
        if self._chunks and self._in_block == self._chunks:
            self._blocks += self._block.digest()
            self._block, self._in_block = hashlib.md5(usedforsecurity=False), 0
        crc, chunk = self._crc, self._chunk
        sums = [crc(data[start : start + chunk], 0) for start in range(0, len(data), chunk)]
        self._block.update(struct.pack(f">{len(sums)}I", *sums))
        self._in_block += len(sums)

    def hexdigest(self) -> str:
        """The checksum of all bytes so far."""
        block, blocks = self._block.copy(), self._blocks
        if self._partial:
            if self._chunks and self._in_block == self._chunks:
                blocks += block.digest()
                block = hashlib.md5(usedforsecurity=False)
            block.update(self._crc(bytes(self._partial), 0).to_bytes(4, "big"))
        sums = blocks + block.digest()
        size = _BUFFER
        while size < len(sums):
            size *= 2
        return hashlib.md5(sums.ljust(size, b"\0"), usedforsecurity=False).hexdigest()
