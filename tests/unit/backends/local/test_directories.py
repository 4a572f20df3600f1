"""Directories that other processes remove at the same time."""

import os
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from sealift.backends.local import directories, open_below, open_work_directory
from sealift.errors import LocalIOError


def removed_by_others(monkeypatch: pytest.MonkeyPatch, times: Iterator[object]) -> None:
    """Simulate another process that removes each new directory."""
    make = directories.make_directories

    def made_and_removed(path: str) -> None:
        make(path)
        if next(times, None) is not None:
            os.rmdir(path)

    monkeypatch.setattr(directories, "make_directories", made_and_removed)


def test_a_state_directory_removed_by_others_is_created_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed_by_others(monkeypatch, iter(range(5)))
    os.close(open_work_directory(str(tmp_path / "a" / ".sealift")))
    assert (tmp_path / "a" / ".sealift").is_dir()


def test_a_state_directory_that_keeps_being_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed_by_others(monkeypatch, repeat(True))
    with pytest.raises(LocalIOError, match=r"other processes keep removing the directory .*/\.sealift"):
        open_work_directory(str(tmp_path / ".sealift"))


def test_a_root_removed_by_others_is_created_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed_by_others(monkeypatch, iter(range(5)))
    os.close(open_below(str(tmp_path / "root"), "a/b", "a/b/key"))
    assert (tmp_path / "root" / "a" / "b").is_dir()


def test_a_root_that_keeps_being_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed_by_others(monkeypatch, repeat(True))
    with pytest.raises(LocalIOError, match="other processes keep removing the directory .*/root"):
        open_below(str(tmp_path / "root"), "a", "a/key")
