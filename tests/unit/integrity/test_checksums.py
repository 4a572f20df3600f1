"""Checksums: published check values, combining, incremental computation."""

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.integrity.checksums import COMBINABLE, Running, best, combine, common, digest

CHECK = b"123456789"

# https://reveng.sourceforge.io/crc-catalogue/all.htm, the "check" values
CATALOGUE = {"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888"}


@pytest.mark.parametrize(("algorithm", "value"), CATALOGUE.items())
def test_published_check_values(algorithm: str, value: str) -> None:
    assert digest(algorithm, CHECK) == value
    assert digest(algorithm, memoryview(CHECK)) == value


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_cryptographic_hashes(algorithm: str) -> None:
    assert digest(algorithm, memoryview(CHECK)) == hashlib.new(algorithm, CHECK).hexdigest()


@pytest.mark.parametrize("algorithm", sorted(COMBINABLE))
def test_empty_input(algorithm: str) -> None:
    assert int(digest(algorithm, b""), 16) == 0
    assert combine(algorithm, []) == digest(algorithm, b"")


@given(st.binary(max_size=200))
def test_crc32_equals_zlib(data: bytes) -> None:
    assert digest("crc32", data) == f"{zlib.crc32(data):08x}"


@pytest.mark.parametrize("algorithm", sorted(COMBINABLE))
@given(st.lists(st.binary(max_size=400), max_size=8))
def test_parts_combine_to_the_whole(algorithm: str, pieces: list[bytes]) -> None:
    combined = combine(algorithm, [(digest(algorithm, piece), len(piece)) for piece in pieces])
    assert combined == digest(algorithm, b"".join(pieces))


@pytest.mark.parametrize("algorithm", sorted(COMBINABLE))
def test_order_of_parts_matters(algorithm: str) -> None:
    parts = [(digest(algorithm, piece), len(piece)) for piece in (b"1234", b"56789")]
    assert combine(algorithm, parts) == CATALOGUE[algorithm]
    assert combine(algorithm, parts[::-1]) != CATALOGUE[algorithm]


def test_best_algorithm() -> None:
    reported = {"md5": "1", "sha256": "2", "crc32": "3", "crc64nvme": "4", "crc32c": "5"}
    assert best(reported, combinable=True) == "crc64nvme"
    del reported["crc64nvme"]
    assert best(reported, combinable=True) == "crc32c"
    assert best({"md5": "1", "sha256": "2"}, combinable=False) == "sha256"
    assert best({"md5": "1", "sha256": "2"}, combinable=True) is None
    assert best({"xxhash": "1"}, combinable=False) is None
    assert best({}, combinable=False) is None


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256"])
@given(st.lists(st.binary(max_size=400), max_size=8))
def test_incremental_checksum_equals_digest(algorithm: str, pieces: list[bytes]) -> None:
    running = Running(algorithm)
    for piece in pieces:
        running.update(memoryview(piece))
    assert running.digest == digest(algorithm, b"".join(pieces))


def test_common_algorithm() -> None:
    assert common({"md5": "0", "crc32c": "1", "sha256": "2"}, {"sha256": "2", "crc32c": "1"}) == "crc32c"
    assert common({"md5": "0"}, {"crc32c": "1"}) is None
