"""Fixtures: a server that records its requests, and programs that use the same cache."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift.cache import syncing
from sealift.types import MiB
from tests.api.conftest import bare_environment, what_may_block
from tests.api.servers import FakeS3, pattern

__all__ = ["bare_environment", "what_may_block"]

OBJECTS = {
    "iris/model.bin": pattern(300_000),
    "iris/config.json": b'{"layers": 2}',
    "iris/deep/vocab.json": b"[1, 2, 3]",
    "iris/empty": b"",
    "copy/model.bin": pattern(300_000),
    "large": pattern(12 * MiB),
}


@pytest.fixture
def server() -> Iterator[FakeS3]:
    """A server with `OBJECTS` in the bucket "b"."""
    with FakeS3({"b": OBJECTS}) as running:
        yield running


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An empty directory."""
    directory = tmp_path / "here"
    directory.mkdir()
    return directory


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sync snapshots as soon as they are published."""
    monkeypatch.setattr(syncing, "_DELAY", 0.0)
