"""The size of the cache: what is removed, what stays, and what is refused."""

import errno
import fcntl
import json
import os
import signal
import time
from pathlib import Path

import pytest

from sealift import Event, LocalIOError, Storage
from sealift.cache import eviction
from sealift.cache.directory import CacheDirectory
from sealift.cache.eviction import evict, usage
from sealift.cache.leases import holders
from sealift.cache.maintenance import pin, remove_unfinished
from sealift.types import MiB
from tests.api.servers import FakeS3, pattern
from tests.facade.scripts import Script

from .reading import bodies, last_used, snapshot_of, snapshots
from .test_download import outcomes

SIZE = 100_000
KEYS = ["a", "b", "c", "d"]
ELSEWHERE = {"pid": os.getpid(), "start": "1", "namespace": "pid:[1]", "boot": "other", "host": "other"}
LIMIT = str(4 * SIZE)  # three objects with what the disk adds to each


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch, server: FakeS3, cache_directory: Path) -> dict[str, str]:
    """A cache in which three objects are, and one more does not fit. Returns their snapshots, the oldest first."""
    server.objects = {"b": {key: bytes([number]) * SIZE for number, key in enumerate(KEYS)}}
    monkeypatch.setenv("SEALIFT_CACHE_SIZE", LIMIT)
    found = {}
    for number, key in enumerate(KEYS[:3]):
        with Storage.cached(f"s3://b/{key}", config=server.config) as path:
            found[key] = snapshot_of(path, cache_directory)
        used(cache_directory, found[key], number)
    server.asked.clear()
    return found


def used(cache: Path, snapshot: str, number: float) -> None:
    """Let a snapshot have been used at some time."""
    last_used(cache, snapshot, 1e9 + number)


def test_what_was_not_used_for_longest_goes_first(full: dict[str, str], server: FakeS3, cache_directory: Path) -> None:
    with Storage.cached("s3://b/a", config=server.config):
        pass  # now "b" is the oldest, though its bytes may have been read since
    Path(cache_directory, "v1/snapshots", full["b"], "b").read_bytes()
    events: list[Event] = []
    with Storage.cached("s3://b/d", config=server.config, on_event=events.append) as path:
        assert Path(path).read_bytes() == b"\x03" * SIZE
    assert outcomes(events) == ["evicted", "miss"]
    assert next(event.key for event in events if event.reason == "evicted") == "s3://b/b"
    assert set(snapshots(cache_directory)) == {full["a"], full["c"], snapshot_of(path, cache_directory)}
    assert usage(CacheDirectory(str(cache_directory))).bytes <= int(LIMIT)


def test_clocks_that_jump(full: dict[str, str], server: FakeS3, cache_directory: Path) -> None:
    """A time in the future only delays the eviction of a snapshot."""
    os.utime(cache_directory / f"v1/manifests/{full['a']}.json", (4e9, 4e9))
    for key in ("d", "b", "c", "d"):
        with Storage.cached(f"s3://b/{key}", config=server.config) as path:
            assert Path(path).read_bytes() == server.objects["b"][key]
    assert full["a"] in snapshots(cache_directory)


def test_what_is_in_use_stays(full: dict[str, str], server: FakeS3, cache_directory: Path) -> None:
    with Storage.cached("s3://b/a", config=server.config) as path:
        used(cache_directory, full["a"], 0)
        with Storage.cached("s3://b/d", config=server.config):
            assert Path(path).read_bytes() == b"\0" * SIZE
    assert full["a"] in snapshots(cache_directory)
    assert full["b"] not in snapshots(cache_directory)


def test_what_cannot_fit_is_refused_before_the_first_byte(
    full: dict[str, str], server: FakeS3, cache_directory: Path
) -> None:
    pin(CacheDirectory(str(cache_directory)), full["a"])
    for key in ("b", "c"):
        Storage.download(f"s3://b/{key}", config=server.config)  # until this process ends
    with pytest.raises(LocalIOError, match=f"limited to {LIMIT} bytes") as caught:
        Storage.download("s3://b/d", config=server.config)
    assert "s3://b/a is pinned" in str(caught.value)
    assert f"s3://b/b is used by process {os.getpid()}" in str(caught.value)
    assert "SEALIFT_CACHE_SIZE" in str(caught.value.hint)
    assert bodies(server) == []
    assert set(snapshots(cache_directory)) == set(full.values())
    with pytest.raises(LocalIOError, match="do not fit"):
        server.replace("b", "huge", pattern(5 * SIZE))
        Storage.download("s3://b/huge", config=server.config)


