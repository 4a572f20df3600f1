"""A process that ends at any step of a download, a replacement or an eviction leaves a cache that others can use."""

import shutil
from pathlib import Path

import pytest

from sealift import Storage
from sealift.cache.directory import CacheDirectory
from sealift.cache.eviction import collect_garbage
from sealift.cache.maintenance import remove_unfinished
from tests.api.helpers import files_in
from tests.api.servers import FakeS3
from tests.facade.scripts import Script

from .reading import snapshots
from .test_download import IRIS

# Forks a child for each number: it does the work, and ends before the step of this number that changes the cache.
PROGRAM = """
    import sealift.api.cached_download, sealift.cache.fill, sealift.cache.eviction, sealift.backends.s3
    from sealift.cache.directory import CacheDirectory
    cache = os.environ["SEALIFT_CACHE"]
    steps = [0]

    def end_before(module, name, last):
        function = getattr(module, name)
        def counted(path, *args, **kwargs):
            if isinstance(path, str) and path.startswith(cache):
                steps[0] += 1
                if steps[0] > last:
                    os._exit(9)
            return function(path, *args, **kwargs)
        setattr(module, name, counted)

    def work():
        if os.environ["WORK"] == "evict":
            directory = CacheDirectory(cache)
            for snapshot in os.listdir(directory.file("snapshots")):
                sealift.cache.eviction.evict(directory, snapshot)
        else:
            with Storage.cached("s3://b/iris/", config=config) as path:
                pass

    say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            for name in ("rename", "replace", "link", "unlink", "mkdir", "rmdir", "chmod", "utime", "symlink"):
                end_before(os, name, int(line))
            try:
                work()
            finally:
                sys.stdout.flush()
                os._exit(0)
        say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
MOST = 150


@pytest.mark.timeout(180)
@pytest.mark.parametrize("work", ["download", "replace", "evict"])
def test_at_each_step(server: FakeS3, here: Path, cache_directory: Path, work: str) -> None:
    start = here / "start"
    if work != "download":
        with Storage.cached("s3://b/iris/", config=server.config):
            pass
    if work == "replace":
        (snapshot,) = snapshots(cache_directory)
        (cache_directory / "v1/snapshots" / snapshot / "model.bin").unlink()
    if cache_directory.exists():
        shutil.copytree(cache_directory, start, symlinks=True)
    status = crashes = 0
    with Script(PROGRAM, here, server, environ={"SEALIFT_CACHE": str(cache_directory), "WORK": work}) as script:
        script.until("ready")
        for step in range(0, MOST, 1 if work == "evict" else 2):
            shutil.rmtree(cache_directory, ignore_errors=True)
            if start.exists():
                shutil.copytree(start, cache_directory, symlinks=True)
            script.tell(str(step))
            status = int(script.line())
            if status == 0:
                break
            crashes += 1
            for snapshot in snapshots(cache_directory) if (cache_directory / "v1/snapshots").exists() else ():
                if work == "download":  # what has its name is complete
                    assert files_in(cache_directory / "v1/snapshots" / snapshot) == IRIS, step
            with Storage.cached("s3://b/iris/", config=server.config) as path:
                assert files_in(path) == IRIS, step
            cache = CacheDirectory(str(cache_directory))
            collect_garbage(cache)
            remove_unfinished(cache)
            assert len(snapshots(cache_directory)) == 1, step
            for left in ("trash", "owners", "work"):
                found = [path.name for path in (cache_directory / "v1" / left).iterdir()]
                assert [name for name in found if not name.endswith((".tmp", ".time"))] == [], (step, left)
    assert status == 0, "it ends by itself"
    assert crashes > 3
