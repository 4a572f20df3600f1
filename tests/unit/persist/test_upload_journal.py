"""Records of uploads that have begun."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sealift import config
from sealift.persist.upload_journal import Begun, Record, claim
from tests.unit.vanishing_files import vanish_after_scan

BEGUN = Begun("/models/a.bin", "s3://b/a.bin", "https://s3.example.com/b", "v1", 10, 5, "token")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sealift" / "uploads"


def claimed(directory: Path, begun: Begun = BEGUN) -> Record:
    found = claim(str(directory), begun.source, begun.destination, begun.address)
    assert found is not None
    return found


def is_taken(directory: Path) -> bool:
    return claim(str(directory), BEGUN.source, BEGUN.destination, BEGUN.address) is None


def test_what_was_written_is_found_by_the_next(directory: Path) -> None:
    first = claimed(directory)
    assert first.begun is None
    first.write(BEGUN)
    first.release()
    second = claimed(directory)
    assert second.begun == BEGUN
    second.write(replace(BEGUN, token="another"))
    second.release()
    assert claimed(directory).begun == replace(BEGUN, token="another")
    assert len(os.listdir(directory)) == 1


def test_one_at_a_time(directory: Path) -> None:
    first = claimed(directory)
    assert is_taken(directory)
    first.write(BEGUN)
    assert is_taken(directory)
    first.write(replace(BEGUN, token="another"))
    assert is_taken(directory)
    first.release()
    claimed(directory).release()


@pytest.mark.parametrize("other", [{"source": "/b"}, {"destination": "s3://b/c"}, {"address": "http://127.0.0.1/b"}])
def test_other_uploads_are_others(directory: Path, other: dict[str, str]) -> None:
    first = claimed(directory)
    second = claimed(directory, replace(BEGUN, **other))
    assert len(os.listdir(directory)) == 2
    second.release()
    first.release()


def test_removed(directory: Path) -> None:
    first = claimed(directory)
    first.write(BEGUN)
    first.remove()
    assert os.listdir(directory) == []
    second = claimed(directory)
    first.remove()  # once more: it is another's now
    first.release()
    assert is_taken(directory)
    second.release()


def test_a_claim_without_a_record_leaves_nothing(directory: Path) -> None:
    claimed(directory).release()
    assert os.listdir(directory) == []


def test_after_a_kill_the_next_one_has_it(directory: Path) -> None:
    program = (
        "import os, signal, sys; from sealift.persist.upload_journal import Begun, claim\n"
        "directory, *names = sys.argv[1:]\n"
        "found = claim(directory, *names); found.write(Begun(*names, 'v1', 10, 5, 'token'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    names = (BEGUN.source, BEGUN.destination, BEGUN.address)
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", program, str(directory), *names], env=environ, check=False)
    assert ended.returncode == -9
    assert claimed(directory).begun == BEGUN


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b'{"token": "x"}', b"\xff", b'{"source": 1}', b"x" * 100_000, b"[" * 60_000],
    ids=range(9),
)
def test_what_cannot_be_read_is_none(directory: Path, text: bytes) -> None:
    first = claimed(directory)
    first.write(BEGUN)
    first.release()
    (name,) = os.listdir(directory)
    (directory / name).write_bytes(text)
    second = claimed(directory)
    assert second.begun is None
    second.write(BEGUN)
    second.release()
    assert claimed(directory).begun == BEGUN


def test_a_record_of_the_wrong_kinds_is_none(directory: Path) -> None:
    first = claimed(directory)
    first.write(replace(BEGUN, size="10"))  # type: ignore[arg-type]
    first.release()
    assert claimed(directory).begun is None


def test_nobody_else_can_look_at_them(directory: Path) -> None:
    claimed(directory).write(BEGUN)
    assert stat.S_IMODE(directory.stat().st_mode) == stat.S_IMODE(directory.parent.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()] == [0o600]


def test_where_others_can_write_nothing_is_kept(directory: Path) -> None:
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    with pytest.raises(PermissionError, match="others can write to"):
        is_taken(directory)


def test_a_link_is_not_followed(directory: Path, tmp_path: Path) -> None:
    first = claimed(directory)
    first.write(BEGUN)
    (path,) = directory.iterdir()
    first.remove()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"symbolic link|Too many levels"):
        is_taken(directory)
    assert not (tmp_path / "elsewhere").exists()


def test_old_ones_are_dropped_unless_somebody_is_at_them(directory: Path) -> None:
    old, kept, busy = (replace(BEGUN, destination=f"s3://b/{name}") for name in ("old", "kept", "busy"))
    working = claimed(directory, busy)
    working.write(busy)
    for begun in (old, kept):
        each = claimed(directory, begun)
        each.write(begun)
        each.release()
    torn = directory / "x.json.0000"
    torn.write_bytes(b"{")
    for path in directory.iterdir():
        if "s3://b/kept" not in path.read_text():
            os.utime(path, (0, 0))
    claimed(directory).release()
    assert not torn.exists()
    assert len(os.listdir(directory)) == 2
    working.release()
    second = claimed(directory, busy)
    assert second.begun == busy
    assert claimed(directory, kept).begun == kept
    second.release()


def test_names_that_are_no_text(directory: Path) -> None:
    odd = replace(BEGUN, source="/models/\udcff", destination="s3://b/\udcff")
    first = claimed(directory, odd)
    first.write(odd)
    first.release()
    assert claimed(directory, odd).begun == odd


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
    first = claimed(directory)
    first.write(BEGUN)

    def killed(*paths: str) -> None:
        first.release()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(os, "unlink", lambda path: None)
        with pytest.raises(KeyboardInterrupt):
            first.write(replace(BEGUN, token="another"))
    assert len(os.listdir(directory)) == 2
    second = claimed(directory)
    assert second.begun == BEGUN
    second.remove()
    assert os.listdir(directory) == []


def test_a_record_that_goes_while_old_ones_are_looked_for(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many uploads of one process end and begin at once."""
    claimed(directory).release()
    vanish_after_scan(monkeypatch, directory / "another.json")
    record = claimed(directory)
    assert is_taken(directory)
    record.release()