def test_a_lease_ends_with_its_process(full: dict[str, str], server: FakeS3, here: Path, cache_directory: Path) -> None:
    program = """
        Storage.download("s3://b/a", config=config)
        say("using")
        sys.stdin.readline()
    """
    cache = CacheDirectory(str(cache_directory))
    with Script(program, here, server, environ={"SEALIFT_CACHE": str(cache_directory)}) as script:
        script.until("using")
        assert holders(cache, full["a"]) == [f"process {script.pid}"]
        assert not evict(cache, full["a"])
        os.kill(script.pid, 9)
        script.end()
        assert holders(cache, full["a"]) == []
        assert evict(cache, full["a"])
    assert snapshots(cache_directory) == sorted([full["b"], full["c"]])


@pytest.mark.parametrize(("silence", "held"), [(0, True), (3600, False)])
def test_a_lease_of_another_machine_needs_signs_of_life(
    full: dict[str, str], cache_directory: Path, silence: float, held: bool
) -> None:
    cache = CacheDirectory(str(cache_directory))
    use_elsewhere(cache_directory, full["a"], silence)
    assert evict(cache, full["a"]) is not held


def use_elsewhere(cache: Path, snapshot: str, silence: float) -> None:
    """Let a process of another machine use a snapshot, which has shown its last sign of life some seconds ago."""
    process = cache / "v1/processes/0123"
    process.write_text(json.dumps(ELSEWHERE))
    os.utime(process, (time.time() - silence, time.time() - silence))
    (cache / "v1/leases" / snapshot).mkdir(exist_ok=True)
    (cache / "v1/leases" / snapshot / "0123").touch()


