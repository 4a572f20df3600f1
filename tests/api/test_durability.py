"""`durability="fsync"`: what reached the disk and when, according to the system calls made."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, InvalidConfig, Limits, ServiceError, Storage
from sealift.types import MiB
from tests.api.helpers import files_in
from tests.api.servers import Asked, FakeS3, Reply, pattern

pytestmark = pytest.mark.anyio

LARGE = pattern(3 * MiB + 1)
OBJECTS = {"p/small": b"small", "p/deep/er/large": LARGE, "p/empty": b"", "p/marker/": b"", "k": LARGE}
PARTS = Limits(part_size=MiB)


class Calls(list[tuple[str, ...]]):
    """The calls that make files durable, in order: ("fsync", path), ("rename", from, to)."""

    def synced(self) -> list[str]:
        return [call[1] for call in self if call[0] == "fsync"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    found = Calls()

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(source: Any, *target: Any, dst_dir_fd: int | None = None) -> Any:
            if name == "fsync":
                found.append((name, os.readlink(f"/proc/self/fd/{source}")))
                return function(source)
            result = function(source, *target, dst_dir_fd=dst_dir_fd)
            directory = "" if dst_dir_fd is None else os.readlink(f"/proc/self/fd/{dst_dir_fd}")
            found.append(("rename", os.fspath(source), os.path.join(directory, *target)))
            return result

        return call

    for name in ("fsync", "rename", "replace"):
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))
    return found


def check(calls: Calls, before: set[str], files: set[str]) -> None:
    """Check that every file was synced before it got its name, and each directory above it afterwards.

    Args:
        calls: Recorded calls.
        before: Directories that existed before.
        files: Paths of the new files.
    """

    def synced(path: str, after: int, until: int) -> bool:
        return any(call == ("fsync", path) for call in calls[after + 1 : until])

    renames = [(number, call[1], call[2]) for number, call in enumerate(calls) if call[0] == "rename"]
    for file in files:
        path, steps = file, []  # renames of the file itself, or of a tree that contains it
        for number, source, target in reversed(renames):
            if path == target or path.startswith(f"{target}/"):
                steps.insert(0, (number, source, target))
                path = source + path[len(target) :]
        assert steps, file
        assert synced(path, -1, steps[0][0]), (path, calls)
        ends = [*(number for number, _, _ in steps[1:]), len(calls)]
        tops = [*({source} for _, source, _ in steps[1:]), before]
        walks = [(-1, os.path.dirname(path), steps[0][0], {steps[0][1]})] if path != steps[0][1] else []
        walks += [
            (number, os.path.dirname(target), until, top)
            for (number, _, target), until, top in zip(steps, ends, tops, strict=True)
        ]
        for after, lowest, until, top in walks:
            for directory in (lowest, *map(str, Path(lowest).parents)):
                assert synced(directory, after, until), (directory, calls)
                if directory in top:
                    break


@pytest.mark.parametrize("limits", [Limits(), PARTS])
async def test_a_file(tmp_path: Path, calls: Calls, limits: Limits) -> None:
    with FakeS3({"b": OBJECTS}) as server:
        path = await AsyncStorage(limits).download(
            "s3://b/k", tmp_path / "new" / "er" / "k", config=server.config, durability="fsync"
        )
    assert Path(path).read_bytes() == LARGE
    check(calls, {str(tmp_path)}, {path})
    assert calls.synced()[1:] == [str(tmp_path / "new/er"), str(tmp_path / "new"), str(tmp_path)]


@pytest.mark.parametrize("limits", [Limits(), PARTS])
@pytest.mark.parametrize("there", [False, True])
async def test_a_directory(tmp_path: Path, calls: Calls, limits: Limits, there: bool) -> None:
    target = tmp_path / "new" / "p"
    if there:
        target.mkdir(parents=True)
    with FakeS3({"b": OBJECTS}) as server:
        await AsyncStorage(limits).download("s3://b/p", target, config=server.config, durability="fsync")
    expected = {key.removeprefix("p/"): data for key, data in OBJECTS.items() if key[-1] != "/" and key != "k"}
    assert files_in(target) == expected
    check(calls, {str(target if there else tmp_path)}, {str(target / name) for name in expected})
    marker = target / "marker"
    assert marker.is_dir()
    assert {path.rpartition("/")[2] for path in calls.synced()} >= {"marker"}


async def test_a_directory_that_somebody_else_made_meanwhile(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = tmp_path / "p", os.rename

    def late(source: str, destination: str) -> None:
        if destination == str(target):
            (target / "deep").mkdir(parents=True)
            (target / "deep" / "own").write_bytes(b"own")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", late)
    with FakeS3({"b": OBJECTS}) as server:
        await AsyncStorage().download("s3://b/p", target, config=server.config, durability="fsync")
    assert (target / "deep/er/large").read_bytes() == LARGE
    last = calls.index(next(call for call in reversed(calls) if call[0] == "rename"))
    assert {str(target), str(target / "deep"), str(target / "deep/er"), str(tmp_path)} <= {
        call[1] for call in calls[last:] if call[0] == "fsync"
    }


@pytest.mark.parametrize("there", [False, True])
async def test_what_an_earlier_call_has_finished_without_it(tmp_path: Path, calls: Calls, there: bool) -> None:
    target = tmp_path / "new" / "p"
    if there:
        target.mkdir(parents=True)

    def busy(asked: Asked) -> Reply | None:
        return Reply(503) if failing and asked.path == "/b/p/small" and asked.method == "GET" else None

    with FakeS3({"b": OBJECTS}, instead=busy) as server:
        storage, failing = AsyncStorage(Limits(part_size=MiB, attempts=1, connections=1)), True
        with pytest.raises(ServiceError):
            await storage.download("s3://b/p", target, config=server.config)
        calls.clear()
        server.asked.clear()
        failing = False
        await storage.download("s3://b/p", target, config=server.config, durability="fsync")
        assert not [asked for asked in server.asked if asked.method == "GET" and asked.path == "/b/p/deep/er/large"]
    assert (target / "deep/er/large").read_bytes() == LARGE
    if there:
        assert {str(target / name) for name in ("deep/er/large", "deep/er", "deep", "")} <= {*calls.synced()}
    else:
        check(calls, {str(target.parent)}, {str(target / "deep/er/large"), str(target / "small")})


async def test_an_archive(tmp_path: Path, calls: Calls) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in {"a": b"a", "deep/b": b"b"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    with FakeS3({"b": {"m.tar": packed.getvalue()}}) as server:
        target = tmp_path / "new" / "m"
        await AsyncStorage().download("s3://b/m.tar", target, config=server.config, unpack=True, durability="fsync")
    assert files_in(target) == {"a": b"a", "deep/b": b"b"}
    check(calls, {str(tmp_path)}, {str(target / "a"), str(target / "deep/b")})


@pytest.mark.parametrize("verb", ["copy", "sync"])
def test_copies_and_synchronizing_take_it(tmp_path: Path, calls: Calls, verb: str) -> None:
    target = tmp_path / "p"
    with FakeS3({"b": OBJECTS}) as server:
        getattr(Storage, verb)("s3://b/p", str(target), config=server.config, durability="fsync")
    check(calls, {str(tmp_path)}, {str(target / "small"), str(target / "deep/er/large")})


async def test_a_copy_on_the_disk_takes_it(tmp_path: Path, calls: Calls) -> None:
    (tmp_path / "m").write_bytes(LARGE)
    await AsyncStorage().copy(str(tmp_path / "m"), str(tmp_path / "n"), durability="fsync")
    check(calls, {str(tmp_path)}, {str(tmp_path / "n")})


async def test_nobody_waits_for_the_disk_who_has_not_asked(tmp_path: Path, calls: Calls) -> None:
    with FakeS3({"b": OBJECTS}) as server:
        await AsyncStorage().download("s3://b/p", tmp_path / "p", config=server.config)
        await AsyncStorage().download("s3://b/k", tmp_path / "k", config=server.config)
    assert calls.synced() == []


async def test_a_word_that_it_does_not_know(tmp_path: Path) -> None:
    word: Any = "sync"
    with pytest.raises(InvalidConfig, match="durability='sync' is not 'rename' or 'fsync'"):
        await AsyncStorage().download("s3://b/k", tmp_path / "k", durability=word)
