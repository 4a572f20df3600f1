"""Large buffers."""

import sys

import pytest

from sealift.runtime.large_buffer import allocate, to_bytes
from sealift.types import MiB


@pytest.mark.parametrize("size", [1, 4095, 4097, MiB - 1, MiB, MiB + 1, 3 * MiB + 7])
def test_a_copy_has_all_bytes(size: int) -> None:
    buffer = allocate(size)
    assert len(buffer) == size
    content = bytes(index * 31 % 251 for index in range(size))
    with memoryview(buffer) as view:
        view[:] = content
    copy = to_bytes(buffer)
    assert type(copy) is bytes
    assert copy == content


def test_a_new_buffer_is_zeroed() -> None:
    assert to_bytes(allocate(5000)) == bytes(5000)


def test_more_than_the_system_has() -> None:
    with pytest.raises(MemoryError, match="cannot allocate"):
        allocate(sys.maxsize // 2)
