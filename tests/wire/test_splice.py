"""Bodies that the kernel moves from a socket to a file through a pipe, and systems where it cannot."""

import errno
import fcntl
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import google_crc32c
import pytest

from sealift.backends.local.file_sink import FileSink
from sealift.errors import LocalIOError, TransportError
from sealift.types import KiB, MiB, Part
from sealift.wire import TLS, Response, range_writer
from sealift.wire import pipe as pipe_module
from sealift.wire.connection import Connection
from sealift.wire.pipe import Pipe

from .scripted import ORIGIN, head, run, split
from .servers import pattern
from .test_file_sink import START, file_sink, written

BODY = pattern(3 * MiB + 12_345)


@contextmanager
def connected(pieces: Iterable[bytes]) -> Iterator[Connection]:
    """A connection to a peer that sends these pieces and then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()

    def send() -> None:
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with theirs:
            try:
                for piece in pieces:
                    theirs.sendall(piece)
                theirs.shutdown(socket.SHUT_WR)
                while theirs.recv(64 * KiB):
                    pass
            except OSError:
                return  # the test has closed its end

    sender = threading.Thread(target=send)
    sender.start()
    connection = Connection(ORIGIN, TLS())
    connection._sock = connection._stream = ours
    try:
        yield connection
    finally:
        ours.close()
        sender.join()


def response(body: bytes, size: int | None = None) -> bytes:
    return head(f"Content-Length: {len(body) if size is None else size}") + body


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture
def spliced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each splice has moved."""
    moved, splice = list[int](), os.splice

    def observed(*arguments: int, **named: int) -> int:
        moved.append(splice(*arguments, **named))
        return moved[-1]

    monkeypatch.setattr(os, "splice", observed)
    monkeypatch.setattr(range_writer, "is_local", lambda descriptor: True)  # whatever the tests run on
    return moved


@pytest.mark.parametrize("pipe_size", [4 * KiB, MiB])
@pytest.mark.parametrize("size", [MiB, MiB + 1, len(BODY)])
@pytest.mark.parametrize(
    "cuts", [[], [10], list(range(100, 200)), list(range(500, 3 * MiB, 50_001)), list(range(90, MiB, 777))]
)
def test_bodies(
    tmp_path: Path, spliced: list[int], size: int, cuts: list[int], pipe_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe_module, "_SIZE", pipe_size)
    body, before = BODY[:size], open_descriptors()
    with file_sink(tmp_path / "file", size) as (sink, claims), connected(split(response(body), cuts)) as connection:
        assert isinstance(run(connection, sink), Response)
        assert connection.reusable
        assert connection._received == len(response(body))
        assert written(tmp_path / "file") == body
        assert sink.crcs["crc32c"] == google_crc32c.value(body)
        assert claims[-1].length == size
    assert sum(spliced) > size  # nearly all of it, into the pipe and out of it
    assert open_descriptors() == before


def test_a_small_body_is_not_worth_a_pipe(tmp_path: Path, spliced: list[int]) -> None:
    with file_sink(tmp_path / "file", 1000) as (sink, _), connected([response(BODY[:1000])]) as connection:
        assert isinstance(run(connection, sink), Response)
        assert written(tmp_path / "file") == BODY[:1000]
    assert spliced == []


@pytest.mark.parametrize("end", [0, 1, 200 * KiB, 256 * KiB, 2 * MiB + 5])
def test_a_truncated_body_is_continued_where_it_broke(tmp_path: Path, spliced: list[int], end: int) -> None:
    with file_sink(tmp_path / "file", len(BODY)) as (sink, _):
        with connected([response(BODY[:end], len(BODY))]) as connection:
            assert isinstance(run(connection, sink), TransportError)
        assert sink.position == START + end
        with connected([response(BODY[end:])]) as connection:
            assert isinstance(run(connection, sink), Response)
        assert written(tmp_path / "file") == BODY
        assert sink.crcs["crc32c"] == google_crc32c.value(BODY)
    assert sum(spliced) > MiB


