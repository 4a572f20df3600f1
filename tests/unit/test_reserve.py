import os
from pathlib import Path

import pytest

from sealift.backends.local import reserve as module
from sealift.backends.local.reserve import reserve
from sealift.types import MiB


def test_what_is_there_stays_and_the_rest_has_its_blocks(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"here")
    with path.open("r+b") as file:
        os.truncate(path, 2 * MiB)
        assert os.fstat(file.fileno()).st_blocks * 512 < MiB
        reserve(file.fileno(), 0, MiB)
        assert MiB <= os.fstat(file.fileno()).st_blocks * 512 < 2 * MiB
        reserve(file.fileno(), MiB, MiB)
        assert os.fstat(file.fileno()).st_blocks * 512 >= 2 * MiB
    assert path.read_bytes() == b"here" + bytes(2 * MiB - 4)


def test_where_it_is_not_to_be_had_nothing_happens(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"here")
    with path.open("rb") as file:  # as on a file system that knows no such request, the system refuses
        reserve(file.fileno(), 0, MiB)
    assert path.read_bytes() == b"here"


def test_a_system_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"here")
    monkeypatch.setattr(module.sys, "platform", "darwin")
    module._fallocate.cache_clear()
    try:
        with path.open("r+b") as file:
            reserve(file.fileno(), 0, MiB)
    finally:
        module._fallocate.cache_clear()
    assert path.read_bytes() == b"here"
