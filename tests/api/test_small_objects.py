"""Many small objects, which a few lanes move one after the other; what a lane gives up is moved alone."""

import asyncio
import collections
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealift import AccessDenied, AsyncStorage, Event, IntegrityError, Limits, ObjectChanged, ServiceError, UnsafeKey
from sealift.types import KiB, MiB
from tests.api.helpers import all_in, files_in
from tests.api.servers import Asked, FakeS3, Reply, failure, pattern
from tests.api.writable import WritableS3

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

MANY = {f"p/{number % 7}/{number:03}": pattern(10 * KiB + number) for number in range(300)}
TREE = {key.removeprefix("p/"): data for key, data in MANY.items()}


def requests_of(server: FakeS3, method: str = "GET") -> dict[str, int]:
    """How often each object was requested."""
    return collections.Counter(
        asked.path.removeprefix("/b/") for asked in server.asked if asked.method == method and len(asked.path) > 3
    )


def tag_of(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def kinds(events: list[Event]) -> dict[str, int]:
    return collections.Counter(event.kind for event in events)


async def test_each_object_is_requested_once_on_a_few_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine, the server would count as distant, and lanes as stalled, so that more connections would help.
    monkeypatch.setattr("sealift.engine.bundles._BUSY", 10.0)
    monkeypatch.setattr("sealift.engine.bundles._SHORTEST_REQUEST", 10.0)
    events: list[Event] = []
    with FakeS3({"b": MANY}) as server:
        async with AsyncStorage() as storage:
            await storage.download("s3://b/p/", tmp_path / "new", config=server.config, on_event=events.append)
            assert 1 <= server.connections <= 32
        assert requests_of(server) == dict.fromkeys(MANY, 1)
    assert files_in(tmp_path / "new") == TREE
    assert (kinds(events)["listed"], kinds(events)["object"]) == (300, 300)
    assert {event.verified for event in events if event.kind == "object"} == {"md5"}
    sums = collections.Counter[str]()
    for event in events:
        if event.kind == "progress":
            sums[event.key] += event.size
    assert sums == {key: len(data) for key, data in MANY.items()}


async def test_an_existing_directory(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "000").write_bytes(b"old")
    with FakeS3({"b": MANY}) as server:
        await AsyncStorage().download("s3://b/p/", tmp_path, config=server.config)
    assert files_in(tmp_path) == TREE
    assert not (tmp_path / ".sealift").exists()


async def test_small_and_large_objects(tmp_path: Path) -> None:
    objects = {**MANY, "p/empty": b"", "p/large": pattern(3 * MiB + 1), "p/limit": pattern(256 * KiB)}
    with FakeS3({"b": objects}) as server:
        await AsyncStorage(Limits(part_size=MiB)).download("s3://b/p/", tmp_path / "new", config=server.config)
    assert files_in(tmp_path / "new") == {key.removeprefix("p/"): data for key, data in objects.items()}


@pytest.mark.parametrize("limits", [{"connections": 1}, {"per_host": 2}, {"memory": 64 * KiB}, {"part_size": 5 * KiB}])
async def test_limits(tmp_path: Path, limits: dict[str, Any]) -> None:
    most = 0

    def watched(asked: Asked) -> None:
        nonlocal most
        most = max(most, server.connections)

    with FakeS3({"b": MANY}, instead=watched) as server:
        await AsyncStorage(Limits(**limits)).download("s3://b/p/", tmp_path / "new", config=server.config)
    assert files_in(tmp_path / "new") == TREE
    assert most <= min(limits.get("connections", 256), limits.get("per_host", 128))


class Once:
    """Answers the first request for each of some objects, or every one, with something else."""

    def __init__(self, reply: Reply, *, method: str = "GET", always: bool = False) -> None:
        self._reply = reply
        self._method = method
        self._always = always
        self.seen: set[str] = set()

    def __call__(self, asked: Asked) -> Reply | None:
        failing = asked.method == self._method and asked.path.endswith(("5", "0")) and len(asked.path) > 3
        if not failing or (asked.path in self.seen and not self._always):
            return None
        self.seen.add(asked.path)
        return self._reply


@pytest.mark.parametrize(
    "reply",
    [
        failure(503, "SlowDown"),
        failure(500, "InternalError"),
        Reply(200, b"short", {"Content-Length": "5"}),
        Reply(200, pattern(10 * KiB), {"ETag": '"other"', "Content-Length": str(10 * KiB)}),
        Reply(200, b"0\r\n\r\n", {"Transfer-Encoding": "chunked"}),
        Reply(204),
    ],
)
async def test_objects_that_fail_once_are_moved_alone(tmp_path: Path, reply: Reply) -> None:
    events: list[Event] = []
    with FakeS3({"b": MANY}, instead=(once := Once(reply))) as server:
        await AsyncStorage().download("s3://b/p/", tmp_path / "new", config=server.config, on_event=events.append)
        sent = requests_of(server)
        assert all(sent[key] >= 1 + (f"/b/{key}" in once.seen) for key in MANY)
        # With each failure, a lane may give up the request for one more object that it has sent ahead.
        assert sum(sent.values()) <= len(MANY) + 2 * len(once.seen)
    assert len(once.seen) == 60
    assert files_in(tmp_path / "new") == TREE
    assert kinds(events)["object"] == 300
    assert sum(event.size for event in events if event.kind == "progress") == sum(map(len, MANY.values()))


async def test_bytes_damaged_on_the_way_are_read_again(tmp_path: Path) -> None:
    key = "p/0/000"
    damaged = Reply(200, b"x" * len(MANY[key]), {"ETag": tag_of(MANY[key])})
    with FakeS3({"b": MANY}, instead=lambda asked: damaged if len(server.asked) < 100 and asked.path.endswith(key) else None) as server:  # fmt: skip  # noqa: E501
        await AsyncStorage().download("s3://b/p/", tmp_path / "new", config=server.config)
    assert files_in(tmp_path / "new") == TREE


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failure(403, "AccessDenied"), AccessDenied),
        (failure(412, "PreconditionFailed"), ObjectChanged),
        (failure(503, "SlowDown"), ServiceError),
    ],
)
async def test_an_error_that_stays_ends_the_call(tmp_path: Path, reply: Reply, error: type[Exception]) -> None:
    with FakeS3({"b": MANY}, instead=Once(reply, always=True)) as server:
        with pytest.raises(error):
            await AsyncStorage(Limits(attempts=2)).download("s3://b/p/", tmp_path / "new", config=server.config)
    assert not (tmp_path / "new").exists()


