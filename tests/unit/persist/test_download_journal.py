"""The journal of an interrupted download."""

import errno
import io
import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.persist.download_journal import Claim, Journal, fingerprint
from sealift.persist.journal_claims import Claims
from tests.unit.vanishing_files import vanish_after_scan

FIRST, SECOND = Claim(0, 8, "0000abcd"), Claim(8, 4, "12345678")
NAME = fingerprint("a download")


def journal(directory: Path | str, *, opened: bool = True) -> Journal:
    made = Journal(str(directory), NAME, many=True)
    made.expect("model.bin", fingerprint("model.bin", '"1"'))
    if opened:
        assert made.open()
    return made


def killed(directory: Path, *claims: Claim) -> Path:
    """Leave the journal of a process that recorded these claims and was killed."""
    one = journal(directory)
    for claim in claims:
        one.add("model.bin", claim)
    one.flush()
    os.close(one._descriptor)
    return directory / f"{NAME}.journal"


def test_claims_are_read_again(tmp_path: Path) -> None:
    killed(tmp_path, SECOND, FIRST)
    again = journal(tmp_path)
    assert (again.claim("model.bin", 0), again.claim("model.bin", 8)) == (FIRST, SECOND)
    assert again.file_claims(fingerprint("model.bin", '"1"'), 12) == [FIRST, SECOND]
    again.close(keep=False)


@pytest.mark.parametrize(("claims", "size"), [([], 12), ([FIRST], 12), ([SECOND], 12), ([FIRST, SECOND], 13)])
def test_a_file_with_a_gap_is_not_whole(tmp_path: Path, claims: list[Claim], size: int) -> None:
    killed(tmp_path, *claims)
    again = journal(tmp_path)
    assert again.file_claims(fingerprint("model.bin", '"1"'), size) == []
    again.close(keep=False)


def test_another_version_has_no_claims(tmp_path: Path) -> None:
    killed(tmp_path, FIRST)
    again = journal(tmp_path)
    again.expect("model.bin", fingerprint("model.bin", '"2"'))
    assert again.claim("model.bin", 0) is None
    again.close(keep=False)


def test_what_is_taken_back_is_not_claimed(tmp_path: Path) -> None:
    killed(tmp_path, FIRST)
    again = journal(tmp_path)
    again.retract("model.bin")
    os.close(again._descriptor)
    third = journal(tmp_path)
    assert third.claim("model.bin", 0) is None
    third.close(keep=True)
    assert os.listdir(tmp_path) == []  # nothing to keep


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_damaged_journal_claims_nothing_new(tmp_path_factory: pytest.TempPathFactory, junk: bytes, cut: int) -> None:
    directory = tmp_path_factory.mktemp("state")
    path = killed(directory, FIRST, SECOND)
    path.write_bytes(path.read_bytes()[:cut] + junk)
    again = journal(directory)
    assert {again.claim("model.bin", start) for start in (0, 8)} <= {None, FIRST, SECOND}
    again.add("model.bin", FIRST)  # starts a new line, whatever precedes it
    again.flush()
    os.close(again._descriptor)
    third = journal(directory)
    assert third.claim("model.bin", 0) == FIRST
    third.close(keep=False)


def test_lines_of_small_files_are_written_together(tmp_path: Path) -> None:
    one = journal(tmp_path)
    for start in range(31):
        one.add("model.bin", Claim(start * 8192, 8192, "0000abcd"))
    assert (tmp_path / f"{NAME}.journal").read_bytes() == b""
    one.add("model.bin", Claim(31 * 8192, 8192, "0000abcd"))
    assert (tmp_path / f"{NAME}.journal").read_bytes().count(b"\n") == 32
    one.add("model.bin", Claim(1 << 20, 1 << 20, "0000abcd"))
    assert (tmp_path / f"{NAME}.journal").read_bytes().count(b"\n") == 33
    one.add("model.bin", FIRST)
    one.close(keep=True)
    assert (tmp_path / f"{NAME}.journal").read_bytes().count(b"\n") == 34


