"""`download(unpack=True)` unpacks while the archive arrives: requests, disk use, and what failures leave."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import anyio
import pytest

from sealift import (
    ArchiveError,
    AsyncStorage,
    HTTPConfig,
    IntegrityError,
    Limits,
    LocalIOError,
    ObjectChanged,
    TransportError,
)
from sealift.archives import unpack as archive
from sealift.types import KiB, MiB, Unpack
from tests.api.helpers import all_in, files_in
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.test_continued_reads import Breaking, serving
from tests.api.test_unpack import tar, zipped
from tests.services import http_server
from tests.services.http_server import OddServer, good, plain_files

pytestmark = pytest.mark.anyio

PART = 8 * MiB
TAIL = 128 * KiB  # of a zip
TREE = {f"layer-{number}": pattern(3 * MiB + number) for number in range(7)} | {"config.json": b"{}", "empty": b""}
PACKS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "tar": lambda tree: tar(tree, "w:"),
    "gz": lambda tree: tar({name: os.urandom(1) + data for name, data in tree.items()}, "w:gz"),
    "zip": zipped,
}


@pytest.fixture(params=["tar", "zip"])
def packed(request: pytest.FixtureRequest) -> bytes:
    return PACKS[request.param](TREE)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "sealift-unpack" and _busy(thread)]


def _busy(thread: threading.Thread) -> bool:
    thread.join(60)  # it has its last job, but has not ended
    return thread.is_alive()


def on_disk(directory: Path) -> dict[str, int]:
    """Path → size of each file but the journal."""
    return {
        str(path): path.stat().st_size for path in directory.rglob("*") if path.is_file() and path.suffix != ".journal"
    }


def ranges(server: FakeS3) -> list[tuple[int, int]]:
    """The ranges that were requested, as first and last byte, sorted."""
    found = [asked.headers["range"].removeprefix("bytes=") for asked in server.asked if "range" in asked.headers]
    return sorted((int(first), int(last)) for first, _, last in (text.partition("-") for text in found))


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_entries_are_written_before_the_archive_has_arrived(tmp_path: Path, packed: bytes) -> None:
    """Half of the archive arrives: the files in it are on disk, and nothing else."""
    half, tail = len(packed) // 2, len(packed) - TAIL

    def end_of_a_zip(asked: Asked) -> Reply | None:
        if asked.headers.get("range") != f"bytes={tail}-{len(packed) - 1}":
            return None
        headers = {"ETag": server.tag(packed), "Content-Range": f"bytes {tail}-{len(packed) - 1}/{len(packed)}"}
        return Reply(206, packed[tail:], headers)

    with FakeS3({"b": {"m": packed}}, stall={"m": half}, instead=end_of_a_zip) as server:
        storage = AsyncStorage(Limits(part_size=MiB))
        call = asyncio.ensure_future(storage.download("s3://b/m", tmp_path / "new", config=server.config, unpack=True))
        await until(lambda: call.done() or sum(on_disk(tmp_path).values()) >= half - 2 * MiB)
        assert not (tmp_path / "new").exists()
        sizes = on_disk(tmp_path)
        assert {os.path.basename(path) for path in sizes} <= {"layer-0", "layer-1", "layer-2", "layer-3"}
        assert sum(sizes.values()) <= half
        server.release()
        await call
    assert files_in(tmp_path / "new") == TREE
    assert all_in(tmp_path) == {"new"} | {f"new/{path}" for path in TREE}


async def test_a_tar_is_requested_once(tmp_path: Path) -> None:
    packed = PACKS["tar"](TREE)
    with FakeS3({"b": {"m": packed}}) as server:
        await AsyncStorage().download("s3://b/m", tmp_path / "new", config=server.config, unpack=True)
    assert ranges(server) == [(start, min(start + PART, len(packed)) - 1) for start in range(0, len(packed), PART)]
    assert len(server.asked) == 1 + 3


async def test_a_zip_costs_one_more_request(tmp_path: Path) -> None:
    packed = zipped(TREE)
    with FakeS3({"b": {"m": packed}}) as server:
        await AsyncStorage().download("s3://b/m", tmp_path / "new", config=server.config, unpack=True)
    parts = [(start, min(start + PART, len(packed)) - 1) for start in range(0, len(packed), PART)]
    assert ranges(server) == sorted([*parts, (len(packed) - TAIL, len(packed) - 1)])


async def test_a_zip_with_a_large_directory_costs_two(tmp_path: Path) -> None:
    tree = {f"{number:050}": b"" for number in range(3000)} | {"large": pattern(9 * MiB)}
    packed = zipped(tree)
    with FakeS3({"b": {"m": packed}}) as server:
        await AsyncStorage().download("s3://b/m", tmp_path / "new", config=server.config, unpack=True)
    assert len(ranges(server)) == 2 + 2
    assert files_in(tmp_path / "new") == tree


@pytest.mark.parametrize("count", [1, 4])
async def test_a_small_archive_is_one_request(tmp_path: Path, count: int) -> None:
    for name, pack in PACKS.items():
        packed = pack({f"{number}": pattern(MiB) for number in range(count)})
        with FakeS3({"b": {"m": packed}}) as server:
            await AsyncStorage().download("s3://b/m", tmp_path / name, config=server.config, unpack=True)
        assert [asked.method for asked in server.asked] == ["HEAD", "GET"]


async def test_broken_connections_cost_nothing(tmp_path: Path, packed: bytes) -> None:
    store = Breaking(lambda number: MiB, packed)
    async with serving(store) as config:
        await AsyncStorage(Limits(attempts=1)).download("s3://b/m", tmp_path / "new", config=config, unpack=True)
    assert files_in(tmp_path / "new") == TREE
    tail = TAIL if packed.startswith(b"PK") else 0
    assert store.sent == len(packed) + tail


async def test_a_version_that_changes_meanwhile_is_an_error(tmp_path: Path, packed: bytes) -> None:
    def change(number: int) -> int:
        store.tag = '"two"'
        return MiB

    store = Breaking(change, packed)
    async with serving(store) as config:
        with pytest.raises(ObjectChanged):
            await AsyncStorage().download("s3://b/m", tmp_path / "new", config=config, unpack=True)
    assert all_in(tmp_path) == set()


class WrongChecksum(FakeS3):
    """An ETag that is the MD5 of other bytes, or a CRC64NVME of other bytes."""

    algorithm = "md5"

    def tag(self, data: bytes) -> str:
        return super().tag(data + b"!") if self.algorithm == "md5" else '"not-a-hash"'

    def _object(self, key: str, data: bytes, asked: Asked) -> Reply:
        reply = super()._object(key, data, asked)
        if self.algorithm == "crc":
            reply.headers |= {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA=", "x-amz-checksum-type": "FULL_OBJECT"}
        return reply


@pytest.mark.parametrize("algorithm", ["md5", "crc"])
@pytest.mark.parametrize("size", [MiB, 20 * MiB])
@pytest.mark.parametrize("form", PACKS)
@pytest.mark.parametrize("there", [False, True])
async def test_an_archive_with_another_checksum_is_not_published(
    tmp_path: Path, algorithm: str, size: int, form: str, there: bool
) -> None:
    packed = PACKS[form]({"a": b"", "weights": os.urandom(size), "z": b""})
    if there:
        (tmp_path / "new").mkdir()
    with WrongChecksum({"b": {"m": packed}}) as server:
        server.algorithm = algorithm
        with pytest.raises(IntegrityError, match="do not match"):
            await AsyncStorage(Limits(attempts=1)).download(
                "s3://b/m", tmp_path / "new", config=server.config, unpack=True
            )
        assert all_in(tmp_path) == ({"new"} if there else set())
        await AsyncStorage().download("s3://b/m", tmp_path / "new", config=server.config, unpack=True, verify=False)
    assert len(files_in(tmp_path / "new")) == 3


async def test_where_a_checksum_is_required_an_archive_without_is_not_unpacked(tmp_path: Path, packed: bytes) -> None:
    store = Breaking(lambda number: None, packed)
    async with serving(store) as config:
        with pytest.raises(IntegrityError, match="no checksum"):
            await AsyncStorage().download("s3://b/m", tmp_path / "new", config=config, unpack=True, verify="require")
    assert store.ranges == []
    assert all_in(tmp_path) == set()


@pytest.mark.parametrize("stall", [0, 5 * MiB, 12 * MiB])
async def test_a_cancelled_call_ends_and_leaves_nothing(tmp_path: Path, packed: bytes, stall: int) -> None:
    with FakeS3({"b": {"m": packed}}, stall={"m": stall}) as server:
        call = asyncio.ensure_future(
            AsyncStorage().download("s3://b/m", tmp_path / "new", config=server.config, unpack=True)
        )
        await until(server.stalled.is_set)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert all_in(tmp_path) == set()


async def test_cancelled_while_the_directory_of_a_zip_is_read(tmp_path: Path) -> None:
    packed = zipped(TREE)
    with FakeS3({"b": {"m": packed}}, stall={"m": len(packed) - 1}) as server:
        call = asyncio.ensure_future(
            AsyncStorage().download("s3://b/m", tmp_path / "new", config=server.config, unpack=True)
        )
        await until(lambda: (len(packed) - TAIL, len(packed) - 1) in ranges(server))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert all_in(tmp_path) == set()


async def test_a_slow_disk_holds_the_download_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bytes
) -> None:
    """While no bytes are unpacked, no more are requested than the memory budget holds."""
    begun, go, create = threading.Event(), threading.Event(), archive._create

    def wait_and_create(path: str) -> IO[bytes]:
        begun.set()
        assert go.wait(60)
        return create(path)

    monkeypatch.setattr(archive, "_create", wait_and_create)
    limits = Limits(memory=4 * MiB, part_size=MiB)
    with FakeS3({"b": {"m": packed}}) as server:
        storage = AsyncStorage(limits)
        call = asyncio.ensure_future(storage.download("s3://b/m", tmp_path / "new", config=server.config, unpack=True))
        await until(lambda: begun.is_set() and len([1 for first, _ in ranges(server) if first % MiB == 0]) >= 4)
        before = len(server.asked)
        for _ in range(20):  # as long as anything else could still be requested
            await asyncio.sleep(0)
        assert len(server.asked) == before <= 1 + 4 + 1
        go.set()
        await call
    assert files_in(tmp_path / "new") == TREE


async def test_more_archives_than_threads(tmp_path: Path) -> None:
    """Unpacking waits for bytes; it must not take the threads that bring them."""
    limits = Limits(memory=2 * MiB, part_size=256 * KiB)
    tree = {"a": pattern(MiB), "b": pattern(MiB)}
    for number in range(12):
        pack = list(PACKS.values())[number % 2 * 2]
        (tmp_path / f"{number}").write_bytes(pack(tree))
    async with AsyncStorage(limits) as storage, asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(storage.download(f"{tmp_path}/{number}", tmp_path / f"new-{number}", unpack=True))
    for number in range(12):
        assert files_in(tmp_path / f"new-{number}") == tree


async def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bytes) -> None:
    monkeypatch.setattr(archive, "_create", lambda path: open("/dev/full", "wb", buffering=0))  # noqa: SIM115
    with FakeS3({"b": {"m": packed}}) as server:
        with pytest.raises(LocalIOError, match=os.strerror(28)) as caught:
            await AsyncStorage().download("s3://b/m", tmp_path / "new", config=server.config, unpack=True)
    assert not getattr(caught.value, "__notes__", [])  # it is not reported once for each part
    assert all_in(tmp_path) == set()


async def test_an_archive_that_is_none_is_refused_without_its_end(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": b"{}" * (50 * MiB)}}) as server:
        with pytest.raises(ArchiveError, match="not an archive"):
            await AsyncStorage(Limits(per_host=1)).download(
                "s3://b/m", tmp_path / "new", config=server.config, unpack=True
            )
        assert len(server.asked) < 6
    assert all_in(tmp_path) == set()


async def test_a_killed_process_starts_again_and_leaves_nothing(tmp_path: Path, packed: bytes) -> None:
    script = """
        import sys
        from sealift import S3Config, Storage
        config = S3Config("AKIAFAKE", "secret", endpoint_url=sys.argv[1])
        Storage.download("s3://b/m", sys.argv[2], config=config, unpack=True)
    """
    tail = len(packed) - TAIL
    with FakeS3({"b": {"m": packed}}, stall={"m": tail}) as server:
        for _ in range(3):
            arguments = [sys.executable, "-c", textwrap.dedent(script), server.endpoint, str(tmp_path / "new")]
            with subprocess.Popen(arguments) as child:
                await anyio.to_thread.run_sync(server.stalled.wait)
                child.send_signal(signal.SIGKILL)
            server.stalled.clear()
            assert len(list((tmp_path / ".sealift").glob("*.tree"))) <= 1
        assert not (tmp_path / "new").exists()
        await until(lambda: not server.connections)
        server.release()
        await AsyncStorage().download("s3://b/m", tmp_path / "new", config=server.config, unpack=True)
    assert files_in(tmp_path / "new") == TREE
    assert {path.name for path in tmp_path.iterdir()} == {"new"}


class TestWithoutRanges:
    """A web server without ranges or sizes: a tar is read once, in order; a zip is stored first."""

    @pytest.mark.parametrize("form", PACKS)
    async def test_from_a_server_without_ranges(self, tmp_path: Path, form: str) -> None:
        tree = {"config.json": b"{}", "weights": pattern(20 * MiB)}
        (tmp_path / "served").mkdir()
        (tmp_path / "served" / "m").write_bytes(PACKS["tar" if form == "gz" else form](tree))
        with plain_files(tmp_path / "served") as url:
            await AsyncStorage().download(f"{url}/m", tmp_path / "new", config=HTTPConfig(), unpack=True)
        assert files_in(tmp_path / "new") == tree
        assert {path.name for path in tmp_path.iterdir()} == {"new", "served"}

    @pytest.mark.parametrize("form", PACKS)
    @pytest.mark.parametrize("size", [MiB, 20 * MiB])
    async def test_of_unknown_size(self, tmp_path: Path, form: str, size: int) -> None:
        packed = PACKS["tar" if form == "gz" else form]({"weights": pattern(size)})
        with OddServer(lambda asked: http_server.Reply(200, packed, framing="chunked")) as server:
            await AsyncStorage().download(f"{server.url}/m", tmp_path / "new", unpack=True)
            assert server.methods().count("GET") == 1
        assert files_in(tmp_path / "new") == {"weights": pattern(size)}
        assert {path.name for path in tmp_path.iterdir()} == {"new"}

    @pytest.mark.parametrize("form", ["tar", "zip"])
    async def test_a_broken_connection_starts_again(self, tmp_path: Path, form: str) -> None:
        packed, times = PACKS[form](TREE), []

        def answer(asked: http_server.Asked) -> http_server.Reply:
            times.append(asked.method)
            broken = asked.method == "GET" and times.count("GET") == 1
            return http_server.Reply(200, packed, sent=len(packed) - MiB if broken else None)

        with OddServer(answer) as server:
            await AsyncStorage().download(f"{server.url}/m", tmp_path / "new", unpack=True)
        assert times.count("GET") == 2
        assert files_in(tmp_path / "new") == TREE
        assert {path.name for path in tmp_path.iterdir()} == {"new"}

    async def test_one_that_always_breaks_leaves_nothing(self, tmp_path: Path) -> None:
        packed = PACKS["tar"](TREE)
        with OddServer(lambda asked: http_server.Reply(200, packed, sent=len(packed) - MiB)) as server:
            with pytest.raises(TransportError):
                await AsyncStorage(Limits(attempts=2)).download(f"{server.url}/m", tmp_path / "new", unpack=True)
        assert all_in(tmp_path) == set()

    async def test_the_ratio_of_an_archive_of_unknown_size(self, tmp_path: Path) -> None:
        bomb = tar({f"{number}": bytes(16 * MiB) for number in range(6)})
        with OddServer(lambda asked: http_server.Reply(200, bomb, framing="chunked")) as server:
            with pytest.raises(ArchiveError, match="more than 200 times"):
                await AsyncStorage().download(f"{server.url}/m", tmp_path / "new", unpack=True)
            assert all_in(tmp_path) == set()
            more = Unpack(ratio=2000)
            await AsyncStorage().download(f"{server.url}/m", tmp_path / "new", unpack=more)
        assert len(files_in(tmp_path / "new")) == 6


async def test_ranges_of_a_web_server(tmp_path: Path) -> None:
    packed = zipped(TREE)
    with OddServer(lambda asked: good(asked, packed)) as server:
        await AsyncStorage().download(f"{server.url}/m", tmp_path / "new", unpack=True)
    assert files_in(tmp_path / "new") == TREE
