"""Replacing existing local files: links, pipes, devices, permissions and owners."""

import asyncio
import io
import os
import re
import shutil
import socket
import stat
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, InvalidConfig, Limits, LocalIOError
from sealift.types import KiB
from tests.api.helpers import all_in, files_in
from tests.api.servers import FakeS3, pattern

pytestmark = pytest.mark.anyio

SMALL, LARGE = b"small", pattern(2048 * KiB)
LIMITS = Limits(part_size=256 * KiB, attempts=1)
BODIES = pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices and gives files away")


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with FakeS3({"b": {"m": SMALL, "large": LARGE, "p/m": SMALL, "p/large": LARGE, "a.tar": packed()}}) as running:
        yield running


def packed() -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for name in ("a", "m"):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(SMALL), 0o6777
            archive.addfile(entry, io.BytesIO(SMALL))
    return body.getvalue()


def bodies_asked(server: FakeS3) -> list[str]:
    return [asked.path for asked in server.asked if asked.method == "GET" and re.fullmatch("/b/.+", asked.path)]


Call = Callable[[FakeS3, Path, Path], Awaitable[object]]


async def downloaded(server: FakeS3, _: Path, dest: Path) -> None:
    await AsyncStorage(LIMITS).download("s3://b/large", dest, config=server.config)


async def copied(server: FakeS3, _: Path, dest: Path) -> None:
    await AsyncStorage(LIMITS).copy("s3://b/m", dest.as_uri(), config=server.config)


async def dry_run(server: FakeS3, _: Path, dest: Path) -> None:
    await AsyncStorage(LIMITS).copy("s3://b/m", dest.as_uri(), config=server.config, dry_run=True)


async def uploaded(_: FakeS3, source: Path, dest: Path) -> None:
    await AsyncStorage().upload(source, dest.as_uri())


async def uploaded_to_a_volume(_: FakeS3, source: Path, dest: Path) -> None:
    environ = {"SEALIFT_PVC_MOUNTS": f"claim={dest.parent}"}
    await AsyncStorage(environ=environ).upload(source, f"pvc://claim/{dest.name}")


CALLS = [downloaded, copied, dry_run, uploaded, uploaded_to_a_volume]


@contextmanager
def special(kind: str, path: Path) -> Iterator[int]:
    """Create a special file and yield its file type; the file must keep that type."""
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(os.path.relpath(path))  # a socket address is limited to 107 bytes
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        os.mknod(path, 0o600 | (stat.S_IFCHR if kind == "character device" else stat.S_IFBLK), os.makedev(1, 3))
    before = os.lstat(path)
    yield stat.S_IFMT(before.st_mode)
    after = os.lstat(path)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


KINDS = ["pipe", "socket", pytest.param("character device", marks=ROOT), pytest.param("block device", marks=ROOT)]