def test_a_second_one_is_not_ours(tmp_path: Path) -> None:
    first = journal(tmp_path)
    second = journal(tmp_path, opened=False)
    assert not second.open()
    assert second.partial_path("model.bin") is None
    second.add("model.bin", FIRST)
    second.close(keep=False)
    assert first.claim("model.bin", 0) is None
    assert os.listdir(tmp_path) == [f"{NAME}.journal"]
    first.close(keep=False)
    assert os.listdir(tmp_path) == []


def test_a_partial_of_an_older_version_goes(tmp_path: Path) -> None:
    first = journal(tmp_path)
    old = first.partial_path("model.bin")
    assert old is not None
    Path(old).write_bytes(b"old")
    first.add("model.bin", FIRST)
    first.close(keep=True)
    again = journal(tmp_path)
    assert again.partial_path("model.bin") == old
    assert Path(old).exists()
    again.close(keep=True)
    third = journal(tmp_path, opened=False)
    third.expect("model.bin", fingerprint("model.bin", '"2"'))
    assert third.partial_path("model.bin") != old
    assert not Path(old).exists()
    third.close(keep=False)
    assert os.listdir(tmp_path) == []


def test_leftovers_of_a_week_ago_go(tmp_path: Path) -> None:
    others = f"{fingerprint('another')}"
    old = {f"{others}.journal", f"{others}-{others}-{NAME}.part", f"{others}-3.part"}
    for name in {*old, "notes.txt", f"{NAME}-{others}-{NAME}.part"}:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / f"{others}.tree").mkdir()
    for name in {*old, f"{others}.tree", "notes.txt"}:
        os.utime(tmp_path / name, (0, 0))
    one = journal(tmp_path)
    assert set(os.listdir(tmp_path)) == {"notes.txt", f"{NAME}-{others}-{NAME}.part", f"{NAME}.journal"}
    one.close(keep=False)


def test_leftovers_that_somebody_has_just_resumed_do_not_go(tmp_path: Path) -> None:
    """Another download to the same directory must not remove them, although they are as old as others."""
    killed(tmp_path, FIRST)
    Path(f"{tmp_path}/{NAME}.tree").mkdir()
    (tmp_path / f"{NAME}-{NAME}-{NAME}.part").write_bytes(b"")
    for name in os.listdir(tmp_path):
        os.utime(tmp_path / name, (0, 0))
    there = set(os.listdir(tmp_path))
    resumed = journal(tmp_path)
    assert set(os.listdir(tmp_path)) == there
    other = Journal(str(tmp_path), fingerprint("another"), many=True)
    other.open()
    other.close(keep=False)
    assert set(os.listdir(tmp_path)) == there
    assert resumed.claim("model.bin", 0) == FIRST
    resumed.close(keep=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["hard link", "pipe"])
def test_one_that_was_planted(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "state").mkdir()
    planted = tmp_path / "state" / f"{NAME}.journal"
    if kind == "pipe":
        os.mkfifo(planted)
    else:
        os.link(victim, planted)
    with pytest.raises(FileExistsError, match=str(planted)):
        journal(tmp_path / "state")
    assert victim.read_bytes() == b"precious"


