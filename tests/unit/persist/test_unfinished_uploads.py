"""Records of unfinished uploads."""

import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealift import config
from sealift.persist.unfinished_uploads import (
    RecordedPart,
    UnfinishedUpload,
    UploadRecord,
    lock_all,
    lock_expired,
    lock_record,
)
from sealift.types import Part, Receipt
from tests.unit.vanishing_files import vanish_after_scan

UPLOAD = UnfinishedUpload("/models/a.bin", "https://s3.example.com/b", "a.bin", "v1", 10, 5, token="token")
PARTS = [
    RecordedPart(Receipt(Part(0, 0, 5), '"e0"', {"crc64nvme": "00"}, compared=True), "crc32c", "01"),
    RecordedPart(Receipt(Part(1, 5, 5), '"e1"')),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sealift" / "uploads"


def locked(directory: Path, upload: UnfinishedUpload = UPLOAD) -> UploadRecord:
    found = lock_record(str(directory), upload.source, upload.address, upload.key)
    assert found is not None
    return found


def is_locked(directory: Path) -> bool:
    return lock_record(str(directory), UPLOAD.source, UPLOAD.address, UPLOAD.key) is None


def test_what_was_written_is_found_by_the_next(directory: Path) -> None:
    first = locked(directory)
    assert first.upload is None
    first.write(UPLOAD)
    first.release()
    second = locked(directory)
    assert second.upload == UPLOAD
    second.write(replace(UPLOAD, token="another"))
    second.release()
    assert locked(directory).upload == replace(UPLOAD, token="another")
    assert len(os.listdir(directory)) == 1


def test_one_at_a_time(directory: Path) -> None:
    first = locked(directory)
    assert is_locked(directory)
    first.write(UPLOAD)
    assert is_locked(directory)
    first.write(replace(UPLOAD, token="another"))
    assert is_locked(directory)
    first.release()
    locked(directory).release()


@pytest.mark.parametrize("other", [{"source": "/b"}, {"key": "c"}, {"address": "http://127.0.0.1/b"}])
def test_other_uploads_are_others(directory: Path, other: dict[str, Any]) -> None:
    first = locked(directory)
    second = locked(directory, replace(UPLOAD, **other))
    assert len(os.listdir(directory)) == 2
    second.release()
    first.release()


def test_removed(directory: Path) -> None:
    first = locked(directory)
    first.write(UPLOAD)
    first.remove()
    assert os.listdir(directory) == []
    second = locked(directory)
    first.remove()  # a second time: the record now belongs to `second`
    first.release()
    assert is_locked(directory)
    second.release()


def test_a_claim_without_a_record_leaves_nothing(directory: Path) -> None:
    locked(directory).release()
    assert os.listdir(directory) == []


def test_after_a_kill_the_next_one_has_it(directory: Path) -> None:
    program = (
        "import os, signal, sys; from sealift.persist.unfinished_uploads import UnfinishedUpload, lock_record\n"
        "directory, *names = sys.argv[1:]\n"
        "found = lock_record(directory, *names); found.write(UnfinishedUpload(*names, 'v1', 10, 5, token='token'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    names = (UPLOAD.source, UPLOAD.address, UPLOAD.key)
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", program, str(directory), *names], env=environ, check=False)
    assert ended.returncode == -9
    assert locked(directory).upload == UPLOAD


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b'{"token": "x"}', b"\xff", b'{"source": 1}', b"x" * 100_000, b"[" * 60_000],
    ids=range(9),
)
def test_what_cannot_be_read_is_none(directory: Path, text: bytes) -> None:
    first = locked(directory)
    first.write(UPLOAD)
    first.release()
    (name,) = os.listdir(directory)
    (directory / name).write_bytes(text)
    second = locked(directory)
    assert second.upload is None
    second.write(UPLOAD)
    second.release()
    assert locked(directory).upload == UPLOAD


def test_a_record_of_the_wrong_kinds_is_none(directory: Path) -> None:
    first = locked(directory)
    first.write(replace(UPLOAD, size="10"))  # type: ignore[arg-type]
    first.release()
    assert locked(directory).upload is None


def test_nobody_else_can_look_at_them(directory: Path) -> None:
    locked(directory).write(UPLOAD)
    assert stat.S_IMODE(directory.stat().st_mode) == stat.S_IMODE(directory.parent.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()] == [0o600]


def test_where_others_can_write_nothing_is_kept(directory: Path) -> None:
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    with pytest.raises(PermissionError, match="other users can write to"):
        is_locked(directory)


def test_a_link_is_not_followed(directory: Path, tmp_path: Path) -> None:
    first = locked(directory)
    first.write(UPLOAD)
    (path,) = directory.iterdir()
    first.remove()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"symbolic link|Too many levels"):
        is_locked(directory)
    assert not (tmp_path / "elsewhere").exists()