async def test_bytes_that_stay_damaged_are_an_error(tmp_path: Path) -> None:
    data = MANY["p/0/000"]
    damaged = Reply(200, b"x" * len(data), {"ETag": tag_of(data)})
    with FakeS3({"b": MANY}, instead=lambda asked: damaged if asked.path.endswith("p/0/000") else None) as server:
        with pytest.raises(IntegrityError, match="p/0/000"):
            await AsyncStorage(Limits(attempts=2)).download("s3://b/p/", tmp_path / "new", config=server.config)


async def test_another_region(tmp_path: Path) -> None:
    """A redirect is followed by the object that a lane has given up, and the lanes go on in the new region."""
    with FakeS3({"b": MANY}, region="eu-west-1", moved=400) as server:
        await AsyncStorage().download("s3://b/p/", tmp_path / "new", config=server.config)
        assert sum(requests_of(server).values()) < len(MANY) + 40
    assert files_in(tmp_path / "new") == TREE


class TestVerification:
    @pytest.mark.parametrize("verify", [True, False])
    async def test_without_a_checksum(self, tmp_path: Path, verify: bool) -> None:
        events: list[Event] = []
        with unlisted() as server:
            await AsyncStorage().download(
                "s3://b/p/", tmp_path / "new", config=server.config, verify=verify, on_event=events.append
            )
        assert files_in(tmp_path / "new") == TREE
        assert {event.verified for event in events if event.kind == "object"} == {"size-only"}

    async def test_one_that_is_required(self, tmp_path: Path) -> None:
        with unlisted() as server, pytest.raises(IntegrityError, match="no checksum"):
            await AsyncStorage().download("s3://b/p/", tmp_path / "new", config=server.config, verify="require")
        assert not (tmp_path / "new").exists()

    async def test_not_verified(self, tmp_path: Path) -> None:
        events: list[Event] = []
        with FakeS3({"b": MANY}) as server:
            await AsyncStorage().download(
                "s3://b/p/", tmp_path / "new", config=server.config, verify=False, on_event=events.append
            )
        assert {event.verified for event in events if event.kind == "object"} == {"size-only"}


def unlisted() -> FakeS3:
    """A server whose ETags are those of encrypted objects, which are no MD5."""

    def encrypted(asked: Asked) -> Reply | None:
        reply = server._answer(asked)
        reply.headers["x-amz-server-side-encryption"] = "aws:kms"
        return reply

    server = FakeS3({"b": MANY}, instead=encrypted)
    return server


@pytest.mark.parametrize("durability", ["rename", "fsync"])
async def test_two_keys_on_one_file(tmp_path: Path, durability: Any) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "0").symlink_to("1")
    with FakeS3({"b": {**MANY, "p/1/000": b"another"}}) as server, pytest.raises(UnsafeKey, match="same file"):
        await AsyncStorage().download("s3://b/p/", tmp_path, config=server.config, durability=durability)


