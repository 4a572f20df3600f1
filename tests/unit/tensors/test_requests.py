"""Which bytes are requested for which tensors and slices; compared with numpy's slicing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.errors import InvalidConfig
from sealift.tensors.meta import TensorMeta
from sealift.tensors.requests import MAX_GAP, MAX_RANGES, Request, choose_methods, plan_requests
from sealift.tensors.selection import Selected, select
from sealift.tensors.target import Target, allocate, copy_piece


def tensors_of(*shapes: tuple[int, ...]) -> dict[str, TensorMeta]:
    """Tensors of bytes, one after the other; called t0, t1 …"""
    found, offset = {}, 100
    for number, shape in enumerate(shapes):
        size = int(np.prod(shape))
        found[f"t{number}"] = TensorMeta(f"t{number}", "U8", shape, size, "f", offset)
        offset += size
    return found


def targets_of(selected: list[Selected]) -> list[Target]:
    targets = [Target(each) for each in selected]
    for target in targets:
        target.data = allocate(target.selected.nbytes)
    return targets


def receive(requests: list[Request], content: bytes) -> None:
    for request in requests:
        for piece in request.pieces:
            copy_piece(piece, memoryview(content)[request.start : request.end])


@given(
    st.lists(st.lists(st.integers(0, 6), max_size=4).map(tuple), min_size=1, max_size=6),
    st.integers(1, 40),
    st.data(),
)
def test_slices_are_those_of_numpy(shapes: list[tuple[int, ...]], length: int, data: st.DataObject) -> None:
    tensors = tensors_of(*shapes)
    end = 100 + sum(each.nbytes for each in tensors.values())
    content = np.arange(end, dtype=np.uint8).tobytes()
    slices: dict[str, tuple[int, int, int]] = {}
    expected: dict[str, Any] = {}
    for name, meta in tensors.items():
        whole = np.frombuffer(content, np.uint8, meta.nbytes, meta.offset).reshape(meta.shape)
        expected[name] = whole
        if meta.shape and data.draw(st.booleans()):
            dimension = data.draw(st.integers(0, len(meta.shape) - 1))
            start = data.draw(st.integers(0, meta.shape[dimension]))
            stop = data.draw(st.integers(start, meta.shape[dimension]))
            slices[name] = (dimension, start, stop)
            expected[name] = whole[(slice(None),) * dimension + (slice(start, stop),)]
    selected = select(tensors, None, slices)
    methods = dict(choose_methods(selected))
    for each in selected:  # rows that are far apart are rare in so small tensors
        if methods[each.meta.name] == "span" and data.draw(st.booleans()):
            methods[each.meta.name] = "ranges"
    targets = targets_of(selected)
    requests = list(plan_requests(targets, methods, length))
    receive(requests, content)
    for target in targets:
        assert np.array_equal(target.data.reshape(target.selected.shape), expected[target.name])
    assert all(request.end - request.start <= length for request in requests)
    assert [request.start for request in requests] == sorted(request.start for request in requests)


def test_a_large_tensor_shares_no_request() -> None:
    """Otherwise the memory for one tensor could be needed to complete another."""
    targets = targets_of(select(tensors_of((30,), (100,), (20,), (30,))))
    requests = list(plan_requests(targets, choose_methods(target.selected for target in targets), 64))
    assert [[piece.target.name for piece in request.pieces] for request in requests] == [
        ["t0"], ["t1"], ["t1"], ["t2", "t3"]
    ]  # fmt: skip
    assert all(request.is_dense for request in requests)


def test_parts_of_a_tensor_are_about_equal() -> None:
    (target,) = targets_of(select(tensors_of((9 << 20,))))
    sizes = [request.end - request.start for request in plan_requests([target], {"t0": "whole"}, 8 << 20)]
    assert sizes == [(9 << 20) // 2] * 2


def test_methods() -> None:
    rows, gap = 600, MAX_GAP + 1
    tensors = tensors_of((rows, gap * 2), (rows + 1, gap * 2), (5, MAX_GAP + 1), (10, 10), (10, 10))
    slices = {"t0": (1, 0, gap - 1), "t1": (1, 0, gap - 1), "t2": (1, 0, 1), "t3": (0, 2, 5)}
    methods = choose_methods(select(tensors, None, slices))
    # Together they would have more rows than are allowed, so the one with the most is read as a span.
    assert methods == {"t0": "ranges", "t1": "span", "t2": "span", "t3": "range", "t4": "whole"}
    assert 2 * rows > MAX_RANGES
    assert choose_methods(select(tensors, ["t1"], slices)) == {"t1": "ranges"}


def test_bytes_of_each_rank() -> None:
    tensors = tensors_of((1000, 1000))
    for slices in ({"t0": (0, 0, 500)}, {"t0": (0, 500, 1000)}):
        targets = targets_of(select(tensors, None, slices))
        requests = plan_requests(targets, choose_methods(each.selected for each in targets), 1 << 20)
        assert [request.end - request.start for request in requests] == [500_000]


@pytest.mark.parametrize(
    "part", [(1, 0, 1), (-1, 0, 1), (0, 0, 4), (0, 2, 1), (0, -1, 1), (0, 1), "abc", (0, 0, 1.5), 7]
)
def test_slices_that_do_not_exist(part: Any) -> None:
    with pytest.raises(InvalidConfig, match="'t0'"):
        select(tensors_of((3,)), None, {"t0": part})


def test_names() -> None:
    tensors = tensors_of((1,), (2,), (3,))
    assert [each.meta.name for each in select(tensors, ["t2", "t0", "t2"])] == ["t0", "t2"]
    assert [each.meta.name for each in select(tensors, lambda name: name > "t0")] == ["t1", "t2"]
    for names, slices in ((["t3"], None), (None, {"t3": (0, 0, 1)})):
        with pytest.raises(InvalidConfig, match=r"no tensor 't3' \(`names` lists them\)"):
            select(tensors, names, slices)
    with pytest.raises(InvalidConfig, match="one string"):
        select(tensors, "t0")


def test_a_slice_of_elements_smaller_than_a_byte() -> None:
    tensors = {"a": TensorMeta("a", "F4", (4, 4), 8, "f", 0)}
    with pytest.raises(InvalidConfig, match="smaller than a byte"):
        select(tensors, None, {"a": (0, 0, 2)})
