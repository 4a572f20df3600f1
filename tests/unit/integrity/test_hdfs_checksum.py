"""The checksum of HDFS."""

import hashlib

import pytest

from sealift.integrity import checksums
from sealift.integrity.hdfs_checksum import name

DATA = bytes(range(256)) * 40  # 10,240 bytes


def expected(data: bytes, chunk: int, chunks: int) -> str:
    """The definition, over the whole data."""
    size = chunk * chunks or len(data)
    blocks = [data[start : start + size] for start in range(0, len(data), size)]
    sums = b""
    for block in blocks:
        pieces = [block[start : start + chunk] for start in range(0, len(block), chunk)]
        crcs = b"".join(bytes.fromhex(checksums.digest("crc32c", piece)) for piece in pieces)
        sums += hashlib.md5(crcs).digest()
    buffer = 32
    while buffer < len(sums):
        buffer *= 2
    return hashlib.md5(sums + bytes(buffer - len(sums))).hexdigest()


@pytest.mark.parametrize("chunks", [0, 1, 4, 20, 100])
@pytest.mark.parametrize("size", [1, 511, 512, 513, 2048, 2049, 10_239, 10_240])
@pytest.mark.parametrize("step", [100, 512, 1000, 10_240])
def test_it_does_not_depend_on_the_pieces(chunks: int, size: int, step: int) -> None:
    running = checksums.Running(name("crc32c", 512, chunks))
    for start in range(0, size, step):
        running.update(memoryview(DATA)[start : min(start + step, size)])
    assert running.digest == expected(DATA[:size], 512, chunks)


def test_it_is_chosen_if_there_is_no_other() -> None:
    algorithm = name("crc32", 512, 0)
    assert checksums.best({algorithm: "…"}, combinable=False) == algorithm
    assert checksums.best({algorithm: "…"}, combinable=True) is None
