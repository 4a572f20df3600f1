"""The index of `sync`: what it records and removes, and which rows it ignores."""

import os
import sqlite3
from pathlib import Path

import pytest

from sealift.integrity.content import Facts
from sealift.persist import sync_index
from sealift.persist.sync_index import Copied, Index

HERE, THERE = "s3://bucket/name-of-a-model", "file:///mnt/name-of-a-model"
ORIGIN = Facts(5, frozenset({'"tag"'}), {"sha256": "aa"}, frozenset({"md5:bb"}))
RESULT = Facts(5, frozenset({"1-2-3"}))
COPIED = Copied(HERE, ORIGIN, THERE, RESULT)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(str(tmp_path / "state" / "sync"))


def file_of(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "state" / "sync").iterdir()
    return found


def test_both_ends_share_what_is_known_of_their_bytes(index: Index) -> None:
    assert index.find([HERE, THERE]) == {}
    index.record([COPIED])
    found = index.find([HERE, THERE, "elsewhere"])
    assert found.keys() == {HERE, THERE}
    assert found[HERE].content == found[THERE].content
    assert [found[place].facts.versions for place in (HERE, THERE)] == [ORIGIN.versions, RESULT.versions]
    for row in found.values():
        assert (row.facts.checksums, row.facts.tags) == (ORIGIN.checksums, ORIGIN.tags)


def test_a_source_that_goes_to_many_places_has_one_content(index: Index) -> None:
    index.record([COPIED])
    index.record([Copied(HERE, ORIGIN, "another", RESULT)])
    found = index.find([HERE, THERE, "another"])
    assert len({row.content for row in found.values()}) == 1
    changed = Facts(5, frozenset({'"new tag"'}))
    index.record([Copied(HERE, changed, "another", RESULT)])
    found = index.find([HERE, THERE, "another"])
    assert found[HERE].content == found["another"].content != found[THERE].content
    assert found["another"].facts.checksums == {}


def test_what_has_no_version_is_not_remembered(index: Index) -> None:
    index.record([Copied(HERE, Facts(5), THERE, RESULT)])
    assert index.find([HERE, THERE]).keys() == {THERE}


def test_more_places_than_one_query_takes(index: Index) -> None:
    places = [f"place {number}" for number in range(1201)]
    index.record([Copied(HERE, ORIGIN, place, RESULT) for place in places])
    assert index.find(places).keys() == set(places)


def test_the_file_shows_no_names(index: Index, tmp_path: Path) -> None:
    index.record([COPIED])
    assert b"model" not in file_of(tmp_path).read_bytes()


def test_a_row_that_is_not_as_it_was_written_does_not_count(index: Index, tmp_path: Path) -> None:
    index.record([COPIED])
    with sqlite3.connect(file_of(tmp_path)) as database:
        database.execute("UPDATE objects SET facts = CAST(replace(facts, '1-2-3', '4-5-6') AS BLOB)")
    database.close()
    assert index.find([HERE, THERE]).keys() == {HERE}


@pytest.mark.parametrize("damage", [b"no database", b"SQLite format 3\0" + bytes(200)])
def test_what_is_no_database_is_made_anew(index: Index, tmp_path: Path, damage: bytes) -> None:
    index.record([COPIED])
    file_of(tmp_path).write_bytes(damage)
    with pytest.raises(OSError, match="sync-1"):
        index.find([HERE])
    index.record([COPIED])
    assert index.find([HERE]).keys() == {HERE}


def test_damage_in_the_middle(index: Index, tmp_path: Path) -> None:
    places = [f"place {number}" for number in range(2000)]
    index.record([Copied(HERE, ORIGIN, place, RESULT) for place in places])
    path = file_of(tmp_path)
    data = bytearray(path.read_bytes())
    data[8192:-8192] = os.urandom(len(data) - 16384)
    path.write_bytes(data)
    try:
        found = index.find(places)
    except OSError:
        found = {}
    assert {row.facts.versions for row in found.values()} <= {RESULT.versions}
    index.record([Copied(HERE, ORIGIN, place, RESULT) for place in places])
    assert index.find(places).keys() == set(places)


def test_a_lock_of_another_process_is_not_waited_for_without_end(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.record([COPIED])
    monkeypatch.setattr(sync_index, "_BUSY_TIMEOUT", 0.0)
    with sqlite3.connect(file_of(tmp_path), isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        for call in (lambda: index.find([HERE]), lambda: index.record([COPIED])):
            with pytest.raises(OSError, match="locked"):
                call()
        other.execute("ROLLBACK")
    other.close()
    assert index.find([HERE]).keys() == {HERE}


def test_others_must_not_be_able_to_write(index: Index, tmp_path: Path) -> None:
    index.record([COPIED])
    (tmp_path / "state" / "sync").chmod(0o777)
    for call in (lambda: index.find([HERE]), lambda: index.record([COPIED])):
        with pytest.raises(PermissionError, match="other users can write"):
            call()


def test_rows_go_when_they_are_old_or_too_many(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def record(*names: str) -> None:
        directory = str(tmp_path / "state" / "sync")
        Index(directory).record([Copied(name, ORIGIN, f"{name}'s copy", RESULT) for name in names])

    record("old", "used")
    with sqlite3.connect(file_of(tmp_path)) as database:
        database.execute("UPDATE objects SET used = 1")
    database.close()
    used = index.find(["used"])
    index.record([], used.items())
    assert index.find(["old", "old's copy", "used", "used's copy"]).keys() == {"used"}
    monkeypatch.setattr(sync_index, "_MAX_ROWS", 2)
    record("new")
    assert len(index.find(["used", "new", "new's copy"])) == 2