class TestSpecialFiles:
    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("linked", [False, True])
    @pytest.mark.parametrize("kind", KINDS)
    async def test_are_refused_before_anything_is_read_or_written(
        self, server: FakeS3, tmp_path: Path, kind: str, call: Call, linked: bool
    ) -> None:
        (tmp_path / "source").write_bytes(SMALL)
        (tmp_path / "link").symlink_to("there")
        dest = tmp_path / ("link" if linked else "there")
        with special(kind, tmp_path / "there"), pytest.raises(LocalIOError) as caught:
            await call(server, tmp_path / "source", dest)
        assert f"{dest} is a {kind.replace('pipe', 'named pipe')}, not a regular file" in str(caught.value)
        streams = kind in {"pipe", "character device"}
        assert ("use stream()" in str(caught.value)) == streams
        assert not bodies_asked(server)
        assert all_in(tmp_path) == {"source", "link", "there"}

    @pytest.mark.parametrize("key", ["m", "large"])
    @pytest.mark.parametrize("kind", KINDS)
    async def test_in_a_directory_they_are_refused_for_their_key(
        self, server: FakeS3, tmp_path: Path, kind: str, key: str
    ) -> None:
        with special(kind, tmp_path / key), pytest.raises(LocalIOError, match=f"{tmp_path}/{key} is a .*{kind}"):
            await AsyncStorage(LIMITS).download("s3://b/p", tmp_path, config=server.config)
        assert "/b/p/large" not in bodies_asked(server) or key == "m"
        assert not [path for path in all_in(tmp_path) if ".sealift" in path]

    @pytest.mark.parametrize("verb", ["copy", "sync", "upload"])
    async def test_other_verbs_refuse_them_too(self, tmp_path: Path, verb: str) -> None:
        (tmp_path / "from").mkdir()
        (tmp_path / "from" / "m").write_bytes(SMALL)
        dest = tmp_path / "dest"
        dest.mkdir()
        with special("pipe", dest / "m"), pytest.raises(LocalIOError, match=f"{dest}/m is a named pipe"):
            await getattr(AsyncStorage(), verb)(str(tmp_path / "from"), str(dest))
        assert all_in(dest) == {"m"}

    async def test_unpacking_replaces_nothing_then(self, server: FakeS3, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"old")
        with special("pipe", tmp_path / "m"), pytest.raises(LocalIOError, match=f"{tmp_path}/m is a named pipe"):
            await AsyncStorage().download("s3://b/a.tar", tmp_path, config=server.config, unpack=True)
        assert files_in(tmp_path) == {"a": b"old"}
        assert all_in(tmp_path) == {"a", "m"}

    @pytest.mark.parametrize("uri", ["s3://b/p", "s3://b/a.tar"])
    async def test_where_a_directory_belongs(self, server: FakeS3, tmp_path: Path, uri: str) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "nowhere").symlink_to("missing")
        for name, kind in (("pipe", "a named pipe"), ("nowhere", "a symbolic link to missing, which does not exist")):
            with pytest.raises(LocalIOError, match=f"{name} is {kind}, but"):
                await AsyncStorage().download(uri, tmp_path / name, config=server.config, unpack=uri.endswith("tar"))
        assert all_in(tmp_path) == {"pipe", "nowhere"}

    async def test_one_in_place_of_a_finished_file(self, tmp_path: Path) -> None:
        """A resumed download checks whether the file still exists, without waiting for a writer to the pipe."""
        dest = tmp_path / "dest"
        dest.mkdir()
        with FakeS3({"b": {"p/a": LARGE, "p/z": LARGE}}, stall={"p/z": 0}) as server:
            await stopped(server, dest, "a")
            (dest / "a").unlink()
            server.release()
            with special("pipe", dest / "a"), pytest.raises(LocalIOError, match="dest/a is a named pipe"):
                await AsyncStorage(LIMITS).download("s3://b/p", dest, config=server.config)