def not_from_sockets(*arguments: int, offset_dst: int | None = None) -> int:
    if offset_dst is None:
        raise OSError(errno.EINVAL, "no splice here")
    return SPLICE(*arguments, offset_dst=offset_dst)


def not_to_files(*arguments: int, offset_dst: int | None = None) -> int:
    if offset_dst is not None:
        raise OSError(errno.EINVAL, "no splice here")
    return SPLICE(*arguments)


SPLICE = os.splice


@pytest.mark.parametrize("splice", [not_from_sockets, not_to_files])
def test_systems_that_cannot_splice(
    tmp_path: Path, splice: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "splice", splice)
    monkeypatch.setattr(range_writer, "is_local", lambda descriptor: True)
    with file_sink(tmp_path / "file", len(BODY)) as (sink, _), connected([response(BODY)]) as connection:
        assert isinstance(run(connection, sink), Response)
        assert written(tmp_path / "file") == BODY
        assert sink.crcs["crc32c"] == google_crc32c.value(BODY)


@pytest.mark.parametrize("function", ["pipe2", "fcntl"])
def test_no_pipe_is_left(tmp_path: Path, function: str, spliced: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: int) -> int:
        raise OSError(errno.EPERM, "too many pipes")

    monkeypatch.setattr(os if function == "pipe2" else fcntl, function, fail)
    before = open_descriptors()
    with file_sink(tmp_path / "file", len(BODY)) as (sink, _), connected([response(BODY)]) as connection:
        assert isinstance(run(connection, sink), Response)
        assert written(tmp_path / "file") == BODY
    assert spliced == []
    assert open_descriptors() == before


def test_a_file_that_may_be_on_another_computer(
    tmp_path: Path, spliced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it back might take a round trip to that computer."""
    monkeypatch.setattr(range_writer, "is_local", lambda descriptor: False)
    with file_sink(tmp_path / "file", len(BODY)) as (sink, _), connected([response(BODY)]) as connection:
        assert isinstance(run(connection, sink), Response)
        assert written(tmp_path / "file") == BODY
    assert spliced == []


def full(pipe: Pipe, descriptor: int, position: int, count: int) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("broken", [True, False], ids=["broken", "whole"])
def test_a_full_disk(tmp_path: Path, *, broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the connection breaks before the bytes are written."""
    monkeypatch.setattr(Pipe, "write", full)
    monkeypatch.setattr(range_writer, "is_local", lambda descriptor: True)
    before = open_descriptors()
    sent = BODY[: 100 * KiB] if broken else BODY
    with (
        file_sink(tmp_path / "file", len(BODY)) as (sink, claims),
        connected([response(sent, len(BODY))]) as connection,
    ):
        error = run(connection, sink)
        assert isinstance(error, LocalIOError)
        assert str(tmp_path / "file") in str(error)
        assert not connection.reusable
        assert sink.position <= START + 64 * KiB  # what came with the head was written without the pipe
        assert all(claim.length <= 64 * KiB for claim in claims)
    assert open_descriptors() == before


def test_a_file_that_is_truncated_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def truncate(pipe: Pipe, descriptor: int, position: int, count: int) -> int:
        os.ftruncate(descriptor, 0)
        return count

    monkeypatch.setattr(Pipe, "write", truncate)
    monkeypatch.setattr(range_writer, "is_local", lambda descriptor: True)
    path = tmp_path / "file"
    path.write_bytes(b"")
    descriptor = os.open(path, os.O_RDWR)
    try:
        sink = FileSink(str(path), descriptor, Part(0, 0, len(BODY)), memoryview(bytearray(256 * KiB)), "crc32c", None)
        with connected([response(BODY)]) as connection:
            error = run(connection, sink)
    finally:
        os.close(descriptor)
    assert isinstance(error, LocalIOError)
    assert "truncated" in str(error)
