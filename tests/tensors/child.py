"""Read tensors, and print how much resident memory that took at most, in bytes; started by test_memory.py.

`python child.py URL MEMORY SCENARIO`: MEMORY is the argument of `Storage.tensors`.
"""

import sys
from collections.abc import Callable

import numpy as np

from sealift import Storage, Tensors
from tests.tensors.resident_memory import reset_peak, status


def small(name: str) -> bool:
    return name != "large"


def stream(tensors: Tensors) -> None:
    for _, tensor in tensors.stream(small):
        del tensor


def stream_all(tensors: Tensors) -> None:
    for _, tensor in tensors:
        del tensor


def load(tensors: Tensors) -> None:
    assert sum(tensor.nbytes for tensor in tensors.load().values()) == tensors.nbytes


def into(tensors: Tensors) -> None:
    tensors.into({"large": DESTINATION})
    assert not DESTINATION.any()


def columns(tensors: Tensors) -> None:
    """A few bytes of each row, which are read together with those between them."""
    tensors.load(["large"], slices={"large": (1, 0, 16)})
    assert tensors.reads["large"].method == "span"


SCENARIOS: dict[str, Callable[[Tensors], None]] = {
    "stream": stream, "stream_all": stream_all, "load": load, "into": into, "columns": columns,
}  # fmt: skip


url, memory, scenario = sys.argv[1:]
with Storage.tensors(url, memory=int(memory)) as opened:
    DESTINATION = np.ones(opened.meta("large").shape, np.uint8)  # touched before
    if scenario != "into":
        del DESTINATION
    opened.load(["first"])
    before = reset_peak()
    SCENARIOS[scenario](opened)
    print(status("VmHWM") - before)
