"""Records of unfinished uploads."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sealift import config
from sealift.persist.unfinished_uploads import UnfinishedUpload, UploadRecord, lock_record
from tests.unit.vanishing_files import vanish_after_scan

UPLOAD = UnfinishedUpload("/models/a.bin", "s3://b/a.bin", "https://s3.example.com/b", "v1", 10, 5, "token")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sealift" / "uploads"


def locked(directory: Path, upload: UnfinishedUpload = UPLOAD) -> UploadRecord:
    found = lock_record(str(directory), upload.source, upload.destination, upload.address)
    assert found is not None
    return found


def is_locked(directory: Path) -> bool:
    return lock_record(str(directory), UPLOAD.source, UPLOAD.destination, UPLOAD.address) is None


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


@pytest.mark.parametrize("other", [{"source": "/b"}, {"destination": "s3://b/c"}, {"address": "http://127.0.0.1/b"}])
def test_other_uploads_are_others(directory: Path, other: dict[str, str]) -> None:
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
        "found = lock_record(directory, *names); found.write(UnfinishedUpload(*names, 'v1', 10, 5, 'token'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    names = (UPLOAD.source, UPLOAD.destination, UPLOAD.address)
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


def test_old_ones_are_dropped_unless_somebody_is_at_them(directory: Path) -> None:
    old, kept, busy = (replace(UPLOAD, destination=f"s3://b/{name}") for name in ("old", "kept", "busy"))
    working = locked(directory, busy)
    working.write(busy)
    for upload in (old, kept):
        each = locked(directory, upload)
        each.write(upload)
        each.release()
    torn = directory / "x.json.0000"
    torn.write_bytes(b"{")
    for path in directory.iterdir():
        if "s3://b/kept" not in path.read_text():
            os.utime(path, (0, 0))
    locked(directory).release()
    assert not torn.exists()
    assert len(os.listdir(directory)) == 2
    working.release()
    second = locked(directory, busy)
    assert second.upload == busy
    assert locked(directory, kept).upload == kept
    second.release()


def test_names_that_are_no_text(directory: Path) -> None:
    odd = replace(UPLOAD, source="/models/\udcff", destination="s3://b/\udcff")
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
    record = locked(directory)
    assert is_locked(directory)
    record.release()
