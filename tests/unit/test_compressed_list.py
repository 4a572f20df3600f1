"""A list that keeps its items compressed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.compressed_list import BLOCK, CompressedList

SURROGATE = "\udc80"  # from a file name that is not UTF-8


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_items_come_back_in_their_order(count: int) -> None:
    items = [(f"model/{number}{SURROGATE}", number, None, {"md5": "a"}, 1.5) for number in range(count)]
    kept = CompressedList(items)
    assert list(kept) == items == list(kept)
    assert len(kept) == count
    assert [item for number in range(kept.blocks) for item in kept.block(number)] == items
    kept.clear()
    assert (list(kept), len(kept), bool(kept)) == ([], 0, False)


@given(st.lists(st.text(), max_size=20))
def test_any_names(names: list[str]) -> None:
    kept: CompressedList[str] = CompressedList()
    for name in names:
        kept.append(name)
    assert list(kept) == names


def test_names_of_a_listing_take_a_few_bytes() -> None:
    kept = CompressedList(f"model/shard-{number:06}.safetensors" for number in range(64 * BLOCK))
    assert sum(map(len, kept._blocks)) < 4 * len(kept)
