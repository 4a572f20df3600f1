"""Archives in the cache: how large their files are is known only when they have been unpacked."""

import os
import tarfile
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from sealift import Event, LocalIOError, Storage
from sealift.cache.directory import CacheDirectory
from sealift.cache.eviction import make_room, usage
from sealift.config.cache import CacheSettings
from sealift.types import MiB
from tests.api.helpers import files_in
from tests.api.servers import FakeS3

from .reading import last_used, snapshots
from .test_download import outcomes

SIZE = 100_000
LIMIT = 450_000  # four objects with what the disk adds to each


def packed(files: dict[str, bytes]) -> bytes:
    """A compressed archive."""
    data = BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    return data.getvalue()


FILES = {f"deep/{number}": bytes([number]) * SIZE for number in range(2)}
HUGE = {f"{number}": bytes([number]) * SIZE for number in range(5)}


@pytest.fixture
def cache(server: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch) -> CacheDirectory:
    """A cache in which three objects are, and 2 MiB of zeros do not fit."""
    monkeypatch.setenv("SEALIFT_CACHE_SIZE", str(LIMIT))
    server.objects = {"b": {key: key.encode() * SIZE for key in ("a", "b", "c")}}
    server.replace("b", "files.tgz", packed(FILES))
    server.replace("b", "huge.tgz", packed(HUGE))
    for number, key in enumerate("abc"):
        with Storage.cached(f"s3://b/{key}", config=server.config) as path:
            pass
        last_used(cache_directory, Path(path).parent.name, 1e9 + number)
    return CacheDirectory(str(cache_directory))


def test_others_make_room_while_it_grows(server: FakeS3, cache: CacheDirectory) -> None:
    events: list[Event] = []
    with Storage.cached("s3://b/files.tgz", config=server.config, unpack=True, on_event=events.append) as path:
        assert files_in(path) == FILES
    assert outcomes(events) == ["evicted", "miss"]
    assert next(event.key for event in events if event.reason == "evicted") == "s3://b/a"
    assert usage(cache).bytes <= LIMIT
    assert len(os.listdir(cache.file("snapshots"))) == 3
    assert os.listdir(cache.file("work")) == []


def test_what_cannot_fit_is_refused_when_it_has_grown_too_large(server: FakeS3, cache: CacheDirectory) -> None:
    with (
        Storage.cached("s3://b/a", config=server.config) as used,
        pytest.raises(LocalIOError, match=r"do not fit .* s3://b/a is used by process") as caught,
    ):
        Storage.download("s3://b/huge.tgz", config=server.config, unpack=True)
    assert "SEALIFT_CACHE_SIZE" in str(caught.value.hint)
    assert Path(used).read_bytes() == b"a" * SIZE
    found = usage(cache)
    assert (found.bytes <= LIMIT, found.unfinished) == (True, 0)
    assert os.listdir(cache.file("work")) == []


@pytest.fixture
def stalling() -> Iterator[FakeS3]:
    """A server that sends a part of an archive, and the rest when released."""
    archive = packed({"1": os.urandom(2 * MiB), "2": os.urandom(MiB)})
    with FakeS3({"b": {"model.tgz": archive, "other": b"x" * SIZE}}, stall={"model.tgz": 2 * MiB}) as server:
        yield server


def test_one_that_is_being_unpacked_stays(
    stalling: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no unfinished download that nobody continues, and it counts as large as it has become."""
    monkeypatch.setenv("SEALIFT_CACHE_SIZE", str(4 * MiB))
    paths = list[str]()
    unpacking = threading.Thread(
        target=lambda: paths.append(Storage.download("s3://b/model.tgz", config=stalling.config, unpack=True))
    )
    unpacking.start()
    assert stalling.stalled.wait(30)
    cache = CacheDirectory(str(cache_directory))
    settings = CacheSettings(str(cache_directory), size=4 * MiB)
    with pytest.raises(LocalIOError, match="do not fit"):
        make_room(cache, settings, "0" * 32, 2 * MiB)
    stalling.release()
    unpacking.join()
    assert {name: len(data) for name, data in files_in(paths[0]).items()} == {"1": 2 * MiB, "2": MiB}
    assert len(snapshots(cache_directory)) == 1
