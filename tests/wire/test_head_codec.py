"""Response heads parsed without h11: the result must be the same as that of h11."""

import time

import h11
import pytest
from hypothesis import given, settings

from sealift.types import KiB
from sealift.wire.head_codec import MAX_HEAD_BYTES, parse_simple_head, response_framing

from .scripted import GET, head
from .test_mutations import mutated

BODY = b"hello"
LENGTH = f"Content-Length: {len(BODY)}"


def test_a_simple_head() -> None:
    fields = (
        'ETag: "e"',
        "X-Empty:",
        "x-spaces: \t a b\t ",
        "VIA: 1.1 a",
        "Via: 1.1 b",
        "Connection: keep-alive",
        LENGTH,
    )
    parsed = parse_simple_head(memoryview(head(*fields, status="206 Partial Content") + BODY))
    assert parsed is not None
    response, size = parsed
    assert (response.status, size) == (206, len(head(*fields, status="206 Partial Content")))
    assert response.headers == [
        (b"etag", b'"e"'), (b"x-empty", b""), (b"x-spaces", b"a b"), (b"via", b"1.1 a"), (b"via", b"1.1 b"),
        (b"connection", b"keep-alive"), (b"content-length", b"5"),
    ]  # fmt: skip


@pytest.mark.parametrize(("fields", "status"), [((LENGTH,), "201 Created"), (("ETag: x",), "204 No Content")])
def test_replies_to_put(fields: tuple[str, ...], status: str) -> None:
    data = head(*fields, status=status)
    parsed = parse_simple_head(memoryview(data))
    assert parsed is not None
    assert (parsed[0].status, parsed[1]) == (int(status[:3]), len(data))


@pytest.mark.parametrize(
    "data",
    [
        head(LENGTH)[:-1],
        head("Server: x"),
        head(LENGTH, LENGTH),
        head("Content-Length: 5, 5"),
        head("Content-Length: +5"),
        head("Content-Length: 0x5"),
        head("Content-Length: 9999999999999999999"),
        head(LENGTH, "Transfer-Encoding: chunked"),
        head(LENGTH, "Connection: close"),
        head(LENGTH, "Connection: keep-alive, close"),
        head(LENGTH, "Upgrade: h2c"),
        head(LENGTH, status="204 No Content"),
        head(LENGTH, status="404 Not Found"),
        head(status="100 Continue") + head(LENGTH),
        head(LENGTH).replace(b"HTTP/1.1", b"HTTP/1.0"),
        head(LENGTH, "X: a\r\n folded"),
        head(LENGTH, "X : a"),
        head(LENGTH, "X: a\nY: b"),
        head(LENGTH, "X: a\rb"),
        head(LENGTH, "X: a\0b"),
        head(LENGTH, "X: \xe4"),
        head(LENGTH, ": a"),
        head(LENGTH, f"X: {'a' * MAX_HEAD_BYTES}"),
        b"\r\n" + head(LENGTH),
    ],
)
def test_heads_left_to_h11(data: bytes) -> None:
    assert parse_simple_head(memoryview(data + BODY)) is None


@settings(max_examples=500, deadline=None)
@given(data=mutated())
def test_a_simple_head_is_parsed_as_h11_does(data: bytes) -> None:
    parsed = parse_simple_head(memoryview(data))
    if parsed is None:
        return
    response, size = parsed
    framing = response_framing(GET, None, sent=True)
    framing.receive_data(data[:size])
    event = framing.next_event()
    assert isinstance(event, h11.Response)
    assert (event.status_code, list(event.headers)) == (response.status, response.headers)
    assert framing.trailing_data[0] == b""
    if length := int(response.header("content-length") or 0):
        framing.receive_data(b"x" * min(length, KiB))
        assert isinstance(framing.next_event(), h11.Data)
    if length <= KiB:
        assert isinstance(framing.next_event(), h11.EndOfMessage)
        assert framing.our_state is framing.their_state is h11.DONE


def test_parsing_time_is_bounded() -> None:
    """CPU time; the limit is hundreds of times the usual time."""
    begun = time.thread_time()
    for filling in (b"\t" * MAX_HEAD_BYTES, b"a" * MAX_HEAD_BYTES, b"a:" * MAX_HEAD_BYTES, b"a:\r\n" * MAX_HEAD_BYTES):
        assert parse_simple_head(memoryview(b"HTTP/1.1 200 OK\r\nX:" + filling + b"\0")) is None
    assert time.thread_time() - begun < 1
