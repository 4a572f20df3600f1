"""Ranges of files outside Git LFS, which may be large on a mirror of the hub."""

import pytest

from sealift.backends.huggingface.small_files import read_range
from sealift.errors import TransportError
from sealift.runtime.disk_threads import DiskThreads
from sealift.types import KiB, MiB
from sealift.wire import Response, StreamedResponse, memory_sink

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * (4 * KiB)


def response(body: bytes, start: int, length: int) -> StreamedResponse:
    """The response to a range of DATA, whose body arrives in pieces and then ends."""
    rest = memoryview(body)

    async def readinto(view: memoryview) -> int:
        nonlocal rest
        count = min(len(view), len(rest), 100_000)
        view[:count], rest = rest[:count], rest[count:]
        return count

    content_range = f"bytes {start}-{start + length - 1}/{len(DATA)}".encode()
    return StreamedResponse(Response(206, [(b"content-range", content_range)]), readinto)


async def test_a_body_that_ends_early_is_kept() -> None:
    """The next read continues where this one broke."""
    disk, received = DiskThreads(), bytearray(len(DATA))
    sink = memory_sink(memoryview(received))
    with pytest.raises(TransportError, match="shorter than requested"):
        await read_range(response(DATA[: 600 * KiB], 0, MiB), MiB, 0, sink, disk)
    assert len(sink) == 512 * KiB
    await read_range(response(DATA[512 * KiB :], 512 * KiB, 512 * KiB), MiB, 512 * KiB, sink, disk)
    disk.close()
    assert len(sink) == 0
    assert received == DATA


async def test_a_body_that_is_too_long_is_not_kept() -> None:
    disk, received = DiskThreads(), bytearray(1000)
    sink = memory_sink(memoryview(received))
    with pytest.raises(TransportError, match="longer than requested"):
        await read_range(response(DATA[:1001], 0, 1000), MiB, 0, sink, disk)
    disk.close()
    assert len(sink) == 1000