class TestLinks:
    @BODIES
    async def test_one_that_the_caller_names_is_followed(self, server: FakeS3, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "file").write_bytes(b"old")
        (tmp_path / "one").symlink_to("real/file")
        (tmp_path / "two").symlink_to(tmp_path / "one")
        uri = "s3://b/m" if data == SMALL else "s3://b/large"
        assert await AsyncStorage(LIMITS).download(uri, tmp_path / "two", config=server.config) == str(tmp_path / "two")
        assert files_in(tmp_path) == {"real/file": data, "one": data, "two": data}
        assert (os.readlink(tmp_path / "one"), os.readlink(tmp_path / "two")) == ("real/file", str(tmp_path / "one"))
        assert all_in(tmp_path) == {"real", "real/file", "one", "two"}

    @pytest.mark.parametrize("call", CALLS)
    async def test_to_nothing(self, server: FakeS3, tmp_path: Path, call: Call) -> None:
        (tmp_path / "source").write_bytes(SMALL)
        (tmp_path / "link").symlink_to("missing")
        with pytest.raises(LocalIOError, match=f"{tmp_path}/link is a symbolic link to missing, which does not exist"):
            await call(server, tmp_path / "source", tmp_path / "link")
        assert not bodies_asked(server)
        assert all_in(tmp_path) == {"source", "link"}

    async def test_in_a_circle(self, server: FakeS3, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("link")
        for uri in ("s3://b/m", "s3://b/p"):
            with pytest.raises(LocalIOError, match=r"link"):
                await AsyncStorage().download(uri, tmp_path / "link", config=server.config)
        assert all_in(tmp_path) == {"link"}

    async def test_one_that_a_key_names_is_replaced(self, server: FakeS3, tmp_path: Path) -> None:
        (tmp_path / "outside").write_bytes(b"precious")
        dest = tmp_path / "dest"
        dest.mkdir()
        (dest / "m").symlink_to(tmp_path / "outside")
        await AsyncStorage().download("s3://b/m", f"{dest}/", config=server.config)
        assert not (dest / "m").is_symlink()
        assert files_in(tmp_path) == {"outside": b"precious", "dest/m": SMALL}

    async def test_to_a_directory_receives_the_file(self, server: FakeS3, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        await AsyncStorage().download("s3://b/m", tmp_path / "link", config=server.config)
        assert all_in(tmp_path) == {"link", "real", "real/m"}

    async def test_to_the_source(self, tmp_path: Path) -> None:
        (tmp_path / "dir" / "in").mkdir(parents=True)
        (tmp_path / "dir" / "file").write_bytes(SMALL)
        (tmp_path / "to-file").symlink_to("dir/file")
        (tmp_path / "to-in").symlink_to("dir/in")
        for source, dest in (("dir/file", "to-file"), ("to-file", "dir/file"), ("dir", "to-in"), ("to-in", "dir")):
            with pytest.raises(InvalidConfig, match="are the same"):
                await AsyncStorage().copy(str(tmp_path / source), str(tmp_path / dest))
        assert files_in(tmp_path) == {"dir/file": SMALL, "to-file": SMALL}

    @BODIES
    async def test_hard_ones_keep_the_old_bytes_under_their_other_names(
        self, server: FakeS3, tmp_path: Path, data: bytes
    ) -> None:
        (tmp_path / "other").write_bytes(b"old")
        os.link(tmp_path / "other", tmp_path / "file")
        uri = "s3://b/m" if data == SMALL else "s3://b/large"
        await AsyncStorage(LIMITS).download(uri, tmp_path / "file", config=server.config)
        assert files_in(tmp_path) == {"other": b"old", "file": data}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def old_files(directory: Path, mode: int) -> None:
    for name in ("m", "large", "a"):
        (directory / name).write_bytes(b"old")
        (directory / name).chmod(mode)


async def one_by_one(server: FakeS3, dest: Path) -> None:
    await AsyncStorage(LIMITS).download("s3://b/m", dest / "m", config=server.config)
    await AsyncStorage(LIMITS).download("s3://b/large", dest / "large", config=server.config, durability="fsync")


async def all_at_once(server: FakeS3, dest: Path) -> None:
    await AsyncStorage(LIMITS).download("s3://b/p", dest, config=server.config)


async def on_the_disk(server: FakeS3, dest: Path) -> None:
    await AsyncStorage(LIMITS).download("s3://b/p", dest, config=server.config, durability="fsync")


async def synchronized(server: FakeS3, dest: Path) -> None:
    await AsyncStorage(LIMITS).sync("s3://b/p", str(dest), config=server.config)


async def from_disk_to_disk(server: FakeS3, dest: Path) -> None:
    source = dest.parent / "source"
    await AsyncStorage(LIMITS).download("s3://b/p", source, config=server.config)
    source.joinpath("m").chmod(0o777)
    await AsyncStorage().copy(str(source), str(dest))


async def unpacked(server: FakeS3, dest: Path) -> None:
    await AsyncStorage().download("s3://b/a.tar", dest, config=server.config, unpack=True)


WRITERS = [one_by_one, all_at_once, on_the_disk, synchronized, from_disk_to_disk, unpacked]
Write = Callable[[FakeS3, Path], Awaitable[None]]


@pytest.mark.parametrize("write", WRITERS)
class TestPermissions:
    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755, 0o6755])
    async def test_of_the_replaced_file_stay(self, server: FakeS3, tmp_path: Path, write: Write, mode: int) -> None:
        """Except set-user-ID and set-group-ID."""
        dest = tmp_path / "dest"
        dest.mkdir()
        old_files(dest, mode)
        await write(server, dest)
        new = [path for path in dest.iterdir() if path.read_bytes() != b"old"]
        assert len(new) == 2
        assert {mode_of(path) for path in new} == {mode & 0o777}

    async def test_of_a_new_file_follow_the_umask(self, server: FakeS3, tmp_path: Path, write: Write) -> None:
        """Regardless of modes in an archive; only a copy of a local file has the mode of the file."""
        dest = tmp_path / "dest"
        dest.mkdir()
        before = os.umask(0o027)
        try:
            await write(server, dest)
        finally:
            os.umask(before)
        copied = {0o777} if write is from_disk_to_disk else set()
        assert {mode_of(path) for path in dest.iterdir()} == {0o640, *copied}

    @ROOT
    async def test_an_owner_stays_where_the_process_may_give_files_away(
        self, server: FakeS3, tmp_path: Path, write: Write
    ) -> None:
        dest = tmp_path / "dest"
        dest.mkdir()
        old_files(dest, 0o640)
        for path in dest.iterdir():
            os.chown(path, 1234, 5678)
        await write(server, dest)
        assert {(path.stat().st_uid, path.stat().st_gid) for path in dest.iterdir()} == {(1234, 5678)}
        assert {mode_of(path) for path in dest.iterdir()} == {0o640}


