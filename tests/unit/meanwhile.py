"""What other processes do while a directory is looked through."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["gone_when_looked_at"]


def gone_when_looked_at(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """Each listing of a directory names this file, which somebody has removed by the time it is looked at."""
    look = os.scandir

    @contextmanager
    def late(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        file.touch()
        with look(path) as entries:
            found = list(entries)
        file.unlink()
        yield iter(found)

    monkeypatch.setattr(os, "scandir", late)
