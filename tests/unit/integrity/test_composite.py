"""Composite checksums: hashes of part hashes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.integrity import checksums, composite


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    cut=st.integers(1, 100),
    hashed=st.sampled_from(["sha256", "sha1"]),
)
def test_any_parts_and_any_chunks(sizes: list[int], cut: int, hashed: str) -> None:
    parts = [bytes([index]) * size for index, size in enumerate(sizes)]
    expected = hashlib.new(hashed, b"".join(hashlib.new(hashed, part).digest() for part in parts)).hexdigest()
    data, algorithm = b"".join(parts), composite.name(hashed, sizes)
    assert checksums.digest(algorithm, data) == expected
    running = checksums.Running(algorithm)
    for start in range(0, len(data), cut):
        running.update(data[start : start + cut])
    assert running.digest == expected


@given(sizes=st.lists(st.integers(2, 40), min_size=2, max_size=10), moved=st.integers(0, 8))
def test_different_part_boundaries_change_name_and_hash(sizes: list[int], moved: int) -> None:
    others = sizes.copy()
    others[moved % (len(sizes) - 1)] -= 1
    others[-1] += 1
    data = bytes(range(256)) * 2
    mine, theirs = (composite.name("sha256", each) for each in (sizes, others))
    size = sum(sizes)
    assert mine != theirs
    assert checksums.digest(mine, data[:size]) != checksums.digest(theirs, data[:size])


@pytest.mark.parametrize(
    ("reported", "best"),
    [
        (["sha256/8", "md5"], "md5"),
        (["crc32", "sha256/8"], "crc32"),
        (["sha256/8"], "sha256/8"),
        ([], None),
    ],
)
def test_plain_checksums_are_preferred(reported: list[str], best: str | None) -> None:
    assert checksums.best(dict.fromkeys(reported, "…"), combinable=False) == best


def test_composite_checksums_cannot_be_combined() -> None:
    assert checksums.best({"sha256/8": "…"}, combinable=True) is None
    assert checksums.common({"sha256/8": "a"}, {"sha256/9": "a"}) is None
    assert checksums.common({"sha256/8": "a"}, {"sha256/8": "b"}) == "sha256/8"