async def test_a_partial_file_is_no_more_readable_than_what_it_replaces(tmp_path: Path) -> None:
    for name, mode in (("secret", 0o600), ("shared", 0o640), ("locked", 0o400)):
        (tmp_path / name).write_bytes(b"old")
        (tmp_path / name).chmod(mode)
        with FakeS3({"b": {"m": LARGE}}, stall={"m": 512 * KiB}) as server:
            landed = asyncio.Event()
            call = asyncio.ensure_future(
                AsyncStorage(LIMITS).download("s3://b/m", tmp_path / name, config=server.config, on_event=told(landed))
            )
            await landed.wait()
            (partial,) = (tmp_path / ".sealift").glob("*.part")
            assert mode_of(partial) == 0o600 | mode & 0o040
            server.release()
            await call
        assert ((tmp_path / name).read_bytes(), mode_of(tmp_path / name)) == (LARGE, mode)


def told(landed: asyncio.Event) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        if event.kind == "progress":
            landed.set()

    return on_event


async def stopped(server: FakeS3, dest: Path, finished: str) -> None:
    """Download a prefix, and cancel when the file `finished` is complete."""
    there = asyncio.Event()

    def on_event(event: Event) -> None:
        if event.kind == "object" and event.target == finished:
            there.set()

    call = asyncio.ensure_future(
        AsyncStorage(LIMITS).download("s3://b/p", dest, config=server.config, on_event=on_event)
    )
    await there.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("change", ["appended to", "a link"])
async def test_a_finished_file_that_was_changed_is_fetched_again(tmp_path: Path, change: str) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    with FakeS3({"b": {"p/a": LARGE, "p/z": LARGE}}, stall={"p/z": 0}) as server:
        await stopped(server, dest, "a")
        if change == "a link":
            (dest / "a").rename(tmp_path / "moved")
            (dest / "a").symlink_to(tmp_path / "moved")
        else:
            with (dest / "a").open("ab") as file:
                file.write(b"more")
        server.release()
        await AsyncStorage(LIMITS).download("s3://b/p", dest, config=server.config)
    assert files_in(dest) == {"a": LARGE, "z": LARGE}
    assert not (dest / "a").is_symlink()


async def test_the_dot_directory_is_no_destination(server: FakeS3, tmp_path: Path) -> None:
    for uri in ("s3://b/m", "s3://b/p"):
        for end in ("", "/"):
            with pytest.raises(InvalidConfig, match=r"is where sealift keeps temporary files"):
                await AsyncStorage().download(uri, f"{tmp_path}/.sealift{end}", config=server.config)
    assert all_in(tmp_path) == set()


async def test_a_directory_in_place_of_a_file_is_found_before_anything_is_read(server: FakeS3, tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    for dest in (f"{tmp_path}/", tmp_path):
        with pytest.raises(LocalIOError, match=f"Is a directory: {tmp_path}/large"):
            await AsyncStorage(LIMITS).download("s3://b/large", dest, config=server.config)
    assert not bodies_asked(server)
    assert all_in(tmp_path) == {"large"}


@pytest.mark.parametrize("unpack", [False, True])
async def test_a_tree_that_others_remove_meanwhile_is_not_published(tmp_path: Path, unpack: bool) -> None:
    """A new directory is complete or absent: publishing it would lose the files already finished."""
    dest, body = tmp_path / "dest", packed()
    with FakeS3({"b": {"p/a": SMALL, "p/z": body, "z": body}}, stall={"p/z": 0, "z": 0}) as server:
        uri = "s3://b/z" if unpack else "s3://b/p"
        call = asyncio.ensure_future(AsyncStorage(LIMITS).download(uri, dest, config=server.config, unpack=unpack))
        while not server.stalled.is_set() or not (unpack or [*tmp_path.rglob("a")]):
            await asyncio.sleep(0.005)
        (tree,) = (tmp_path / ".sealift").glob("*.tree")
        shutil.rmtree(tree)
        server.release()
        with pytest.raises(LocalIOError, match=r"\.tree was removed while files were written to it"):
            await call
    assert all_in(tmp_path) == set()
