"""The listing of a destination, looked up by path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift import compressed_list
from sealift.compressed_list import BLOCK
from sealift.operations.listed_objects import ListedObjects
from sealift.types import ObjectInfo


def listed(paths: list[str]) -> ListedObjects:
    made = ListedObjects()
    for path in paths:
        made.add(path, ObjectInfo(f"p/{path}", len(path), f'"{path}"', None, f'"{path}"'))
    made.sort()
    return made


@given(st.lists(st.text("ab/-\udc80", min_size=1, max_size=6), unique=True), st.text("ab/-", max_size=6))
def test_any_order(paths: list[str], other: str) -> None:
    found = listed(paths)
    assert [path for path, _ in found] == sorted(paths)
    assert all(found.find(path) == obj for path, obj in found)
    assert (found.find(other) is None) == (other not in paths)


@pytest.mark.parametrize("reverse", [False, True])
def test_many_blocks_and_runs(monkeypatch: pytest.MonkeyPatch, *, reverse: bool) -> None:
    monkeypatch.setattr(compressed_list, "_RUN", BLOCK + 7)
    paths = [f"{number:06}" for number in range(20 * BLOCK)]
    found = listed(paths[::-1] if reverse else paths)
    assert len(found) == len(paths)
    for path in paths[::-3]:
        obj = found.find(path)
        assert obj is not None
        assert obj.key == f"p/{path}"
    assert found.find("000000x") is None
    assert list(found.not_found()) == sorted(set(paths) - set(paths[::-3]))
    near = [obj.key for obj in found.near(paths[700])]
    assert f"p/{paths[700]}" in near
    assert len(near) == BLOCK


def test_an_empty_listing() -> None:
    found = listed([])
    assert (found.find("a"), list(found.near("a")), list(found.not_found())) == (None, [], [])
