"""What the parent and a worker process say to each other over the worker's control socket.

The parent sends orders: the length of the order, then a tuple of simple values encoded by `marshal`, which both
interpreters have without importing anything. A file travels beside its order as a descriptor (SCM_RIGHTS).

A worker sends reports: fixed structs and strings, checked when they are read. The parent decodes nothing of a worker
that could create objects or run code.
"""

import marshal
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = [
    "BEAT", "CRCS", "FAILED", "HELLO", "OPENED", "PROGRESS", "PROTOCOL", "RESPONSE", "Failure", "ProtocolError",
    "decode_failure", "decode_progress", "decode_response", "decode_strings", "encode_failure", "encode_order",
    "encode_progress", "encode_report", "encode_response", "encode_strings", "split_orders", "split_reports",
]  # fmt: skip

PROTOCOL = 2
"""Compared by the parent: the files of the package may have been replaced since the parent was started."""

# Kinds of reports.
HELLO, BEAT, OPENED, PROGRESS, RESPONSE, FAILED = range(1, 7)

CRCS = ("crc32", "crc32c", "crc64nvme")

_ORDER = struct.Struct("=I")
_REPORT = struct.Struct("=IBI")  # length of what follows, kind, number of the connection
_LENGTH = struct.Struct("=I")
_PROGRESS = struct.Struct("=Q")
_CRC = struct.Struct("=BQ")
_RESPONSE = struct.Struct("=H??")  # status, unexpected, reusable
_FAILURE = struct.Struct("=B?i")  # kind, retryable, errno

# An error body of 64 KiB and a head of little more.
_MAX_REPORT = 1 << 20


class ProtocolError(Exception):
    """A worker sent something that is no report."""


class Failure:
    """Why an order failed.

    Attributes:
        kind: One of the constants.
        cause: The cause, as in `StorageError`; for `OS_ERROR`, unused.
        hint: As in `StorageError`; "": none.
        retryable: As in `StorageError`.
        number: For `OS_ERROR`, the errno.
    """

    TRANSPORT, STALE, MALFORMED, CONFIG, OS_ERROR, DEFECT = range(6)

    __slots__ = ("cause", "hint", "kind", "number", "retryable")

    def __init__(self, kind: int, cause: str = "", hint: str = "", *, retryable: bool = False, number: int = 0) -> None:
        self.kind = kind
        self.cause = cause
        self.hint = hint
        self.retryable = retryable
        self.number = number


def encode_order(*order: Any) -> bytes:
    """Encode an order: its name, the number of the connection, and simple values."""
    data = marshal.dumps(order, 4)
    return _ORDER.pack(len(data)) + data


def split_orders(buffer: bytearray) -> Iterator[tuple[Any, ...]]:
    """Take the complete orders out of what has arrived."""
    while len(buffer) >= _ORDER.size:
        end = _ORDER.size + _ORDER.unpack_from(buffer)[0]
        if len(buffer) < end:
            return
        order = bytes(buffer[_ORDER.size : end])
        del buffer[:end]
        yield marshal.loads(order)  # noqa: S302 - from the parent, which started this process


def encode_report(kind: int, connection: int, payload: bytes = b"") -> bytes:
    """Encode a report."""
    return _REPORT.pack(len(payload), kind, connection) + payload


def split_reports(buffer: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Take the complete reports out of what has arrived: kind, connection, payload.

    Raises:
        ProtocolError: It is no report.
    """
    while len(buffer) >= _REPORT.size:
        length, kind, connection = _REPORT.unpack_from(buffer)
        if length > _MAX_REPORT or not HELLO <= kind <= FAILED:
            raise ProtocolError
        end = _REPORT.size + length
        if len(buffer) < end:
            return
        payload = bytes(buffer[_REPORT.size : end])
        del buffer[:end]
        yield kind, connection, payload


def encode_strings(strings: Sequence[bytes]) -> bytes:
    """Encode byte strings, each with its length."""
    return b"".join([_LENGTH.pack(len(each)) + each for each in strings])


def decode_strings(payload: bytes) -> list[bytes]:
    """Decode byte strings.

    Raises:
        ProtocolError: The payload is malformed.
    """
    strings, at = [], 0
    while at < len(payload):
        if at + _LENGTH.size > len(payload):
            raise ProtocolError
        (length,) = _LENGTH.unpack_from(payload, at)
        at += _LENGTH.size + length
        if at > len(payload):
            raise ProtocolError
        strings.append(payload[at - length : at])
    return strings


def encode_progress(count: int, crcs: Mapping[str, int]) -> bytes:
    """Encode how many bytes were written since the last report, and the CRCs of all bytes so far."""
    return _PROGRESS.pack(count) + b"".join([_CRC.pack(CRCS.index(name), crc) for name, crc in crcs.items()])


def decode_progress(payload: bytes) -> tuple[int, dict[str, int]]:
    """Decode a count and CRCs.

    Raises:
        ProtocolError: The payload is malformed.
    """
    try:
        (count,) = _PROGRESS.unpack_from(payload)
        return count, {CRCS[index]: crc for index, crc in _CRC.iter_unpack(payload[_PROGRESS.size :])}
    except (struct.error, IndexError):
        raise ProtocolError from None


def encode_response(
    status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, *, unexpected: bool, reusable: bool
) -> bytes:
    """Encode a response, and whether the connection can be used again."""
    strings = [body]
    for header in headers:
        strings += header
    return _RESPONSE.pack(status, unexpected, reusable) + encode_strings(strings)


def decode_response(payload: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool, bool]:
    """Decode a response: status, headers, body, unexpected, reusable.

    Raises:
        ProtocolError: The payload is malformed.
    """
    try:
        status, unexpected, reusable = _RESPONSE.unpack_from(payload)
    except struct.error:
        raise ProtocolError from None
    strings = decode_strings(payload[_RESPONSE.size :])
    if len(strings) % 2 != 1:
        raise ProtocolError
    return status, list(zip(strings[1::2], strings[2::2], strict=True)), strings[0], unexpected, reusable


def encode_failure(failure: Failure) -> bytes:
    """Encode why an order failed."""
    texts = [text.encode("utf-8", "surrogatepass") for text in (failure.cause, failure.hint)]
    return _FAILURE.pack(failure.kind, failure.retryable, failure.number) + encode_strings(texts)


def decode_failure(payload: bytes) -> Failure:
    """Decode why an order failed.

    Raises:
        ProtocolError: The payload is malformed.
    """
    try:
        kind, retryable, number = _FAILURE.unpack_from(payload)
        cause, hint = (text.decode("utf-8", "surrogatepass") for text in decode_strings(payload[_FAILURE.size :]))
    except (struct.error, ValueError):
        raise ProtocolError from None
    return Failure(kind, cause, hint, retryable=retryable, number=number)
