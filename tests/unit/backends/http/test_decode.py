"""Decoding of bodies in the encodings that servers use."""

import gzip
import random
import zlib
from collections.abc import Callable

import pytest

from sealift.backends.http.decode import CODINGS, Decoded
from sealift.errors import TransportError

pytestmark = pytest.mark.anyio

DATA = random.Random(5).randbytes(100_000) + bytes(3_000_000) + b"end"


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


class Source:
    """A body that arrives in pieces of equal size."""

    def __init__(self, body: bytes, step: int) -> None:
        self._body = body
        self._step = step

    async def readinto(self, view: memoryview) -> int:
        piece, self._body = self._body[: self._step], self._body[self._step :]
        view[: len(piece)] = piece
        return len(piece)


async def at_once(function: Callable[[], bytes]) -> bytes:
    return function()


async def decoded(body: bytes, coding: str, step: int = 10_000, into: int = 1 << 20) -> bytes:
    reader, found, view = Decoded(Source(body, step), coding, at_once), bytearray(), memoryview(bytearray(into))
    while count := await reader.readinto(view):
        found += view[:count]
    assert await reader.readinto(view) == 0
    return bytes(found)


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:50_000]) + gzip.compress(b"") + gzip.compress(data[50_000:])),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
    ],
    ids=["gzip", "x-gzip", "several members", "deflate", "raw deflate"],
)
@pytest.mark.parametrize(("step", "into"), [(10_000, 1 << 20), (1, 1 << 20), (1 << 18, 999), (1 << 18, 1 << 24)])
async def test_the_bytes_that_were_encoded(coding: str, encode: Callable[[bytes], bytes], step: int, into: int) -> None:
    data = DATA[90_000:300_000] if step == 1 or into < 1000 else DATA
    assert await decoded(encode(data), coding, step, into) == data
    assert await decoded(encode(b""), coding, step, into) == b""
    assert await decoded(encode(b"x"), coding, step, into) == b"x"


@pytest.mark.parametrize("coding", sorted(CODINGS))
async def test_a_body_without_a_byte(coding: str) -> None:
    assert await decoded(b"", coding) == b""


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_body_that_breaks_off(coding: str, encode: Callable[[bytes], bytes]) -> None:
    whole = encode(DATA)
    for size in (1, 2, 5, len(whole) // 2, len(whole) - 1):
        with pytest.raises(TransportError, match=f"the {coding}-encoded body is incomplete") as caught:
            await decoded(whole[:size], coding)
        assert caught.value.retryable


@pytest.mark.parametrize("coding", sorted(CODINGS))
async def test_a_body_that_is_not_so_encoded(coding: str) -> None:
    encoded = (gzip if "gzip" in coding else zlib).compress(DATA)
    damaged = bytearray(encoded)
    damaged[len(damaged) // 2] ^= 255
    for body in (b"<html>this is not it</html>", bytes(damaged), encoded + b"<html>"):
        with pytest.raises(TransportError, match=f"the body is not valid {coding}") as caught:
            await decoded(body, coding)
        assert caught.value.retryable
