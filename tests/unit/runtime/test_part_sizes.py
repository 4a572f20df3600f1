"""Part sizes: each byte is in exactly one part, within the limits of the storage and the memory budget."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.errors import InvalidConfig
from sealift.runtime.part_sizes import DEFAULT_PART, part_size, parts, stream_part
from sealift.types import Capabilities, GiB, KiB, Limits, MiB

TiB = 1024 * GiB
S3 = Capabilities(min_part=5 * MiB, max_part=5 * GiB, max_parts=10_000)
BUDGET = 128 * MiB


@st.composite
def capabilities(draw: st.DrawFn) -> Capabilities:
    smallest = draw(st.integers(1, 8 * MiB))
    largest = draw(st.integers(smallest, 8 * GiB))
    return Capabilities(min_part=smallest, max_part=largest, max_parts=draw(st.integers(1, 50_000)))


SIZES = st.integers(1, 64 * MiB) | st.integers(1, 10 * TiB)
MEMORY = st.integers(1, 2 * GiB)


@given(st.integers(1, 100_000), st.integers(1, 5_000))
def test_parts_cover_the_object_exactly(size: int, length: int) -> None:
    cut = list(parts(size, length))
    assert [part.index for part in cut] == list(range(len(cut)))
    assert [part.start for part in cut] == [index * length for index in range(len(cut))]
    assert sum(part.size for part in cut) == size
    assert all(part.size == length for part in cut[:-1])
    assert 0 < cut[-1].size <= length


@given(SIZES, capabilities(), MEMORY, st.none() | st.integers(1, 8 * GiB))
def test_a_plan_is_within_all_limits(size: int, can: Capabilities, memory: int, given_size: int | None) -> None:
    try:
        length = part_size(size, can, Limits(part_size=given_size), memory)
    except InvalidConfig:
        return
    assert -(-size // length) <= can.max_parts
    assert min(length, size) <= can.max_part
    assert size <= length or length >= can.min_part
    assert min(length, size) <= memory
    assert given_size is None or length == given_size


@given(SIZES, capabilities(), MEMORY)
def test_what_fits_is_not_refused(size: int, can: Capabilities, memory: int) -> None:
    needed = max(can.min_part, -(-size // can.max_parts))
    fits = needed <= can.max_part and needed <= memory - 64 * KiB
    if fits:
        assert part_size(size, can, Limits(), memory) >= min(needed, size)


@given(SIZES, capabilities(), MEMORY)
def test_the_memory_that_a_refusal_names_does(size: int, can: Capabilities, memory: int) -> None:
    try:
        part_size(size, can, Limits(), memory)
    except InvalidConfig as error:
        named = re.search(r"Limits\(memory=(\d+)\)", str(error))
        if named is None:
            assert -(-size // can.max_parts) > can.max_part
        else:
            enough = int(named[1])
            assert enough > memory
            part_size(size, can, Limits(memory=enough), enough)


@given(SIZES, capabilities(), st.integers(1, 8 * GiB))
def test_the_part_size_that_a_refusal_names_does(size: int, can: Capabilities, given_size: int) -> None:
    endless = 16 * TiB
    try:
        part_size(size, can, Limits(part_size=given_size), endless)
    except InvalidConfig as error:
        named = re.search(r"Limits\(part_size=(\d+)\)", str(error))
        if named is None:
            assert -(-size // can.max_parts) > can.max_part
        else:
            part_size(size, can, Limits(part_size=int(named[1])), endless)


def test_the_largest_object_of_s3_needs_a_gibibyte_of_memory() -> None:
    length = part_size(5 * TiB, S3, Limits(memory=GiB), GiB)
    assert S3.min_part <= length <= GiB
    assert -(-5 * TiB // length) <= 10_000
    with pytest.raises(InvalidConfig) as caught:
        part_size(5 * TiB, S3, Limits(), BUDGET)
    message = str(caught.value)
    assert f"memory budget of {BUDGET} bytes" in message
    named = re.search(r"Limits\(memory=(\d+)\)", message)
    assert named is not None
    assert part_size(5 * TiB, S3, Limits(memory=int(named[1])), int(named[1])) == length


@pytest.mark.parametrize("size", [1, 8 * MiB, 5 * GiB, 78 * GiB])
def test_the_usual_part(size: int) -> None:
    assert part_size(size, S3, Limits(), BUDGET) == DEFAULT_PART == 8 * MiB


def test_parts_grow_with_the_object_in_whole_steps() -> None:
    length = part_size(100 * GiB, S3, Limits(), BUDGET)
    assert length > DEFAULT_PART
    assert length % (64 * KiB) == 0
    assert length - 64 * KiB < 100 * GiB / 10_000


def test_a_small_budget_still_reads_in_parallel() -> None:
    assert part_size(GiB, Capabilities(max_parts=100_000), Limits(), 16 * MiB) == 2 * MiB
    assert part_size(GiB, S3, Limits(), 16 * MiB) == 5 * MiB


@pytest.mark.parametrize(
    ("size", "given_size", "message"),
    [
        (GiB, 64 * KiB, "more than 10000 parts of 65536 bytes"),
        (GiB, MiB, f"a part has {MiB} bytes, but this storage accepts {5 * MiB} to {5 * GiB}"),
        (7 * GiB, 6 * GiB, f"a part has {6 * GiB} bytes, but this storage accepts"),
    ],
)
def test_a_part_size_that_the_storage_does_not_take(size: int, given_size: int, message: str) -> None:
    with pytest.raises(InvalidConfig, match=re.escape(message)):
        part_size(size, S3, Limits(part_size=given_size), 16 * GiB)


def test_an_object_of_one_part_may_be_smaller_than_the_smallest_part() -> None:
    assert part_size(100, S3, Limits(part_size=1000), BUDGET) == 1000
    assert part_size(100, S3, Limits(part_size=6 * GiB), BUDGET) == 6 * GiB


def test_too_large_for_the_storage() -> None:
    with pytest.raises(InvalidConfig, match="larger than this storage accepts"):
        part_size(50 * TiB, S3, Limits(memory=16 * GiB), 16 * GiB)


@given(capabilities(), MEMORY, st.none() | st.integers(1, 8 * GiB), st.data())
def test_a_stream_s_part_is_within_all_limits(
    can: Capabilities, memory: int, given_size: int | None, more: st.DataObject
) -> None:
    index = more.draw(st.integers(0, can.max_parts - 1))
    try:
        length = stream_part(index, can, Limits(part_size=given_size), memory)
    except InvalidConfig:
        return
    assert can.min_part <= length <= memory
    assert length <= max(can.max_part, given_size or 0)
    assert index == 0 or length >= stream_part(index - 1, can, Limits(part_size=given_size), memory)
    assert given_size is None or length >= given_size


def test_a_stream_of_unknown_size_may_become_as_large_as_s3_takes() -> None:
    lengths = [stream_part(index, S3, Limits(), 4 * GiB) for index in range(10_000)]
    assert lengths[0] == DEFAULT_PART
    assert sum(lengths) >= 5 * TiB
    assert max(lengths) == 2 * GiB


def test_a_stream_s_parts_with_the_usual_budget() -> None:
    lengths = [stream_part(index, S3, Limits(), BUDGET) // MiB for index in (0, 999, 1000, 2000, 3000, 9999)]
    assert lengths == [8, 8, 16, 32, 64, 64]


@pytest.mark.parametrize(
    ("index", "limits", "memory", "message"),
    [
        (0, Limits(), MiB, "a part of 5242880 bytes is larger than the memory budget of 1048576 bytes"),
        (0, Limits(part_size=16 * MiB), 8 * MiB, "larger than the memory budget"),
        (0, Limits(part_size=MiB), BUDGET, "a part has 1048576 bytes, but this storage accepts 5242880 to"),
        (10_000, Limits(), BUDGET, "more than 10000 parts"),
    ],
)
def test_a_stream_that_does_not_fit(index: int, limits: Limits, memory: int, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        stream_part(index, S3, limits, memory)


def test_what_a_refusal_of_a_stream_names_does() -> None:
    for limits, memory in ((Limits(), MiB), (Limits(part_size=MiB), BUDGET)):
        with pytest.raises(InvalidConfig) as caught:
            stream_part(0, S3, limits, memory)
        named = re.search(r"Limits\((memory|part_size)=(\d+)\)", str(caught.value))
        assert named is not None
        number = int(named[2])
        enough = number if named[1] == "memory" else memory
        assert stream_part(0, S3, Limits(part_size=None if named[1] == "memory" else number), enough) >= S3.min_part
