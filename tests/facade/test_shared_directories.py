"""Directories that several users write to: what one of them has left never stops the others."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift.backends.local import work_directory
from tests.api.servers import FakeS3
from tests.cli.program import environ_for
from tests.facade.scripts import run
from tests.services.s3 import MakeBucket, S3Service, put_objects

OTHER = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

AS_OTHER = f"""
    def as_other(work):
        pid = os.fork()
        if not pid:
            try:
                os.setgroups([])
                os.setgid({OTHER})
                os.setuid({OTHER})
                work()
            except BaseException as error:
                say(repr(error))
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory in which all users may create files."""
    directory = Path(tempfile.mkdtemp(prefix="sealift-shared-"))
    directory.chmod(0o1777)
    yield directory
    shutil.rmtree(directory)


def leave(directory: Path) -> Path:
    """Leave a work directory as a process of this user does that is killed."""
    directory.mkdir()
    left = directory / ("0" * 16 + ".journal")
    left.write_bytes(b"claim")
    left.chmod(0o600)
    return left


def test_the_directory_of_each_user(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert work_directory(str(shared)) == f"{shared}/.sealift"
    assert work_directory(str(shared / "new")) == f"{shared}/new/.sealift"
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert work_directory(str(shared)) == f"{shared}/.sealift-{me + 1}"
    assert work_directory(str(shared / "new")) == f"{shared}/new/.sealift"


@needs_root
@pytest.mark.parametrize("owner", [0, OTHER])
def test_downloads(server: FakeS3, shared: Path, owner: int) -> None:
    """Of the directory's owner, and of another user; root has left a work directory in it."""
    (shared / "there").mkdir()
    (shared / "there").chmod(0o777)
    os.chown(shared / "there", owner, owner)
    left = [leave(shared / ".sealift"), leave(shared / "there/.sealift")]
    program = """
    def work(there, new, copy):
        Storage.download("s3://b/small", there / "small", config=config)
        Storage.download("s3://b/large", there / "large", config=config)
        Storage.download("s3://b/p", new, config=config)
        Storage.download("s3://b/p", there, config=config)
        Storage.copy(str(there), str(copy))
        say(sorted(StorageOperations.list_objects(str(there))))
    work(HERE / "q", HERE / "r", HERE / "s")  # also imports what the other user cannot read
    say(as_other(lambda: work(HERE / "there", HERE / "new", HERE / "copy")))
    """
    server.release()
    status, lines, stderr = run(AS_OTHER + program, shared, server)
    assert (status, lines[-1], stderr) == (0, "0", ""), lines
    assert lines[:-1] == [str(["0", "1", "large", "small"])] * 2
    assert all(path.read_bytes() == b"claim" for path in left)
    names = [entry for directory in (shared, shared / "there") for entry in os.listdir(directory)]
    assert sorted(names).count(".sealift") == 2
    assert f".sealift-{OTHER}" not in names


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o700, 0o777])
def test_the_state_directory_of_another_user(
    seaweedfs: S3Service, make_bucket: MakeBucket, shared: Path, mode: int
) -> None:
    """`XDG_STATE_HOME` of a user who has become another one: nothing is recorded, and all is transferred."""
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"p/0": b"0"})
    (shared / "state").mkdir()
    (shared / "state/sealift").mkdir()
    for each in (shared / "state/sealift", shared / "state"):
        each.chmod(mode)
    (shared / "data").mkdir()
    (shared / "data/large").write_bytes(bytes(20 << 20))
    program = f"""
    import logging
    logging.disable()
    def work():
        say(Storage.upload(HERE / "data", "s3://{bucket}/up"))
        say(Storage.sync("s3://{bucket}/p", str(HERE / "synced")).copied)
        say(Storage.sync("s3://{bucket}/p", str(HERE / "synced")).copied)
    say(as_other(work))
    """
    warm = f"""
    Storage.upload(HERE / "data", "s3://{bucket}/up")
    Storage.sync("s3://{bucket}/p", str(HERE / "mine"))
    """
    environ = environ_for(seaweedfs) | {"XDG_STATE_HOME": str(shared / "state")}
    status, lines, _ = run(AS_OTHER + warm + program, shared, environ=environ)
    assert (status, lines[0], lines[-1]) == (0, "True", "0"), lines
