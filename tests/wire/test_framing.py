"""A connection over a scripted socket: however data is split into packets, the body is correct or the call fails."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.errors import TransportError

from .scripted import chunked, exchange, head, parsed_by_h11

REPLY = head("Server: x", "Content-Length: 11", 'ETag: "e"') + b"hello world"
CHUNKED = head("Transfer-Encoding: chunked") + chunked([b"hello", b" ", b"world"])


@pytest.mark.parametrize("data", [REPLY, CHUNKED], ids=["length", "chunked"])
def test_a_response_split_at_any_byte(data: bytes) -> None:
    for cut in range(1, len(data)):
        result, body, _ = exchange(data, [cut], 11)
        assert result.status == 206
        assert body == b"hello world"
    result, body, _ = exchange(data, list(range(1, len(data))), 11)
    assert body == b"hello world"


@pytest.mark.parametrize("data", [REPLY, CHUNKED], ids=["length", "chunked"])
def test_a_response_truncated_at_any_byte_is_an_error(data: bytes) -> None:
    for end in range(len(data)):
        result, _, connection = exchange(data[:end], [], 11)
        assert isinstance(result, TransportError)
        assert result.retryable
        assert not connection.reusable


bodies = st.binary(min_size=1, max_size=600)
cuts = st.lists(st.integers(1, 900), max_size=12)


@settings(max_examples=150, deadline=None)
@given(body=bodies, cuts=cuts, scratch=st.integers(1, 300))
def test_a_body_of_known_length_split_anywhere(body: bytes, cuts: list[int], scratch: int) -> None:
    result, got, connection = exchange(head(f"Content-Length: {len(body)}") + body, cuts, len(body), scratch=scratch)
    assert (result.status, got) == (206, body)
    assert connection.reusable


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(bodies, min_size=1, max_size=6), cuts=cuts, scratch=st.integers(1, 300))
def test_chunks_split_anywhere(pieces: list[bytes], cuts: list[int], scratch: int) -> None:
    body = b"".join(pieces)
    result, got, connection = exchange(
        head("Transfer-Encoding: chunked") + chunked(pieces), cuts, len(body), scratch=scratch
    )
    assert (result.status, got) == (206, body)
    assert connection.reusable


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(bodies, min_size=1, max_size=6), cuts=cuts, wrong=st.integers(-5, 5).filter(bool))
def test_chunks_of_another_length_are_an_error(pieces: list[bytes], cuts: list[int], wrong: int) -> None:
    length = max(1, sum(map(len, pieces)) + wrong)
    if length == sum(map(len, pieces)):
        return
    result, _, connection = exchange(head("Transfer-Encoding: chunked") + chunked(pieces), cuts, length)
    assert isinstance(result, TransportError)
    assert not connection.reusable


@settings(max_examples=150, deadline=None)
@given(body=bodies, cuts=cuts, status=st.sampled_from(["404 Not Found", "503 Slow", "302 Found", "200 OK"]))
def test_a_small_response_split_anywhere(body: bytes, cuts: list[int], status: str) -> None:
    result, _, _ = exchange(head(f"Content-Length: {len(body)}", status=status) + body, cuts, None)
    assert (result.status, result.body) == (int(status[:3]), body)


@settings(max_examples=400, deadline=None)
@given(
    garbage=st.binary(max_size=300), cuts=cuts, at=st.integers(0, len(CHUNKED)), good=st.sampled_from([REPLY, CHUNKED])
)
def test_garbage_never_gives_wrong_bytes(garbage: bytes, cuts: list[int], at: int, good: bytes) -> None:
    """Data replaced from some byte on: either it is rejected, or h11 parses the same response from it."""
    data = good[:at] + garbage
    result, body, connection = exchange(data, cuts, 11)
    if isinstance(result, BaseException):
        assert isinstance(result, TransportError)
        assert not connection.reusable
        return
    into = body if result.status in {200, 206} else result.body
    assert parsed_by_h11(data) == (result.status, into, True)


@settings(max_examples=150, deadline=None)
@given(extra=st.binary(min_size=1, max_size=100), cuts=cuts)
def test_bytes_after_a_response_close_the_connection(extra: bytes, cuts: list[int]) -> None:
    result, body, connection = exchange(REPLY + extra, cuts, 11)
    assert (result.status, body) == (206, b"hello world")
    assert not connection.reusable
