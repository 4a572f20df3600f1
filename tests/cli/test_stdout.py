"""Writing to stdout while the event loop runs."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import anyio.to_thread
import pytest

from sealift.cli.stdout import StdoutWriter

CHUNK = bytes(64 << 10)
CHUNKS = 200
# The limits of the writer's queue and of a pipe.
AHEAD = (1 << 20) + (1 << 20)


@contextmanager
def stdout_of(writing: int) -> Iterator[None]:
    """Redirect stdout to this descriptor. Not a fixture: pytest replaces stdout after fixtures run."""
    with open(writing, "w") as stdout, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        yield


@pytest.mark.anyio
async def test_write_waits_for_the_reader() -> None:
    reading, writing = os.pipe()
    accepted = 0

    async def write() -> None:
        nonlocal accepted
        async with StdoutWriter() as stdout:
            for _ in range(CHUNKS):
                await stdout.write(CHUNK)
                accepted += len(CHUNK)

    read, furthest = 0, 0
    with stdout_of(writing):
        writer = asyncio.create_task(write())
        while read < CHUNKS * len(CHUNK):
            read += len(await anyio.to_thread.run_sync(os.read, reading, len(CHUNK)))
            furthest = max(furthest, accepted - read)
        await writer
    os.close(reading)
    assert accepted == read
    assert furthest <= AHEAD


@pytest.mark.anyio
async def test_lines_are_queued_without_waiting_and_all_are_written() -> None:
    reading, writing = os.pipe()
    lines = [f"line {number}" for number in range(20_000)]  # more than a pipe takes

    async def write() -> None:
        async with StdoutWriter() as stdout:
            for line in lines:
                stdout.print_line(line)

    read = b""
    with stdout_of(writing):
        writer = asyncio.create_task(write())
        while read.count(b"\n") < len(lines):
            read += await anyio.to_thread.run_sync(os.read, reading, 1 << 20)
        await writer
    os.close(reading)
    assert read.decode().splitlines() == lines


@pytest.mark.anyio
async def test_a_closed_pipe_raises() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with stdout_of(writing):
        with pytest.raises(BrokenPipeError):
            async with StdoutWriter() as stdout:
                stdout.print_line("a line")
