"""What a worker sends is checked, whatever it is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.wire.workers import protocol
from sealift.wire.workers.protocol import Failure, ProtocolError

HEADERS = st.lists(st.tuples(st.binary(), st.binary()))


@given(st.integers(0, 999), HEADERS, st.binary(), st.booleans(), st.booleans())
def test_responses(status: int, headers: list[tuple[bytes, bytes]], body: bytes, first: bool, second: bool) -> None:
    payload = protocol.encode_response(status, headers, body, unexpected=first, reusable=second)
    assert protocol.decode_response(payload) == (status, headers, body, first, second)


@given(st.integers(0, 2**64 - 1), st.dictionaries(st.sampled_from(protocol.CRCS), st.integers(0, 2**64 - 1)))
def test_progress(count: int, crcs: dict[str, int]) -> None:
    assert protocol.decode_progress(protocol.encode_progress(count, crcs)) == (count, crcs)


@given(st.text(), st.text(), st.booleans())
def test_failures(cause: str, hint: str, retryable: bool) -> None:
    failure = Failure(Failure.TRANSPORT, cause, hint, retryable=retryable, number=5)
    decoded = protocol.decode_failure(protocol.encode_failure(failure))
    assert all(getattr(decoded, name) == getattr(failure, name) for name in Failure.__slots__)


@given(st.lists(st.binary()), st.lists(st.integers(1, 20)))
def test_reports_in_pieces(payloads: list[bytes], pieces: list[int]) -> None:
    data = b"".join([protocol.encode_report(protocol.OPENED, 7, payload) for payload in payloads])
    buffer, found = bytearray(), []
    for size in [*pieces, len(data)]:
        buffer += data[:size]
        data = data[size:]
        found += [payload for _, _, payload in protocol.split_reports(buffer)]
    assert found == payloads
    assert not buffer


def test_orders_in_pieces() -> None:
    data = protocol.encode_order("open", 1, ("http", "h", 80), None) + protocol.encode_order("close", 1)
    buffer, found = bytearray(), []
    for byte in data:
        buffer.append(byte)
        found += protocol.split_orders(buffer)
    assert found == [("open", 1, ("http", "h", 80), None), ("close", 1)]


@given(st.binary())
def test_anything_else(payload: bytes) -> None:
    for decode in (
        protocol.decode_response, protocol.decode_progress, protocol.decode_failure, protocol.decode_strings,
    ):  # fmt: skip
        with contextlib.suppress(ProtocolError):
            decode(payload)
    with contextlib.suppress(ProtocolError):
        list(protocol.split_reports(bytearray(payload)))


@pytest.mark.parametrize("kind", [0, 7, 255])
def test_an_unknown_kind(kind: int) -> None:
    with pytest.raises(ProtocolError):
        list(protocol.split_reports(bytearray(protocol.encode_report(kind, 1))))


def test_a_report_that_is_too_long() -> None:
    with pytest.raises(ProtocolError):
        list(protocol.split_reports(bytearray(b"\xff\xff\xff\x7f\x05\0\0\0\0")))
