"""The kind of file system that a file is on."""

import os

import pytest

from sealift.runtime import file_system
from sealift.runtime.file_system import is_in_memory, is_local


def test_a_file_in_memory_is_local() -> None:
    descriptor = os.memfd_create("file")
    try:
        assert is_in_memory(descriptor)
        assert is_local(descriptor)
    finally:
        os.close(descriptor)


def test_what_is_on_no_disk_is_not_local() -> None:
    descriptor = os.open("/proc/self/status", os.O_RDONLY)
    try:
        assert not is_in_memory(descriptor)
        assert not is_local(descriptor)
    finally:
        os.close(descriptor)


def test_what_is_not_known_is_not_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_system, "c_function", lambda name: None)
    descriptor = os.memfd_create("file")
    try:
        assert not is_in_memory(descriptor)
        assert not is_local(descriptor)
    finally:
        os.close(descriptor)
