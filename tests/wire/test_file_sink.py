"""Bodies received into a part of a file: written as they arrive, continued after a break, and never wrong."""

import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealift.backends.local.file_sink import FileSink
from sealift.errors import LocalIOError, TransportError
from sealift.persist.download_journal import Claim
from sealift.types import KiB, MiB, Part
from sealift.wire import Expectation, Response
from sealift.wire.response_reader import MalformedResponseError

from .scripted import GUARD, chunked, connect, head, run, split
from .servers import pattern

BODY = pattern(3 * MiB)
START = len(GUARD)


@contextmanager
def file_sink(path: Path, size: int, piece: int = 256 * KiB) -> Iterator[tuple[FileSink, list[Claim]]]:
    """A sink for the middle of a file; the bytes around it must stay as they are."""
    path.write_bytes(GUARD + bytes(size) + GUARD)
    descriptor = os.open(path, os.O_RDWR)
    claims: list[Claim] = []
    try:
        memory = memoryview(bytearray(piece))
        yield FileSink(str(path), descriptor, Part(0, START, size), memory, "crc32c", claims.append), claims
        data = path.read_bytes()
        assert data[:START] == data[START + size :] == GUARD
    finally:
        os.close(descriptor)


def written(path: Path) -> bytes:
    return path.read_bytes()[START : -len(GUARD)]


def range_head(start: int, end: int, *headers: str) -> bytes:
    return head(f"Content-Range: bytes {start}-{end - 1}/{len(BODY)}", *headers)


bodies = st.binary(min_size=1, max_size=600)
cuts = st.lists(st.integers(1, 900), max_size=12)
on_disk = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@on_disk
@given(body=bodies, cuts=cuts, piece=st.integers(1, 300), scratch=st.integers(1, 300), in_chunks=st.booleans())
def test_pieces(tmp_path: Path, body: bytes, cuts: list[int], piece: int, scratch: int, in_chunks: bool) -> None:
    data = (
        head("Transfer-Encoding: chunked") + chunked([body[:100], body[100:]])
        if in_chunks
        else head(f"Content-Length: {len(body)}") + body
    )
    with file_sink(tmp_path / "file", len(body), piece) as (sink, claims):
        connection, _ = connect(split(data, cuts))
        result = run(connection, sink, scratch=scratch)
        assert isinstance(result, Response)
        assert connection.reusable
        assert written(tmp_path / "file") == body
        assert sink.crcs["crc32c"] == google_crc32c.value(body)
        assert claims[-1].length == len(body)


@on_disk
@given(body=bodies, ends=st.lists(st.integers(0, 600), max_size=5), piece=st.integers(1, 300), in_chunks=st.booleans())
def test_a_truncated_body_is_continued_where_it_broke(
    tmp_path: Path, body: bytes, ends: list[int], piece: int, in_chunks: bool
) -> None:
    with file_sink(tmp_path / "file", len(body), piece) as (sink, _):
        start = 0
        for end in sorted(end for end in ends if end < len(body)):
            assert sink.position == START + start
            size = len(body) - start
            data = head(f"Content-Length: {size}") + body[start:end]
            if in_chunks:
                data = head("Transfer-Encoding: chunked") + b"%x\r\n%b" % (size, body[start:end])
            result = run(connect([data])[0], sink)
            assert isinstance(result, TransportError)
            assert not isinstance(result, MalformedResponseError)
            start = max(start, end)
            assert written(tmp_path / "file") == body[:start] + bytes(len(body) - start)
        result = run(connect([head(f"Content-Length: {len(body) - start}") + body[start:]])[0], sink)
        assert isinstance(result, Response)
        assert written(tmp_path / "file") == body
        assert sink.crcs["crc32c"] == google_crc32c.value(body)


@pytest.mark.parametrize(
    "data",
    [
        head("Transfer-Encoding: chunked") + b"5\r\nhello\r\nnot a length\r\n",
        head("Transfer-Encoding: chunked") + chunked([b"hello"]),
        head("Transfer-Encoding: chunked") + chunked([b"hello world!"]),
        head("Connection: close") + b"hello",
    ],
    ids=["not a chunk", "too few chunks", "too many chunks", "too short"],
)
def test_a_malformed_body_is_received_again_from_its_beginning(tmp_path: Path, data: bytes) -> None:
    with file_sink(tmp_path / "file", 11) as (sink, _):
        connection, _ = connect([data])
        result = run(connection, sink)
        assert isinstance(result, MalformedResponseError)
        assert result.retryable
        assert not connection.reusable
        assert (len(sink), sink.position, sink.crcs["crc32c"]) == (11, START, 0)
        assert isinstance(run(connect([head("Content-Length: 11") + b"hello world"])[0], sink), Response)
        assert written(tmp_path / "file") == b"hello world"