def test_leases_on_nfs(
    full: dict[str, str], server: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, an exclusive lock needs a descriptor for writing: https://man7.org/linux/man-pages/man2/flock.2.html."""
    flock = fcntl.flock

    def flock_of_nfs(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock_of_nfs)
    use_elsewhere(cache_directory, full["a"], 3600)
    use_elsewhere(cache_directory, full["b"], 0)
    with (cache_directory / "v1/processes/0123").open("r+b") as process:
        os.utime(process.fileno(), (0, 0))
        fcntl.flock(process, fcntl.LOCK_EX)
        assert not evict(CacheDirectory(str(cache_directory)), full["a"]), "its process is alive, and silent"
    with Storage.cached("s3://b/d", config=server.config):
        assert full["a"] not in snapshots(cache_directory)


def test_a_download_that_ended_elsewhere_reserves_nothing(
    full: dict[str, str], server: FakeS3, cache_directory: Path
) -> None:
    """In another container, on another machine, or before a restart of this one."""
    cache = CacheDirectory(str(cache_directory))
    owner = cache_directory / "v1/owners" / ("0" * 32)
    owner.write_text(json.dumps(ELSEWHERE | {"began": 0.0, "needed": 10**12}))
    with pytest.raises(LocalIOError, match="do not fit"):
        Storage.download("s3://b/d", config=server.config)
    with pytest.raises(BlockingIOError, match="process .* of other is downloading"):
        remove_unfinished(cache)
    os.utime(owner, (time.time() - 3600, time.time() - 3600))
    with Storage.cached("s3://b/d", config=server.config) as path:
        assert Path(path).read_bytes() == b"\x03" * SIZE
    remove_unfinished(cache)
    assert not owner.exists()


def test_a_forked_child_has_leases_of_its_own(
    full: dict[str, str], server: FakeS3, here: Path, cache_directory: Path
) -> None:
    """The end of a block that its parent has begun does not end the child's own use."""
    program = """
        with Storage.cached("s3://b/a", config=config):
            child = os.fork()
            if not child:
                Storage.download("s3://b/a", config=config)
        say("using", os.getpid())
        if not child:
            sys.stdin.readline()
            os._exit(0)
        os.waitpid(child, 0)
    """
    with Script(program, here, server, environ={"SEALIFT_CACHE": str(cache_directory)}) as script:
        pids = {int(script.line().removeprefix("using ")) for _ in range(2)}
        (child,) = pids - {script.pid}
        assert holders(CacheDirectory(str(cache_directory)), full["a"]) == [f"process {child}"]
        script.tell()
        assert script.end()[0] == 0


def test_by_default_a_tenth_of_the_disk_stays_free(
    full: dict[str, str], server: FakeS3, monkeypatch: pytest.MonkeyPatch, cache_directory: Path
) -> None:
    monkeypatch.delenv("SEALIFT_CACHE_SIZE")
    disk = os.statvfs(cache_directory)
    tenth = disk.f_blocks * disk.f_frsize // 10
    # A disk with room for half of the object beside the tenth: each snapshot that goes makes some.
    monkeypatch.setattr(
        eviction, "free_space", lambda path: tenth + (7 - 2 * len(snapshots(cache_directory))) * SIZE // 2
    )
    with Storage.cached("s3://b/d", config=server.config):
        assert full["a"] not in snapshots(cache_directory)
        assert full["b"] in snapshots(cache_directory)
    monkeypatch.setattr(eviction, "free_space", lambda path: 0)
    with pytest.raises(LocalIOError, match="leaves 10% of its disk free"):
        Storage.download("s3://b/a", config=server.config)


def test_a_share_of_the_disk(full: dict[str, str], server: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALIFT_CACHE_SIZE", "0.000001%")
    with pytest.raises(LocalIOError, match="of its disk"):
        Storage.download("s3://b/d", config=server.config)


def test_shared_bytes_count_once(server: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.objects = {"b": {f"{n}/same": pattern(SIZE) for n in range(10)}}
    monkeypatch.setenv("SEALIFT_CACHE_SIZE", str(3 * SIZE))
    for n in range(10):
        Storage.download(f"s3://b/{n}/same", config=server.config)
    assert len(snapshots(cache_directory)) == 1
    for n in range(10):
        Storage.download(f"s3://b/{n}/", config=server.config, allow_patterns=["same", str(n)])
    assert usage(CacheDirectory(str(cache_directory))).bytes < 2 * SIZE
    assert len(bodies(server)) == 1


def test_links_elsewhere_do_not_fill_the_cache(
    full: dict[str, str], server: FakeS3, here: Path, cache_directory: Path
) -> None:
    """The files at `dest` are links to those of the cache."""
    for number, key in enumerate(2 * KEYS):
        Storage.download(f"s3://b/{key}", here / str(number), config=server.config, cache=True)
        assert usage(CacheDirectory(str(cache_directory))).bytes <= int(LIMIT)
    assert [(here / str(number)).read_bytes()[0] for number in range(8)] == [0, 1, 2, 3] * 2


@pytest.mark.timeout(120)
def test_downloads_that_nobody_continues_count_and_go_first(
    server: FakeS3, here: Path, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, limit = 3 * MiB, 8 * MiB
    server.objects = {"b": {f"{n}": bytes([n]) * size for n in range(4)}}
    program = """
        import time
        def on_event(event):
            if event.kind == "progress" and event.size > 0:
                time.sleep(0.5)
                os.kill(os.getpid(), 9)
        Storage.download(sys.stdin.readline().strip(), config=config, on_event=on_event)
    """
    environ = {"SEALIFT_CACHE": str(cache_directory), "SEALIFT_CACHE_SIZE": str(limit)}
    monkeypatch.setenv("SEALIFT_CACHE_SIZE", str(limit))
    cache = CacheDirectory(str(cache_directory))
    with Storage.cached("s3://b/3", config=server.config) as path:
        kept = snapshot_of(path, cache_directory)
    for n in range(3):
        with Script(program, here, server, environ=environ) as script:
            script.tell(f"s3://b/{n}")
            assert script.end()[0] == -signal.SIGKILL
        found = usage(cache)
        assert 0 < found.unfinished <= limit - found.bytes
    assert kept in snapshots(cache_directory)
    assert Path(Storage.download("s3://b/2", config=server.config)).read_bytes() == server.objects["b"]["2"]
