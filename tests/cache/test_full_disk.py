"""A cache on a disk that others have filled to the last byte."""

import errno
import os
from pathlib import Path

import pytest

from sealift import LocalIOError, Storage
from sealift.cache.directory import CacheDirectory
from sealift.cache.eviction import evict
from sealift.types import KiB
from tests.api.helpers import files_in
from tests.api.servers import FakeS3
from tests.api.test_disk_trouble import _MOUNTED as MOUNTED
from tests.api.test_disk_trouble import namespaces
from tests.facade.scripts import Script

from .reading import snapshots
from .test_download import IRIS

__all__ = ["namespaces"]

SIZE = 600 * KiB


def test_what_is_there_is_found_and_makes_room_for_others(server: FakeS3, here: Path, namespaces: bool) -> None:
    """Each use is one of a new process, which has to record that it uses something."""
    if not namespaces:
        pytest.skip("users of this machine cannot mount private file systems")
    program = """
        os.environ["SEALIFT_CACHE"] = str(HERE / "disk/cache")

        def use(key):
            child = os.fork()
            if not child:
                events = []
                try:
                    with Storage.cached(f"s3://b/{key}", config=config, on_event=events.append) as path:
                        outcomes = [event.reason for event in events if event.kind == "cache"]
                        say(key, len(content(path)), content(path)[0], *outcomes)
                finally:
                    os._exit(0)
            os.waitpid(child, 0)

        use("1")
        use("2")
        with (HERE / "disk/filler").open("wb", 0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                pass
        use("1")
        use("3")
        use("4")
    """
    (here / "disk").mkdir()
    server.objects = {"b": {f"{n}": bytes([n]) * SIZE for n in range(5)}}
    environ = {"DISK": "size=2m", "SEALIFT_CACHE_SIZE": "100%"}
    with Script(program, here, server, environ=environ, command=MOUNTED) as script:
        status, lines, complaints = script.end()
    assert (status, complaints) == (0, "")
    assert [line.split()[:3] for line in lines] == [[f"{n}", f"{SIZE}", f"{n}"] for n in (1, 2, 1, 3, 4)]
    assert lines[2].split()[3:] == ["hit"]
    assert set(lines[3].split()[3:]) == {"evicted", "miss"}


@pytest.mark.parametrize("part", ["manifests", "requests", "boots"])
def test_a_record_that_cannot_be_written(
    server: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """A model that is not published leaves nothing. What is only needed for later calls may be missing."""
    write = CacheDirectory.write

    def full(self: CacheDirectory, path: str, text: str) -> None:
        if f"/{part}/" in path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        write(self, path, text)

    with monkeypatch.context() as patched:
        patched.setattr(CacheDirectory, "write", full)
        if part == "manifests":
            with pytest.raises(LocalIOError, match="No space left") as caught:
                Storage.download("s3://b/iris/", config=server.config)
            assert "free some space" in str(caught.value.hint)
            for name in ("snapshots", "work", "owners", "blobs"):
                assert os.listdir(cache_directory / "v1" / name) == [], name
        else:
            assert files_in(Storage.download("s3://b/iris/", config=server.config)) == IRIS
    assert files_in(Storage.download("s3://b/iris/", config=server.config)) == IRIS
    assert files_in(Storage.download("s3://b/iris/", config=server.config, offline=True)) == IRIS


def test_a_model_is_removed_where_no_directory_can_be_created(
    server: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On most disks a directory needs a block. Until one is free, it is that of the model's own record."""
    with Storage.cached("s3://b/iris/", config=server.config):
        pass
    manifests, mkdir = cache_directory / "v1/manifests", os.mkdir

    def full(path: str, mode: int = 0o777) -> None:
        if os.listdir(manifests):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        mkdir(path, mode)

    cache = CacheDirectory(str(cache_directory))
    (snapshot,) = snapshots(cache_directory)
    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", full)
        assert evict(cache, snapshot)
    assert snapshots(cache_directory) == os.listdir(manifests) == os.listdir(cache.file("trash")) == []
