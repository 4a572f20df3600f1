"""Directories that other processes make and remove meanwhile."""

import os
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from sealift.backends.local import confinement, open_own
from sealift.errors import LocalIOError


def removed_by_others(monkeypatch: pytest.MonkeyPatch, times: Iterator[object]) -> None:
    """Somebody removes what has been made, each time."""
    make = confinement.make_directories

    def made_and_removed(path: str) -> None:
        make(path)
        if next(times, None) is not None:
            os.rmdir(path)

    monkeypatch.setattr(confinement, "make_directories", made_and_removed)


def test_a_dot_directory_that_others_remove_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed_by_others(monkeypatch, iter(range(5)))
    os.close(open_own(str(tmp_path / "a" / ".sealift")))
    assert (tmp_path / "a" / ".sealift").is_dir()


def test_a_dot_directory_that_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed_by_others(monkeypatch, repeat(True))
    with pytest.raises(LocalIOError, match=r"/\.sealift vanishes again and again"):
        open_own(str(tmp_path / ".sealift"))