def test_a_child_that_was_forked_meanwhile_does_not_keep_it(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.add("model.bin", FIRST)
    inherited = os.dup(one._descriptor)  # like a fork: one open file, one lock
    one.close(keep=True)
    try:
        again = journal(tmp_path)
    finally:
        os.close(inherited)
    assert again.claim("model.bin", 0) == FIRST
    again.close(keep=False)


def test_a_file_system_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lockless(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", lockless)
    killed(tmp_path, FIRST)
    again = journal(tmp_path)
    assert again.claim("model.bin", 0) == FIRST
    again.close(keep=False)
    assert os.listdir(tmp_path) == []


def test_what_goes_while_old_leftovers_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vanish_after_scan(monkeypatch, tmp_path / f"{'0' * 16}.journal")
    journal(tmp_path).close(keep=False)
    assert os.listdir(tmp_path) == []


def test_claims_take_28_bytes_each() -> None:
    lines = [f"{fingerprint(number)} 0 2800 {number:08x}\n" for number in range(20_000)]
    tracemalloc.start()
    claims = Claims(io.BytesIO("".join(lines).encode()))
    lines.clear()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(claims.cover(fingerprint(number), 0x2800) == [Claim(0, 0x2800, f"{number:08x}")] for number in range(99))
    assert taken < 40 * 20_000


def test_a_finished_file_is_forgotten(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.add("model.bin", FIRST)
    one.finish("model.bin")
    one.add("model.bin", SECOND)
    one.retract("model.bin")
    one.close(keep=True)
    again = journal(tmp_path)
    assert (again.claim("model.bin", 0), again.claim("model.bin", 8)) == (FIRST, None)
    again.close(keep=False)


def test_claims_after_a_retraction_count(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.add("model.bin", FIRST)
    one.retract("model.bin")
    one.add("model.bin", SECOND)
    one.close(keep=True)
    again = journal(tmp_path)
    assert (again.claim("model.bin", 0), again.claim("model.bin", 8)) == (None, SECOND)
    again.close(keep=False)


def test_one_that_waits_sees_that_nothing_is_left_to_do(tmp_path: Path) -> None:
    request = fingerprint("its options")
    first = Journal(str(tmp_path), NAME, many=True, request=request)
    assert first.open()
    same = Journal(str(tmp_path), NAME, many=True, request=request)
    other = Journal(str(tmp_path), NAME, many=True, request=fingerprint("other options"))
    assert not same.open()
    assert not other.open()
    assert same.completed is None
    first.size = 12
    first.close(keep=False, complete=True)
    assert not same.open()
    assert same.completed == 12
    assert other.open()
    assert other.completed is None
    same.close(keep=False)
    other.close(keep=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("keep", [False, True])
def test_one_that_waits_takes_over_what_was_not_completed(tmp_path: Path, keep: bool) -> None:
    first = journal(tmp_path)
    second = Journal(str(tmp_path), NAME, many=True, request=fingerprint("its options"))
    second.expect("model.bin", fingerprint("model.bin", '"1"'))
    assert not second.open()
    first.add("model.bin", FIRST)
    first.close(keep=keep)
    assert second.open()
    assert second.completed is None
    assert second.claim("model.bin", 0) == (FIRST if keep else None)
    second.close(keep=False)
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_resumed_goes_when_its_owner_is_gone(tmp_path: Path) -> None:
    """Temporary files of downloads that were killed, but not those that another caller may be writing."""
    dead, live = fingerprint("dead"), fingerprint("live")
    for name in (dead, live, NAME):
        (tmp_path / f"{name}-{name}-7.part").write_bytes(b"")
        (tmp_path / f"{name}.tree-{name}").mkdir()
    (tmp_path / f"{dead}-{dead}-{NAME}.part").write_bytes(b"")  # to be resumed
    running = Journal(str(tmp_path), live, many=True)
    assert running.open()
    young = f"{NAME}-{dead}-8.part"
    (tmp_path / young).write_bytes(b"")
    for name in os.listdir(tmp_path):
        age = 30 if name == young else 90
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    one = journal(tmp_path)
    kept = {f"{live}.journal", f"{live}-{live}-7.part", f"{live}.tree-{live}", f"{dead}-{dead}-{NAME}.part", young}
    assert set(os.listdir(tmp_path)) == {*kept, f"{NAME}.journal"}
    one.close(keep=False)
    assert set(os.listdir(tmp_path)) == kept - {young}
    running.close(keep=False)