ETAG = Expectation(100, len(BODY), (("etag", ('"a"',)),))


@pytest.mark.parametrize(
    "data",
    [
        range_head(100, 111, 'ETag: "b"', "Content-Length: 11") + b"hello world",
        range_head(100, 111, "Content-Length: 11") + b"hello world",
        range_head(101, 112, 'ETag: "a"', "Content-Length: 11") + b"hello world",
        head('ETag: "a"', "Content-Range: bytes 100-110/999", "Content-Length: 11") + b"hello world",
        head('ETag: "a"', "Content-Length: 11") + b"hello world",
        head('ETag: "a"', "Content-Length: 11", status="200 OK") + b"hello world",
        range_head(100, 111, 'ETag: "b"', "Transfer-Encoding: chunked") + chunked([b"hello world"]),
        head("Content-Length: 11", status="404 Not Found") + b"hello world",
    ],
    ids=["version", "no version", "range", "size", "no range", "whole object", "chunked", "status"],
)
def test_a_response_that_is_not_the_expected_one_is_not_written(tmp_path: Path, data: bytes) -> None:
    with file_sink(tmp_path / "file", 11) as (sink, claims):
        connection, _ = connect([data])
        result = run(connection, sink, ETAG)
        assert isinstance(result, Response)
        assert result.unexpected == (result.status in {200, 206})
        assert result.body == b"hello world"
        assert connection.reusable
        assert (len(sink), claims) == (11, [])
        assert written(tmp_path / "file") == bytes(11)


def test_an_unexpected_response_is_not_read_to_its_end(tmp_path: Path) -> None:
    data = head('ETag: "b"', f"Content-Length: {len(BODY)}", status="200 OK") + BODY
    with file_sink(tmp_path / "file", 11) as (sink, _):
        connection, sock = connect([data])
        result = run(connection, sink, ETAG)
        assert isinstance(result, Response)
        assert result.body == BODY[: 64 * KiB]
        assert not connection.reusable
        assert sock.received < 256 * KiB


def test_an_error_of_the_disk_is_raised(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        sink = FileSink("the file", descriptor, Part(0, 0, 11), memoryview(bytearray(100)), None, None)
        connection, _ = connect([head("Content-Length: 11") + b"hello world"])
        result = run(connection, sink)
        assert isinstance(result, LocalIOError)
        assert "the file" in str(result)
        assert not connection.reusable
    finally:
        os.close(descriptor)


def test_claims_come_once_per_mebibyte_and_at_the_end(tmp_path: Path) -> None:
    with file_sink(tmp_path / "file", len(BODY)) as (sink, claims):
        result = run(connect([head(f"Content-Length: {len(BODY)}") + BODY])[0], sink)
        assert isinstance(result, Response)
        assert [claim.length for claim in claims] == [MiB, 2 * MiB, 3 * MiB]
        assert claims[-1].crc == f"{google_crc32c.value(BODY):08x}"


def test_what_was_received_of_a_malformed_body_is_not_resumed(tmp_path: Path) -> None:
    """The server said that the body is longer than the part, so its first bytes may be wrong, too."""
    body = bytes(2 * MiB)
    data = head("Transfer-Encoding: chunked") + chunked([body, b"more"])
    with file_sink(tmp_path / "file", len(body)) as (sink, claims):
        assert isinstance(run(connect([data])[0], sink), MalformedResponseError)
        assert [claim.length for claim in claims[:-1]] == [MiB, 2 * MiB]
        assert claims[-1].start == claims[0].start  # and so replaces it
        assert not sink.recall(claims[-1:])
        assert len(sink) == len(body)


def test_every_byte_has_another_crc_than_a_claim_that_is_never_true() -> None:
    assert all(google_crc32c.value(bytes([byte])) and zlib.crc32(bytes([byte])) for byte in range(256))


def test_an_error_of_the_disk_at_the_journal_is_raised(tmp_path: Path) -> None:
    def full(claim: Claim) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        sink = FileSink("the file", descriptor, Part(0, 0, 11), memoryview(bytearray(100)), None, full)
        result = run(connect([head("Content-Length: 11") + b"hello world"])[0], sink)
        assert isinstance(result, LocalIOError)
        assert "the file" in str(result)
    finally:
        os.close(descriptor)
