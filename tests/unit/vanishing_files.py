"""Simulate other processes that delete files while a directory is scanned."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["vanish_after_scan"]


def vanish_after_scan(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """Make every directory listing contain this file, which is deleted before the caller can open it."""
    scandir = os.scandir

    @contextmanager
    def scan_then_delete(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        file.touch()
        with scandir(path) as entries:
            listed = list(entries)
        file.unlink()
        yield iter(listed)

    monkeypatch.setattr(os, "scandir", scan_then_delete)
