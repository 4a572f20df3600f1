"""Resumed downloads: what they fetch again, and what they leave behind."""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from sealift import AsyncStorage, Event, Limits, LocalIOError, ObjectChanged, StorageError
from sealift.types import KiB, MiB
from tests.api.helpers import all_in, files_in, open_journals
from tests.api.servers import Asked, FakeS3, Reply, failure, pattern

pytestmark = pytest.mark.anyio

PART = 256 * KiB
LARGE, OTHER = pattern(10 * PART), bytes(reversed(pattern(10 * PART)))
HUGE = pattern(40 * MiB)  # five parts of the default size
LIMITS = Limits(part_size=PART, attempts=1)


def fetched(server: FakeS3, since: int = 0) -> list[tuple[str, int]]:
    """Key and start offset of each body requested."""
    return [
        (
            asked.path.partition("/b/")[2],
            int(asked.headers.get("range", "bytes=0-").removeprefix("bytes=").split("-")[0]),
        )
        for asked in server.asked[since:]
        if asked.method == "GET" and asked.path.count("/") > 1 and not asked.path.endswith("/b/")
    ]


async def stopped(server: FakeS3, uri: str, dest: Path, landed: int, finished: int = 0) -> None:
    """Run a download and cancel it once `landed` bytes and `finished` files have arrived; the rest stalls."""
    seen: list[Event] = []
    call = asyncio.ensure_future(AsyncStorage(LIMITS).download(uri, dest, config=server.config, on_event=seen.append))
    while (
        sum(event.size for event in seen if event.kind == "progress") < landed
        or sum(event.kind == "object" for event in seen) < finished
    ):
        await asyncio.sleep(0.005)
        assert not call.done() or call.result() is None
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    while server.connections:  # until the server has read all requests
        await asyncio.sleep(0.005)


async def again(server: FakeS3, uri: str, dest: Path, **options: Any) -> tuple[list[tuple[str, int]], list[Event]]:
    """Repeat the download. Returns what it fetched, and its events."""
    server.release()
    before, seen = len(server.asked), list[Event]()
    await AsyncStorage(options.pop("limits", LIMITS)).download(
        uri, dest, config=server.config, on_event=seen.append, **options
    )
    return fetched(server, before), seen


@pytest.mark.parametrize("brought", ["tree", "file"])
async def test_a_tree_that_another_process_brings_to_its_place_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brought: str
) -> None:
    """Where file locks are unreliable, two processes may use the same tree."""
    dest, rename, replace = tmp_path / "p", os.rename, os.replace

    def renamed(source: str, target: str) -> None:
        if target != str(dest):
            return rename(source, target)
        if brought == "tree":
            rename(source, target)
        else:
            (dest / "deep").mkdir(parents=True)
        return rename(source, target)  # too late

    def replaced(source: str, target: str, **options: Any) -> None:
        if ".tree/" in source:
            replace(source, target, **options)
        replace(source, target, **options)  # too late for the files in the tree

    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(os, "replace", replaced)
    with FakeS3({"b": {"p/a": b"a", "p/deep/b": LARGE}}) as server:
        await AsyncStorage(LIMITS).download("s3://b/p", dest, config=server.config)
    assert files_in(dest) == {"a": b"a", "deep/b": LARGE}
    assert all_in(tmp_path) == {"p", "p/a", "p/deep", "p/deep/b"}


