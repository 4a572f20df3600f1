"""What writes stdout while a loop runs."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import anyio.to_thread
import pytest

from sealift.cli.output import Output

CHUNK = bytes(64 << 10)
CHUNKS = 200
# What the writer holds back, and what a pipe does.
AHEAD = (1 << 20) + (1 << 20)


@contextmanager
def stdout_of(writing: int) -> Iterator[None]:
    """Let stdout be this descriptor; not in a fixture, since pytest's own comes after those."""
    with open(writing, "w") as stdout, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        yield


@pytest.mark.anyio
async def test_a_writer_waits_for_its_reader() -> None:
    reading, writing = os.pipe()
    accepted = 0

    async def write() -> None:
        nonlocal accepted
        async with Output() as output:
            for _ in range(CHUNKS):
                await output.write(CHUNK)
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
async def test_lines_wait_for_nobody_and_all_arrive() -> None:
    reading, writing = os.pipe()
    lines = [f"line {number}" for number in range(20_000)]  # more than a pipe takes

    async def write() -> None:
        async with Output() as output:
            for line in lines:
                output.say(line)

    read = b""
    with stdout_of(writing):
        writer = asyncio.create_task(write())
        while read.count(b"\n") < len(lines):
            read += await anyio.to_thread.run_sync(os.read, reading, 1 << 20)
        await writer
    os.close(reading)
    assert read.decode().splitlines() == lines


@pytest.mark.anyio
async def test_a_reader_that_went_away_is_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with stdout_of(writing):
        with pytest.raises(BrokenPipeError):
            async with Output() as output:
                output.say("a line")