async def test_cancelled_in_the_middle(tmp_path: Path) -> None:
    """Nothing is written after the call has ended, and the next call fetches only the rest."""
    key = "p/3/150"
    events: list[Event] = []
    dest = tmp_path / "there"
    dest.mkdir()
    with FakeS3({"b": MANY}, stall={key: 5000}) as server:
        async with AsyncStorage(Limits(per_host=4)) as storage:
            call = asyncio.ensure_future(
                storage.download("s3://b/p/", dest, config=server.config, on_event=events.append)
            )
            while kinds(events)["object"] < 250:
                await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            written = {path: (dest / path).stat().st_mtime_ns for path in files_in(dest)}
            server.release()
            assert "3/150" not in written
            before = len(server.asked)
            await storage.download("s3://b/p/", dest, config=server.config)
            again = [asked.path for asked in server.asked[before:] if asked.path.count("/") > 2]
    assert files_in(dest) == TREE
    assert f"/b/{key}" in again
    assert len(again) <= 300 - 250 + 1
    assert not (dest / ".sealift").exists()


async def test_killed_in_the_middle(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from sealift import S3Config, Storage

        finished = 0

        def on_event(event):
            global finished
            finished += event.kind == "object"
            if finished == 200:
                os.kill(os.getpid(), signal.SIGKILL)

        config = S3Config("AKIA", "secret", endpoint_url=sys.argv[2])
        Storage.download("s3://b/p/", sys.argv[1], config=config, on_event=on_event)
    """)
    with FakeS3({"b": MANY}) as server:
        command = [sys.executable, "-c", program, str(tmp_path / "new"), server.endpoint]
        killed = await asyncio.to_thread(subprocess.run, command, check=False)
        assert killed.returncode == -signal.SIGKILL
        while server.connections:  # it still reads requests that were sent before
            await asyncio.sleep(0.01)
        before = len(server.asked)
        await AsyncStorage().download("s3://b/p/", tmp_path / "new", config=server.config)
        again = [asked.path for asked in server.asked[before:] if asked.path.count("/") > 2]
    assert files_in(tmp_path / "new") == TREE
    assert len(again) == len(set(again))
    assert len(again) <= 100 + 256 // 10 + 1  # the journal is written once for 256 KiB
    assert all_in(tmp_path) == {"new", *(f"new/{path}" for path in all_in(tmp_path / "new"))}


class TestUploads:
    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        for path, data in TREE.items():
            (tmp_path / "up" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "up" / path).write_bytes(data)
        return tmp_path / "up"

    @pytest.fixture
    def server(self) -> Iterator[WritableS3]:
        with WritableS3("b") as server:
            yield server

    async def test_each_object_is_sent_once(self, tree: Path, server: WritableS3) -> None:
        events: list[Event] = []
        (tree / "empty").touch()
        (tree / "wide").write_bytes(pattern(200 * KiB))
        (tree / "large").write_bytes(pattern(3 * MiB))
        await AsyncStorage().upload(tree, "s3://b/p/", config=server.config, on_event=events.append)
        expected = {**MANY, "p/empty": b"", "p/wide": pattern(200 * KiB), "p/large": pattern(3 * MiB)}
        assert server.objects["b"] == expected
        assert requests_of(server, "PUT") == dict.fromkeys(expected, 1)
        assert kinds(events)["object"] == len(expected)

    @pytest.mark.parametrize(
        "reply", [failure(503, "SlowDown"), failure(400, "RequestTimeout"), Reply(200, b"", {"Connection": "close"})]
    )
    async def test_objects_that_fail_once(self, tree: Path, reply: Reply) -> None:
        def instead(asked: Asked) -> Reply | None:
            failed = once(asked)
            if failed is not None and failed.status == 200:
                return server.usual(asked)
            return failed

        once = Once(reply, method="PUT")
        with WritableS3("b", instead=instead) as server:
            await AsyncStorage().upload(tree, "s3://b/p/", config=server.config)
            assert server.objects["b"] == MANY
            assert len(once.seen) == 60

    async def test_a_file_that_changes(self, tree: Path, server: WritableS3) -> None:
        def on_event(event: Event) -> None:
            if event.kind == "listed" and event.key.endswith("000"):
                os.truncate(tree / "0" / "000", 5)

        with pytest.raises(ObjectChanged):
            await AsyncStorage().upload(tree, "s3://b/p/", config=server.config, on_event=on_event)

    async def test_cancelled(self, tree: Path) -> None:
        """After the call has ended, nothing is sent."""
        events: list[Event] = []
        with WritableS3("b") as server:
            call = asyncio.ensure_future(
                AsyncStorage(Limits(per_host=2)).upload(tree, "s3://b/p/", config=server.config, on_event=events.append)
            )
            while not kinds(events)["object"]:
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            while server.connections:
                await asyncio.sleep(0.01)
            sent = len(server.asked)
            await asyncio.sleep(0.1)
            assert len(server.asked) == sent
            assert os.path.isdir(tree)
