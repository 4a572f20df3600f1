"""Preallocation of file blocks."""

import os
import sys
from pathlib import Path

import pytest

from sealift.backends.local import LocalBackend
from sealift.runtime import file_system
from sealift.runtime import reserve as reserve_module
from sealift.runtime.disk_threads import DiskThreads
from sealift.runtime.reserve import reserve
from sealift.types import KiB, MiB, Part

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="fallocate is Linux-only")


@needs_linux
def test_what_is_there_stays_and_the_rest_has_its_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserve_module, "is_in_memory", lambda descriptor: False)
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


@needs_linux
def test_nothing_is_reserved_in_memory() -> None:
    descriptor = os.memfd_create("file")
    try:
        reserve(descriptor, 0, MiB)
        assert os.fstat(descriptor).st_blocks == 0
    finally:
        os.close(descriptor)


def test_nothing_happens_where_fallocate_is_not_supported(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"here")
    with path.open("rb") as file:  # fallocate fails, as on a file system without support
        reserve(file.fileno(), 0, MiB)
    assert path.read_bytes() == b"here"


@pytest.mark.parametrize("lacking", ["the system", "the interpreter", "the C library"])
def test_a_system_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"here")
    if lacking == "the system":
        monkeypatch.setattr(sys, "platform", "darwin")
    elif lacking == "the interpreter":
        monkeypatch.setitem(sys.modules, "ctypes", None)
    else:
        monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    file_system.c_function.cache_clear()
    try:
        with path.open("r+b") as file:
            reserve(file.fileno(), 0, MiB)
    finally:
        file_system.c_function.cache_clear()
    assert path.read_bytes() == b"here"


@pytest.mark.anyio
async def test_only_large_parts_are_preallocated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserved: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "sealift.backends.local.upload.reserve", lambda _, start, length: reserved.append((start, length))
    )
    disk = DiskThreads()
    backend = LocalBackend(str(tmp_path), disk)
    try:
        await backend.put("small", memoryview(bytes(256 * KiB)))
        assert reserved == []
        upload = await backend.open_upload("large", 2 * MiB)
        receipts = [
            await upload.write_part(part, memoryview(bytes([part.index + 1]) * MiB))
            for part in (Part(0, 0, MiB), Part(1, MiB, MiB))
        ]
        await upload.complete(receipts)
        await backend.aclose()
    finally:
        disk.close()
    assert reserved == [(0, MiB), (MiB, MiB)]
    assert (tmp_path / "large").read_bytes() == b"\1" * MiB + b"\2" * MiB