async def test_a_large_file_is_noted_to_its_end_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal includes a last part too small for a separate line, so that a kill at this point loses nothing."""
    dest, told, replace = tmp_path / "p", list[str](), os.replace
    dest.mkdir()

    def watched(source: str, target: str, **options: Any) -> None:
        (journal,) = (dest / ".sealift").glob("*.journal")
        told.append(journal.read_text())
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", watched)
    size = 2 * PART + 5
    with FakeS3({"b": {"p/m": pattern(size)}}) as server:
        await AsyncStorage(Limits(part_size=PART, connections=1)).download("s3://b/p", dest, config=server.config)
    (lines,) = told
    assert sum(int(line.split()[2], 16) for line in lines.splitlines()) == size


def parts_from(start: int, key: str = "m") -> list[tuple[str, int]]:
    return [(key, position * PART) for position in range(start, 10)]


async def test_only_missing_parts_are_fetched(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": LARGE}}, stall={"m": 6 * PART}) as server:
        await stopped(server, "s3://b/m", tmp_path / "m", 6 * PART)
        assert not (tmp_path / "m").exists()
        missing, events = await again(server, "s3://b/m", tmp_path / "m")
    assert sorted(missing) == parts_from(6)
    assert sum(event.size for event in events if event.kind == "resumed") == 6 * PART
    assert sum(event.size for event in events if event.kind == "progress") == 10 * PART
    assert files_in(tmp_path) == {"m": LARGE}
    assert all_in(tmp_path) == {"m"}


async def test_a_killed_process_is_gone_on_with(tmp_path: Path) -> None:
    script = """
        import sys
        from sealift import Limits, S3Config, Storage
        config = S3Config("AKIAFAKE", "secret", endpoint_url=sys.argv[1])
        def told(event):
            if event.kind == "progress":
                print(event.size, flush=True)
        Storage.download("s3://b/m", sys.argv[2], config=config, on_event=told)
    """
    with FakeS3({"b": {"m": HUGE}}, stall={"m": 24 * MiB}) as server:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), server.endpoint, tmp_path / "m"], stdout=subprocess.PIPE
        )
        with child:
            assert child.stdout is not None
            arrived = 0
            while arrived < 24 * MiB:
                arrived += int(await anyio.to_thread.run_sync(child.stdout.readline))
            child.send_signal(signal.SIGKILL)
        while server.connections:
            await asyncio.sleep(0.005)
        assert not (tmp_path / "m").exists()
        missing, _ = await again(server, "s3://b/m", tmp_path / "m", limits=Limits())
    # Of each part that had arrived, at most the last piece and what was not in the journal yet.
    assert sum(8 * MiB - start % (8 * MiB) for _, start in missing) <= 16 * MiB + 3 * (MiB + 256 * KiB)
    assert files_in(tmp_path) == {"m": HUGE}
    assert all_in(tmp_path) == {"m"}


async def test_killed_after_a_new_directory_got_its_name(tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from sealift import S3Config, Storage
        from sealift.persist.download_journal import Journal
        Journal.close = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        config = S3Config("AKIAFAKE", "secret", endpoint_url=sys.argv[1])
        Storage.download("s3://b/p", sys.argv[2], config=config)
    """
    objects = {"p/large": HUGE, "p/small": b"small", "p/deep/small": b"deep", "p/empty": b""}
    files, dest = {key[2:]: data for key, data in objects.items()}, tmp_path / "new"
    with FakeS3({"b": objects}) as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", textwrap.dedent(script), server.endpoint, dest
        )
        assert await child.wait() == -signal.SIGKILL
        assert files_in(dest) == files
        (dest / "small").write_bytes(b"SMALL")
        missing, events = await again(server, "s3://b/p", dest, limits=Limits())
        assert missing == [("p/small", 0)]  # which was changed in the meantime
        assert sum(event.kind == "object" for event in events) == len(files)
        assert files_in(dest) == files
        assert all_in(tmp_path) == {"new", "new/deep", *(f"new/{path}" for path in files)}
        # From now on, it is a download into an existing directory.
        missing, _ = await again(server, "s3://b/p", dest, limits=Limits())
        assert missing == []


async def test_missing_files_come_before_those_that_are_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)  # by a mark, they would be found without reading them
    objects = {f"p/{number:03}": b"%03d" % number for number in range(600)} | {"p/z": LARGE}
    with FakeS3({"b": objects}, stall={"p/z": 5 * PART}) as server:
        await stopped(server, "s3://b/p", tmp_path / "new", 3 * 600 + 5 * PART, 600)
        (tree,) = (tmp_path / ".sealift").glob("*.tree")
        (tree / "001").write_bytes(b"xyz")
        (tree / "002").unlink()
        (tree / "003").unlink()
        (tree / "003").symlink_to("000")
        missing, events = await again(server, "s3://b/p", tmp_path / "new")
    listed = [event.key for event in events if event.kind == "listed"]
    assert listed[0] == "p/z"
    assert sorted(listed) == sorted(objects)
    assert (
        {"p/001", "p/002", "p/003"}
        <= {key for key, _ in missing}
        <= {"p/001", "p/002", "p/003", "p/z"} | {f"p/{number:03}" for number in range(600 - 100, 600)}
    )  # lines of the last small files may not have been written
    assert files_in(tmp_path / "new") == {key[2:]: data for key, data in objects.items()}


