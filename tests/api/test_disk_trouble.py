"""Disk errors: full, read-only, not writable by the user.

The programs here run as separate processes, which can have a separate disk, limits or user.
"""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealift.types import KiB, MiB
from tests.api.helpers import files_in
from tests.api.servers import FakeS3, pattern
from tests.api.test_unpack import tar, zipped
from tests.facade.scripts import Script

OBJECTS = {"large": pattern(9 * MiB), "small": b"small", **{f"p/{number}": pattern(600 * KiB) for number in range(10)}}

# Runs a program with a private file system mounted on the directory `disk`.
_MOUNTED = ["unshare", "-rm", "/bin/sh", "-c", 'mount -t tmpfs -o "$DISK" tmpfs "$HERE/disk" && exec "$0" "$@"']

REPORT = """
        def report(call):
            try:
                call()
            except StorageError as error:
                say(f"{type(error).__name__}|{error}")
"""


@dataclass(frozen=True)
class SmallDisk:
    """A way to run out of space after 2 MiB, or within a file after half a MiB."""

    command: list[str]
    prelude: str
    words: str
    hint: str | None


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with FakeS3({"b": OBJECTS}) as running:
        yield running


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path


@pytest.fixture
def namespaces(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether users of this machine can mount private file systems."""
    here = tmp_path_factory.mktemp("probe")
    (here / "disk").mkdir()
    environ = {**os.environ, "HERE": str(here), "DISK": "size=1m"}
    try:
        return subprocess.run([*_MOUNTED, "true"], env=environ, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        return False


LIMITED = SmallDisk(
    [],
    "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (512 << 10, 512 << 10))",
    os.strerror(errno.EFBIG),
    None,
)


@pytest.fixture(params=["disk", "limit"])
def small_disk(request: pytest.FixtureRequest, namespaces: bool) -> SmallDisk:
    """A real small disk where the machine allows it, and a file size limit everywhere."""
    if request.param == "limit" or not namespaces:
        return LIMITED
    hint = "free some space or choose another directory"
    return SmallDisk(_MOUNTED, "", os.strerror(errno.ENOSPC), hint)


def run(program: str, here: Path, server: FakeS3, command: list[str], disk: str = "size=2m") -> list[list[str]]:
    """Run a program. Returns the class and text of each error it reports."""
    with Script(program, here, server, environ={"DISK": disk}, command=command) as script:
        status, lines, complaints = script.end()
    assert (status, complaints) == (0, ""), complaints
    return [line.split("|") for line in lines]


def test_a_large_object(server: FakeS3, here: Path, small_disk: SmallDisk) -> None:
    program = (
        REPORT
        + f"""
        {small_disk.prelude}
        (HERE / "disk" / "old").write_bytes(b"precious")
        for dest in ("old", "new", "deeper/new"):
            report(lambda: Storage.download("s3://b/large", HERE / "disk" / dest, config=config))
        assert content(HERE / "disk" / "old") == b"precious"
        assert [path for path in everything() if "new" in path or ".sealift" in path] == [], everything()
        Storage.download("s3://b/small", HERE / "disk" / "old", config=config)
    """
    )
    told = run(program, here, server, small_disk.command)
    assert len(told) == 3
    for kind, text in told:
        assert kind == "LocalIOError"
        assert text.startswith("download s3://b/large: ")
        if small_disk.hint:  # reported before a byte is fetched
            assert f"needs {9 * MiB} bytes, but its disk has only " in text
            assert f"({small_disk.hint})" in text
        else:
            assert small_disk.words in text
    if small_disk.hint:
        assert not any(asked.method == "GET" and asked.path == "/b/large" for asked in server.asked)


def test_many_objects(server: FakeS3, here: Path, small_disk: SmallDisk) -> None:
    program = (
        REPORT
        + f"""
        {small_disk.prelude}
        (HERE / "disk" / "old").mkdir()
        report(lambda: Storage.download("s3://b/p", HERE / "disk" / "new", config=config))
        assert everything() == ["disk", "disk/old"], everything()
        report(lambda: Storage.download("s3://b/p", HERE / "disk" / "old", config=config))
        assert not [path for path in everything() if ".sealift" in path], everything()
        for path in (HERE / "disk" / "old").iterdir():
            assert path.stat().st_size == {600 * KiB}, "part of an object"
            path.unlink()
        Storage.download("s3://b/small", HERE / "disk" / "old", config=config)
    """
    )
    told = run(program, here, server, small_disk.command)
    assert [kind for kind, _ in told] == ["LocalIOError"] * 2
    for (_, text), name in zip(told, ("new", "old"), strict=True):
        if small_disk.hint:  # reported before a byte is fetched
            assert text.startswith(f"download s3://b/p: {here}/disk/{name} needs ")
            assert " bytes or more, but its disk has only " in text
            assert f"({small_disk.hint})" in text
        else:
            assert text.startswith(f"download s3://b/p: {small_disk.words}: {here}/disk/")
    if small_disk.hint:
        assert not any(asked.path.startswith("/b/p/") for asked in server.asked)


def test_objects_that_replace_others(server: FakeS3, here: Path, small_disk: SmallDisk) -> None:
    """Replaced one by one the objects fit on the disk, although all at once they would not."""
    program = (
        REPORT
        + """
        import asyncio
        from sealift import AsyncStorage, Limits
        (HERE / "disk" / "p").mkdir()
        for number in range(9):
            (HERE / "disk" / "p" / str(number)).write_bytes(bytes(600 << 10))
        storage = AsyncStorage(Limits(connections=1))
        report(lambda: asyncio.run(storage.download("s3://b/p", HERE / "disk" / "p", config=config)))
        say(len({path.read_bytes() for path in (HERE / "disk" / "p").iterdir()}))
    """
    )
    command = [] if small_disk is LIMITED else small_disk.command
    told = run(program, here, server, command, disk=f"size={9 * 600 + 650}k")
    assert told == [["1"]]


def test_a_disk_without_a_size(server: FakeS3, here: Path, namespaces: bool) -> None:
    """Some file systems report no size, such as a tmpfs without a limit; downloads are attempted there."""
    prelude = "" if namespaces else "os.statvfs = lambda place: os.statvfs_result((4096, 4096) + (0,) * 8)"
    program = f"""
        {prelude}
        assert os.statvfs(HERE / "disk").f_blocks == 0
        Storage.download("s3://b/large", HERE / "disk" / "large", config=config)
        Storage.download("s3://b/p", HERE / "disk", config=config)
        say(str(len(everything())))
    """
    told = run(program, here, server, _MOUNTED if namespaces else [], disk="size=0")
    assert told == [["12"]]  # the directory and its files


def test_the_temporary_directory(server: FakeS3, here: Path, small_disk: SmallDisk) -> None:
    program = (
        REPORT
        + f"""
        {small_disk.prelude}
        import tempfile
        tempfile.tempdir = str(HERE / "disk")
        for uri in ("s3://b/large", "s3://b/p"):
            report(lambda: Storage.download(uri, config=config, cache=False))
            assert everything() == ["disk"], everything()
    """
    )
    assert [kind for kind, _ in run(program, here, server, small_disk.command)] == ["LocalIOError"] * 2


def test_a_copy_of_a_file(here: Path, server: FakeS3, small_disk: SmallDisk) -> None:
    (here / "source").write_bytes(OBJECTS["large"])
    program = (
        REPORT
        + f"""
        {small_disk.prelude}
        report(lambda: Storage.download(str(HERE / "source"), HERE / "disk" / "copy"))
        assert everything() == ["disk", "source"], everything()
    """
    )
    ((kind, text),) = run(program, here, server, small_disk.command)
    assert kind == "LocalIOError"
    assert f"{small_disk.words}: {here}/source → {here}/disk/copy" in text


def test_a_read_only_disk(server: FakeS3, here: Path, namespaces: bool) -> None:
    """Without a private file system, the test uses a system directory that even root cannot write to."""
    target = here / "disk" if namespaces else Path("/proc/self")
    program = (
        REPORT
        + f"""
        target = Path({str(target)!r})
        for dest in (target, target / "new"):
            report(lambda: Storage.download("s3://b/small", dest, config=config))
            report(lambda: Storage.download("s3://b/p", dest, config=config))
    """
    )
    told = run(program, here, server, _MOUNTED if namespaces else [], "ro")
    assert [kind for kind, _ in told] == ["LocalIOError"] * 4
    if namespaces:
        for _, text in told:
            assert f"{os.strerror(errno.EROFS)}: {target}" in text
            assert "(choose a writable directory)" in text
    assert files_in(here) == {}


def test_a_directory_of_somebody_else(server: FakeS3, here: Path) -> None:
    """The program runs as an ordinary user; as root, it drops its privileges after the imports."""
    secret = here / "secret"
    secret.write_bytes(b"mine")
    secret.chmod(0)
    program = (
        REPORT
        + """
        Storage.download("s3://b/small", HERE / "first", config=config)
        Storage.download("s3://b/p", HERE / "second", config=config)
        StorageOperations.get_object_metadata(str(HERE / "first"))
        StorageOperations.list_objects(str(HERE / "second"))
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        for key in ("small", "p"):
            report(lambda: Storage.download(f"s3://b/{key}", "/not-for-sealift/dest", config=config))
        report(lambda: Storage.download(str(HERE / "secret"), "/tmp/not-for-sealift"))
        report(lambda: StorageOperations.get_object_metadata(str(HERE / "secret") + "/below"))
    """
    )
    one, many, local, below = run(program, here, server, [])
    user = 65534 if os.geteuid() == 0 else os.geteuid()
    for (kind, text), key in ((one, "small"), (many, "p")):
        assert kind == "LocalIOError"
        assert text == (
            f"download s3://b/{key}: {os.strerror(errno.EACCES)}: /not-for-sealift "
            f"(this process runs as user {user}; check the directory's mode and owner)"
        )
    assert local[0] == "AccessDenied"
    assert f"download file://{secret}: no permission to read {secret} (check its mode and owner)" == local[1]
    assert below[0] in {"AccessDenied", "ModelMissingError"}
    assert not Path("/tmp/not-for-sealift").exists()


@pytest.mark.parametrize("pack", [tar, zipped])
def test_an_archive(here: Path, small_disk: SmallDisk, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    program = (
        REPORT
        + f"""
        {small_disk.prelude}
        (HERE / "disk" / "old").mkdir()
        for dest in ("old", "new"):
            report(lambda: Storage.download("s3://b/m", HERE / "disk" / dest, config=config, unpack=True))
        assert everything() == ["disk", "disk/old"], everything()
    """
    )
    with FakeS3({"b": {"m": pack({"small": b"small", "large": pattern(9 * MiB)})}}) as server:
        told = run(program, here, server, small_disk.command)
    assert len(told) == 2
    for kind, text in told:
        assert kind == "LocalIOError"
        assert text.startswith(f"download s3://b/m: {small_disk.words}")