def test_parts_are_found_by_the_next(directory: Path) -> None:
    first = locked(directory)
    first.write(UPLOAD)
    first.add(PARTS[0])
    first.release()
    second = locked(directory)
    assert second.parts == {0: PARTS[0]}
    second.add(PARTS[1])
    second.release()
    third = locked(directory)
    assert (third.upload, third.parts) == (UPLOAD, dict(enumerate(PARTS)))
    third.write(replace(UPLOAD, token="another"))  # another upload has none of them
    third.add(PARTS[1])
    third.release()
    assert locked(directory).parts == {1: PARTS[1]}


@pytest.mark.parametrize(
    "torn", [b'\n[0, 0, 5, "e', b"\n", b"\n[]", b"\n{}", b"\n[1, 2, 3]", b"\n\xff", b'\n["x",1,1,"",{},0,0,0]']
)
def test_a_torn_line_is_ignored(directory: Path, torn: bytes) -> None:
    first = locked(directory)
    first.write(UPLOAD)
    first.release()
    (path,) = directory.iterdir()
    path.write_bytes(path.read_bytes() + torn)
    second = locked(directory)
    assert (second.upload, second.parts) == (UPLOAD, {})
    second.add(PARTS[1])
    second.release()
    assert locked(directory).parts == {1: PARTS[1]}


def left(directory: Path, age: float, **fields: Any) -> UnfinishedUpload:
    """Leave the record of an upload that was last used `age` days ago."""
    upload = replace(UPLOAD, **fields)
    record = locked(directory, upload)
    record.write(upload)
    record.release()
    (path,) = (
        path for path in directory.iterdir() if path.stat().st_mtime > time.time() - 3600 and path.suffix == ".json"
    )
    os.utime(path, (0, time.time() - age * 24 * 3600))
    return upload


def test_old_ones_expire_unless_somebody_is_at_them(directory: Path) -> None:
    old, _, busy = left(directory, 8, key="old"), left(directory, 6, key="kept"), left(directory, 8, key="busy")
    working = locked(directory, busy)
    (expired,) = lock_expired(str(directory), UPLOAD.address)
    assert expired.upload == old
    expired.remove()
    working.release()
    assert len(os.listdir(directory)) == 2


def test_old_ones_of_another_service_stay_for_a_call_that_can_abort_them(directory: Path) -> None:
    other = left(directory, 8, address="https://s3.example.com/other")
    left(directory, 91, address="https://s3.example.com/gone")
    assert lock_expired(str(directory), UPLOAD.address) == []
    (expired,) = lock_expired(str(directory), other.address)
    assert expired.upload == other
    assert len(os.listdir(directory)) == 1


def test_a_resumed_upload_is_not_old(directory: Path) -> None:
    record = locked(directory, left(directory, 8))
    record.renew()
    record.release()
    assert lock_expired(str(directory), UPLOAD.address) == []


def test_what_a_killed_write_has_left_goes_after_a_week(directory: Path) -> None:
    left(directory, 6)
    torn = directory / "x.json.new"
    torn.write_bytes(b"{")
    os.utime(torn, (0, 0))
    assert lock_expired(str(directory), UPLOAD.address) == []
    assert not torn.exists()


def test_those_that_are_wanted(directory: Path) -> None:
    wanted, _ = left(directory, 1, key="a/b"), left(directory, 2, key="a/c")
    left(directory, 3, key="a/b", address="https://s3.example.com/other")
    working = locked(directory, left(directory, 4, key="a/b", source="/models/busy"))
    (found,) = lock_all(str(directory), UPLOAD.address, lambda key: key == "a/b")
    assert found.upload == wanted
    found.release()
    working.release()
    assert len(os.listdir(directory)) == 4


def test_names_that_are_no_text(directory: Path) -> None:
    odd = replace(UPLOAD, source="/models/\udcff", key="\udcff")
    first = locked(directory, odd)
    first.write(odd)
    first.release()
    assert locked(directory, odd).upload == odd


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state/sealift"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/me"}, "/home/me/.local/state/sealift"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.local/state/sealift"),
        ({"HOME": "relative"}, None),
        ({}, None),
    ],
)
def test_where_they_are(environ: dict[str, str], found: str | None) -> None:
    assert config.state_directory(environ) == found


def test_what_was_left_of_a_write_goes_with_the_record(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = locked(directory)
    first.write(UPLOAD)

    def killed(*paths: str) -> None:
        first.release()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(os, "unlink", lambda path: None)
        with pytest.raises(KeyboardInterrupt):
            first.write(replace(UPLOAD, token="another"))
    assert len(os.listdir(directory)) == 2
    second = locked(directory)
    assert second.upload == UPLOAD
    second.remove()
    assert os.listdir(directory) == []


def test_a_record_that_goes_while_old_ones_are_looked_for(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many uploads of one process start and end at the same time."""
    locked(directory).release()
    vanish_after_scan(monkeypatch, directory / "another.json")
    assert lock_expired(str(directory), UPLOAD.address) == []