@pytest.mark.parametrize("dest", ["new", "old"])
async def test_finished_files_of_a_prefix_are_not_fetched_again(tmp_path: Path, dest: str) -> None:
    (tmp_path / "old").mkdir()
    objects = {f"p/{number}": LARGE[number:] for number in range(3)} | {
        "p/small": b"small",
        "p/empty": b"",
        "p/z": LARGE,
    }
    with FakeS3({"b": objects}, stall={"p/z": 5 * PART}) as server:
        await stopped(server, "s3://b/p", tmp_path / dest, sum(map(len, objects.values())) - 5 * PART, 5)
        assert (tmp_path / dest).exists() == (dest == "old")
        missing, events = await again(server, "s3://b/p", tmp_path / dest)
    assert sorted(set(missing) - {("p/empty", 0)}) == parts_from(5, "p/z")
    assert {event.key for event in events if event.kind == "object"} == set(objects)
    assert files_in(tmp_path / dest) == {key[2:]: data for key, data in objects.items()}
    assert not [path for path in all_in(tmp_path) if ".sealift" in path]


async def test_a_changed_object_is_fetched_anew(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": LARGE}}, stall={"m": 6 * PART}) as server:
        await stopped(server, "s3://b/m", tmp_path / "m", 6 * PART)
        server.replace("b", "m", OTHER)
        fetched_again, _ = await again(server, "s3://b/m", tmp_path / "m")
    assert sorted(fetched_again) == parts_from(0)
    assert files_in(tmp_path) == {"m": OTHER}


async def test_parts_of_another_size_are_kept_as_far_as_they_go(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": LARGE}}, stall={"m": 6 * PART}) as server:
        await stopped(server, "s3://b/m", tmp_path / "m", 6 * PART)
        fetched_again, _ = await again(server, "s3://b/m", tmp_path / "m", limits=Limits(part_size=3 * PART))
    assert sorted(fetched_again) == [("m", 6 * PART), ("m", 9 * PART)]
    assert files_in(tmp_path) == {"m": LARGE}


async def test_a_damaged_part_is_fetched_again(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": LARGE}}, stall={"m": 6 * PART}) as server:
        await stopped(server, "s3://b/m", tmp_path / "m", 6 * PART)
        (partial,) = (tmp_path / ".sealift").glob("*.part")
        with partial.open("r+b") as file:
            file.seek(2 * PART + 7)
            file.write(b"?")
        missing, _ = await again(server, "s3://b/m", tmp_path / "m")
    assert sorted(missing) == [("m", 2 * PART), *parts_from(6)]
    assert files_in(tmp_path) == {"m": LARGE}


async def test_a_finished_file_that_somebody_changed_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    objects = {"p/a": LARGE, "p/z": LARGE}
    with FakeS3({"b": objects}, stall={"p/z": 0}) as server:
        await stopped(server, "s3://b/p", tmp_path / "p", 10 * PART, 1)
        await anyio.Path(tmp_path / "p" / "a").write_bytes(OTHER)
        fetched_again, _ = await again(server, "s3://b/p", tmp_path / "p")
    assert sorted(fetched_again) == [*parts_from(0, "p/a"), *parts_from(0, "p/z")]
    assert files_in(tmp_path / "p") == {"a": LARGE, "z": LARGE}


async def test_what_was_there_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"old")
    with FakeS3({"b": {"m": LARGE}}, stall={"m": 6 * PART}) as server:
        await stopped(server, "s3://b/m", tmp_path / "m", 6 * PART)
        assert (tmp_path / "m").read_bytes() == b"old"
        await again(server, "s3://b/m", tmp_path / "m")
    assert files_in(tmp_path) == {"m": LARGE}


async def test_an_outage_is_gone_on_with(tmp_path: Path) -> None:
    failing = [True]

    def instead(asked: Asked) -> Reply | None:
        down = failing[0] and asked.headers.get("range", "").startswith(f"bytes={7 * PART}-")
        return failure(503, "SlowDown") if down else None

    with FakeS3({"b": {"m": LARGE}}, instead=instead) as server:
        with pytest.raises(StorageError, match="503|SlowDown"):
            await AsyncStorage(Limits(part_size=PART, per_host=1, connections=1, attempts=1)).download(
                "s3://b/m", tmp_path / "m", config=server.config
            )
        failing[0] = False
        missing, _ = await again(server, "s3://b/m", tmp_path / "m")
    assert sorted(missing) == parts_from(7)
    assert files_in(tmp_path) == {"m": LARGE}


async def test_an_object_that_changes_meanwhile_leaves_no_mixture(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": LARGE}}, stall={"m": 6 * PART}) as server:
        limits = Limits(part_size=PART, attempts=1, per_host=1)
        call = asyncio.ensure_future(AsyncStorage(limits).download("s3://b/m", tmp_path / "m", config=server.config))
        while not server.stalled.is_set():
            await asyncio.sleep(0.005)
        server.replace("b", "m", OTHER)
        server.release()
        with pytest.raises(ObjectChanged):
            await call
        assert not (tmp_path / "m").exists()
        await again(server, "s3://b/m", tmp_path / "m")
    assert files_in(tmp_path) == {"m": OTHER}


async def test_what_will_not_go_better_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: Any, start: int) -> int:
        if start >= 5 * PART:
            raise OSError(28, os.strerror(28))
        return write(descriptor, data, start)

    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", full)
    with FakeS3({"b": {"m": LARGE}}) as server, pytest.raises(LocalIOError, match="No space left"):
        await AsyncStorage(LIMITS).download("s3://b/m", tmp_path / "m", config=server.config)
    assert all_in(tmp_path) == set()


async def test_a_dry_run_keeps_what_is_there_for_the_next(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": LARGE}}, stall={"m": 6 * PART}) as server:
        await stopped(server, "s3://b/m", tmp_path / "m", 6 * PART)
        await AsyncStorage(LIMITS).copy("s3://b/m", str(tmp_path / "m"), config=server.config, dry_run=True)
        missing, _ = await again(server, "s3://b/m", tmp_path / "m")
    assert sorted(missing) == parts_from(6)


async def test_stopping_it_twenty_times_piles_nothing_up(tmp_path: Path) -> None:
    with FakeS3({"b": {"p/m": LARGE, "p/n": LARGE}}, stall={"p/n": 3 * PART}) as server:
        await stopped(server, "s3://b/p", tmp_path / "p", 13 * PART)
        left = all_in(tmp_path)
        for _ in range(20):
            await stopped(server, "s3://b/p", tmp_path / "p", 0)
            assert all_in(tmp_path) == left
        await again(server, "s3://b/p", tmp_path / "p")
    assert all_in(tmp_path) == {"p", "p/m", "p/n"}


@pytest.mark.parametrize("uri", ["s3://b/p", "s3://b/p/m"])
@pytest.mark.parametrize("locks", ["hold", "lie"])
async def test_two_downloads_to_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, locks: str
) -> None:
    """Two callers that do not know of each other. Where locks are reliable, the second one waits, and then has nothing
    to do. Otherwise, as on some network file systems, both write the same partial file.
    """
    if locks == "lie":
        monkeypatch.setattr(fcntl, "flock", lambda descriptor, operation: None)
    with FakeS3({"b": {"p/m": LARGE, "p/n": OTHER}}, stall={"p/m": 6 * PART}) as server:
        async with two(server, uri, tmp_path / "here"):
            while not server.stalled.is_set() or len(open_journals()) < 2:
                await asyncio.sleep(0.005)
            while locks == "lie" and sum(start >= 6 * PART for _, start in fetched(server)) < 2:
                await asyncio.sleep(0.005)
            server.release()
    if locks == "hold":
        assert len(fetched(server)) == len(set(fetched(server)))
    expected = {"here": LARGE} if uri.endswith("m") else {"here/m": LARGE, "here/n": OTHER}
    assert files_in(tmp_path) == expected
    assert not [path for path in all_in(tmp_path) if ".sealift" in path]


@contextlib.asynccontextmanager
async def two(server: FakeS3, uri: str, dest: Path) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        for number in range(2):
            storage = AsyncStorage(LIMITS, environ={"HOME": f"/home/{number}"})  # otherwise they would share one call
            group.create_task(storage.download(uri, dest, config=server.config))
        yield


async def test_a_planted_partial_is_not_written_through(tmp_path: Path) -> None:
    """A hard link to another file in place of the partial file is not written through."""
    with FakeS3({"b": {"m": LARGE}}, stall={"m": 6 * PART}) as server:
        await stopped(server, "s3://b/m", tmp_path / "m", 6 * PART)
        (partial,) = (tmp_path / ".sealift").glob("*.part")
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        partial.unlink()
        partial.hardlink_to(victim)
        await again(server, "s3://b/m", tmp_path / "m")
    assert files_in(tmp_path) == {"m": LARGE, "victim": b"precious"}
