"""Callers in threads and processes share one download, whatever happens to the process that has begun it."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import Event, Storage
from sealift.types import MiB
from tests.api.servers import FakeS3, pattern
from tests.facade.scripts import Script

from .conftest import OBJECTS
from .reading import bodies, snapshots
from .test_download import outcomes

LARGE = OBJECTS["large"]

# Reports the outcome of a download, and whether the bytes are right.
PROGRAM = """
    import hashlib
    uri, threads = os.environ["URI"], int(os.environ.get("THREADS", "1"))
    outcomes, paths = [], []

    def on_event(event):
        if event.kind == "cache" and event.reason != "evicted":
            outcomes.append(event.reason)
        if event.kind == "progress" and event.size > 0:
            say("progress")

    def download():
        paths.append(Storage.download(uri, config=config, on_event=on_event))

    say("ready")
    sys.stdin.readline()
    running = [threading.Thread(target=download) for _ in range(threads)]
    for thread in running: thread.start()
    for thread in running: thread.join()
    say(*sorted(set(outcomes)))
    say(len(set(paths)), hashlib.sha256(content(paths[0])).hexdigest())
"""
NO_LOCKS = """
    import fcntl
    fcntl.flock = lambda descriptor, operation: None
"""


@contextlib.contextmanager
def programs(
    number: int, server: FakeS3, here: Path, cache: Path, before: str = "", **environ: str
) -> Iterator[list[Script]]:
    """Programs that are ready to download."""
    with contextlib.ExitStack() as stack:
        variables = {"SEALIFT_CACHE": str(cache), "URI": "s3://b/large", **environ}
        made = [stack.enter_context(Script(before + PROGRAM, here, server, environ=variables)) for _ in range(number)]
        for script in made:
            script.until("ready")
        yield made


@pytest.fixture
def stalling() -> Iterator[FakeS3]:
    """A server that sends 9 MiB of `large`, and the rest when released."""
    with FakeS3({"b": OBJECTS}, stall={"large": 9 * MiB}) as server:
        yield server


def results(scripts: list[Script]) -> list[list[str]]:
    """What is left of the output of each, without its progress."""
    found = []
    for script in scripts:
        status, lines, complaints = script.end()
        assert (status, complaints) == (0, ""), complaints
        found.append([line for line in lines if line != "progress"])
    return found


def digest(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


@pytest.mark.timeout(120)
def test_eight_processes_of_four_threads(server: FakeS3, here: Path, cache_directory: Path) -> None:
    with programs(8, server, here, cache_directory, THREADS="4", URI="s3://b/iris/model.bin") as scripts:
        for script in scripts:
            script.tell()
        found = results(scripts)
    assert bodies(server) == ["iris/model.bin"]
    assert {lines[1] for lines in found} == {f"1 {digest(OBJECTS['iris/model.bin'])}"}
    assert sum("miss" in lines[0] for lines in found) == 1
    assert len(snapshots(cache_directory)) == 1


@pytest.mark.timeout(120)
def test_where_file_locks_do_nothing(server: FakeS3, here: Path, cache_directory: Path) -> None:
    with programs(4, server, here, cache_directory, NO_LOCKS, THREADS="2", URI="s3://b/iris/model.bin") as scripts:
        for script in scripts:
            script.tell()
        found = results(scripts)
    assert bodies(server) == ["iris/model.bin"]
    assert {lines[1] for lines in found} == {f"1 {digest(OBJECTS['iris/model.bin'])}"}


@pytest.mark.timeout(120)
def test_a_waiter_takes_over_from_a_process_that_is_killed(stalling: FakeS3, here: Path, cache_directory: Path) -> None:
    with programs(2, stalling, here, cache_directory) as (owner, waiter):
        owner.tell()
        assert stalling.stalled.wait(30)
        waiter.tell()
        os.kill(owner.pid, signal.SIGKILL)
        stalling.release()
        ((outcome, content),) = results([waiter])
    assert outcome == "taken over"
    assert content == f"1 {digest(LARGE)}"
    sent = sum(
        int(last) - int(first) + 1
        for asked in stalling.asked
        if "range" in asked.headers
        for first, last in [asked.headers["range"].removeprefix("bytes=").split("-")]
    )
    assert sent < 2 * len(LARGE), "it continues where the other one was"


@pytest.mark.timeout(120)
def test_a_waiter_takes_over_from_a_process_that_is_stopped(
    stalling: FakeS3, here: Path, cache_directory: Path
) -> None:
    """And when that one goes on, both have the same right bytes."""
    with programs(2, stalling, here, cache_directory, SEALIFT_CACHE_TAKEOVER="1") as (owner, waiter):
        owner.tell()
        assert stalling.stalled.wait(30)
        os.kill(owner.pid, signal.SIGSTOP)
        waiter.tell()
        stalling.release()
        ((outcome, content),) = results([waiter])
        os.kill(owner.pid, signal.SIGCONT)
        ((late, same),) = results([owner])
    assert outcome == "taken over"
    assert late in {"waited", "hit", "miss"}
    assert same == content == f"1 {digest(LARGE)}"
    assert Path(Storage.download("s3://b/large", config=stalling.config)).read_bytes() == LARGE


@pytest.mark.timeout(120)
def test_killed_at_ten_moments(server: FakeS3, here: Path, cache_directory: Path) -> None:
    """Whenever the process is killed, the next one has the right bytes, and nothing remains in the end."""
    program = """
        moment = int(sys.stdin.readline())
        told = [0]
        def on_event(event):
            told[0] += 1
            if told[0] > moment:
                os.kill(os.getpid(), 9)
        Storage.download("s3://b/tree/", config=config, on_event=on_event)
    """
    server.objects = {"b": {"tree/large": pattern(9 * MiB), **{f"tree/{n}": pattern(n * 1000) for n in range(5)}}}
    for moment in range(10):
        with Script(program, here, server, environ={"SEALIFT_CACHE": str(cache_directory)}) as script:
            script.tell(str(moment))
            assert script.end()[0] == -signal.SIGKILL
    events: list[Event] = []
    path = Storage.download("s3://b/tree/", config=server.config, on_event=events.append)
    assert {name: (Path(path) / name).read_bytes() for name in os.listdir(path)} == {
        key.removeprefix("tree/"): data for key, data in server.objects["b"].items()
    }
    assert set(outcomes(events)) <= {"taken over", "hit", "miss"}
    assert os.listdir(cache_directory / "v1/owners") == []
    assert os.listdir(cache_directory / "v1/work") == []


def test_a_record_from_the_future_and_a_torn_one(
    server: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of another machine holds as long as it changes, whatever its time says; a torn one does not hold."""
    monkeypatch.setenv("SEALIFT_CACHE_TAKEOVER", "0.2")
    Storage.download("s3://b/iris/model.bin", config=server.config)
    (snapshot,) = snapshots(cache_directory)
    server.replace("b", "iris/model.bin", b"new")
    Storage.download("s3://b/iris/model.bin", config=server.config)
    for record in (b"", b'{"pid": 1, "start": "1", "namespace": "pid:[1]", "boot": "other", "host": "other"}'):
        (new,) = set(snapshots(cache_directory)) - {snapshot}
        owner = cache_directory / "v1/owners" / new
        owner.write_bytes(record)
        os.utime(owner, (4_000_000_000, 4_000_000_000))
        os.chmod(cache_directory / "v1/snapshots" / new, 0o700)
        (cache_directory / "v1/snapshots" / new / "model.bin").unlink()
        events: list[Event] = []
        path = Storage.download("s3://b/iris/model.bin", config=server.config, on_event=events.append)
        assert outcomes(events) == ["taken over"]
        assert Path(path).read_bytes() == b"new"
