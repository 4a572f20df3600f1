"""A cache with 10,000 entries: how many file operations each action takes."""

import builtins
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sealift import Storage
from sealift.cache.directory import CacheDirectory
from sealift.cache.eviction import usage
from sealift.cache.manifest import Manifest
from tests.api.servers import FakeS3

from .reading import bodies, snapshots
from .test_command import run

COUNT, OLD = 10_000, 1000
NAMES = ("lstat", "stat", "listdir", "scandir", "open", "rename", "unlink", "mkdir", "rmdir", "chmod", "utime")


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """Count the file operations of this process. Manifests that are read are counted beside."""
    count = {"operations": 0, "manifests": 0}
    read = Manifest.read.__func__  # type: ignore[attr-defined]

    def counting(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            count[name] += 1
            return function(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setattr(os, name, counting(getattr(os, name), "operations"))
        patch.setattr(builtins, "open", counting(open, "operations"))
        patch.setattr(Manifest, "read", classmethod(counting(read, "manifests")))
        yield count


@pytest.mark.timeout(120)
def test_ten_thousand_entries(server: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work for one entry does not depend on how many there are."""
    server.objects = {"b": {"first": b"x" * 8192, "last": b"y" * 8192}}
    hit = Storage.download("s3://b/first", config=server.config)
    cache = CacheDirectory(str(cache_directory))
    fill(cache)

    with counted() as count:
        lines = run("ls", "--json").stdout.splitlines()
    assert len(lines) == COUNT + 1
    assert count["operations"] < 6 * COUNT
    with counted() as count:
        assert json.loads(run("du", "--json").stdout)["size"] > 0
    assert count["operations"] < 6 * COUNT

    with counted() as count:
        assert Storage.download("s3://b/first", config=server.config) == hit
    assert count["operations"] < 100

    monkeypatch.setenv("SEALIFT_CACHE_SIZE", str(usage(cache).bytes))
    with counted() as count:
        Storage.download("s3://b/last", config=server.config)
    assert count["operations"] < 20 * COUNT
    assert count["manifests"] < 100, "only of those that may be removed"
    there = set(snapshots(cache_directory))
    assert f"{0:032x}" not in there
    assert f"{COUNT - 1:032x}" in there
    assert sorted(bodies(server)) == ["first", "last"]

    with counted() as count:
        assert run("rm", *[f"s3://b/{number}" for number in range(COUNT - 100, COUNT)]).exit_code == 0
    assert count["manifests"] < 1.1 * COUNT, "all are read once, not for each argument"
    assert count["operations"] < 10 * COUNT

    before = len(snapshots(cache_directory))
    with counted() as count:
        assert run("prune", "--older-than", "1").exit_code == 0
    removed = before - len(snapshots(cache_directory))
    assert removed > OLD - 10
    assert count["manifests"] < 1.1 * OLD
    assert count["operations"] < 40 * OLD + 20 * COUNT


def fill(cache: CacheDirectory) -> None:
    """Add snapshots of one file; it is the same for most of them, which saves time and space."""
    same = Path(cache.file("blobs", "same"))
    same.write_bytes(b"m")
    modified = same.stat().st_mtime_ns
    for number in range(COUNT):
        snapshot = cache.snapshot(f"{number:032x}")
        os.mkdir(snapshot)
        if number < 10:
            Path(snapshot, "m").write_bytes(b"m")
        else:
            os.link(same, Path(snapshot, "m"))
        facts = {"uri": f"s3://b/{number}", "name": "m", "boot": "", "created": 0}
        manifest = cache.file("manifests", f"{number:032x}.json")
        Path(manifest).write_text(json.dumps(facts | {"files": [["m", 1, modified, "", {}]]}))
        if number < OLD:
            os.utime(manifest, (1e9 + number, 1e9 + number))
