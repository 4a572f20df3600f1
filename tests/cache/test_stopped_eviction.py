"""A process that is stopped while it removes a snapshot, and goes on while another one uses it."""

import itertools
import os
from pathlib import Path

import pytest

from sealift import Event, Storage
from sealift.cache.directory import CacheDirectory
from sealift.cache.eviction import collect_garbage, evict
from tests.api.helpers import files_in
from tests.api.servers import FakeS3
from tests.facade.scripts import Script

from .reading import bodies, snapshots
from .test_download import IRIS, outcomes

URI = "s3://b/iris/"

# Forks a child for each number, which evicts the snapshot, and is stopped before the step of this number that changes
# the cache. Reports whether it was stopped, and after another line, whether it has evicted the snapshot.
PROGRAM = """
    import signal
    import sealift.cache.eviction
    from sealift.cache.directory import CacheDirectory
    cache = os.environ["SEALIFT_CACHE"]
    steps = [0]

    def stop_before(name, number):
        function = getattr(os, name)
        def counted(path, *args, **kwargs):
            if isinstance(path, str) and path.startswith(cache):
                steps[0] += 1
                if steps[0] == number:
                    os.kill(os.getpid(), signal.SIGSTOP)
            return function(path, *args, **kwargs)
        setattr(os, name, counted)

    def evict():
        directory = CacheDirectory(cache)
        (snapshot,) = os.listdir(directory.file("snapshots"))
        return sealift.cache.eviction.evict(directory, snapshot)

    say("ready")
    while line := sys.stdin.readline():
        pid = os.fork()
        if not pid:
            for name in ("rename", "replace", "unlink", "mkdir", "rmdir", "chmod", "open"):
                stop_before(name, int(line))
            code = 1
            try:
                code = 2 if evict() else 3
            finally:
                os._exit(code)
        status = os.waitpid(pid, os.WUNTRACED)[1]
        say("stopped" if os.WIFSTOPPED(status) else "ended")
        if os.WIFSTOPPED(status):
            sys.stdin.readline()
            os.kill(pid, signal.SIGCONT)
            status = os.waitpid(pid, 0)[1]
        say({2: "evicted", 3: "kept"}[os.waitstatus_to_exitcode(status)])
"""


@pytest.mark.timeout(120)
def test_at_each_step(server: FakeS3, here: Path, cache_directory: Path) -> None:
    """Who uses the snapshot meanwhile need not wait, and keeps the right bytes. The next call cleans up."""
    cache, results = CacheDirectory(str(cache_directory)), set[str]()
    with Script(PROGRAM, here, server, environ={"SEALIFT_CACHE": str(cache_directory)}) as script:
        script.until("ready")
        for step in itertools.count(1):
            with Storage.cached(URI, config=server.config):
                pass
            script.tell(str(step))
            if script.line() != "stopped":
                break
            events: list[Event] = []
            with Storage.cached(URI, config=server.config, on_event=events.append) as path:
                assert files_in(path) == IRIS, step
                script.tell()
                result = script.line()
                assert (outcomes(events), result) in ((["hit"], "kept"), (["miss"], "evicted")), step
                assert files_in(path) == IRIS, step
            events.clear()
            with Storage.cached(URI, config=server.config, on_event=events.append) as path:
                assert files_in(path) == IRIS, step
            assert outcomes(events) == ["hit"], "its manifest is there"
            collect_garbage(cache)
            assert os.listdir(cache.file("trash")) == [], step
            assert len(snapshots(cache_directory)) == 1
            assert [os.listdir(cache.file("leases", name)) for name in os.listdir(cache.file("leases"))] in ([], [[]])
            results.add(result)
        assert script.line() == "evicted"
    assert results == {"evicted", "kept"}
    assert step > 4


def test_what_killed_processes_have_left(server: FakeS3, cache_directory: Path) -> None:
    """One was about to remove the snapshot, another one has moved it already."""
    cache = CacheDirectory(str(cache_directory))
    with Storage.cached(URI, config=server.config):
        pass
    (snapshot,) = snapshots(cache_directory)
    leases = cache_directory / "v1/leases" / snapshot
    (leases / "0.evicting").mkdir()
    server.asked.clear()
    with Storage.cached(URI, config=server.config) as path:
        assert files_in(path) == IRIS
    assert bodies(server) == []
    assert os.listdir(leases) == []
    (leases / "0.evicting").mkdir()
    (leases / "1.evicting").mkdir()
    os.rename(cache.snapshot(snapshot), leases / "1.evicting" / snapshot)
    collect_garbage(cache)
    for kind in ("leases", "manifests", "snapshots", "trash"):
        assert os.listdir(cache_directory / "v1" / kind) == [], kind
    with Storage.cached(URI, config=server.config) as path:
        assert files_in(path) == IRIS
    assert evict(cache, snapshot)
