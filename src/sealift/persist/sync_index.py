"""The record of what `sync` has transferred: which objects had the same bytes. Blocking.

One SQLite file in the state directory, one row for each object at either end. A row holds the facts that tell whether
the object has changed since, and a content id that all objects with the same bytes share. Names are stored as hashes,
so the file shows neither paths nor anything secret.

A row is only ever a reason not to copy, so what cannot be read is ignored: each row carries a hash of itself, and one
that does not match, as in a damaged file, does not count.
"""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..integrity.content import Facts
from . import private_directory

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Copied", "Index", "Row"]

# The number is that of the format.
_NAME = "sync-1.sqlite"
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS objects
        (place BLOB PRIMARY KEY, facts BLOB NOT NULL, seal BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_use ON objects (used);
"""
# Seconds to wait for another process.
_BUSY = 5.0
# Rows of objects that no sync has met for so many seconds go, and of more rows than these the oldest.
_KEPT = 180 * 24 * 3600
_MOST_ROWS = 2_000_000
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Row:
    """What is recorded of an object.

    Attributes:
        facts: As they were then.
        content: Equal for two objects with the same bytes.
        used: When a sync last met it, in seconds since the epoch.
    """

    facts: Facts
    content: str
    used: int = 0


@dataclass(frozen=True, slots=True)
class Copied:
    """An object that was copied, or found to be equal by its content.

    Attributes:
        source: The place it came from, as a URI with the address of its service.
        origin: What was known of it there.
        target: The place it went to.
        result: What is known of it there.
    """

    source: str
    origin: Facts
    target: str
    result: Facts


class Index:
    """The record in one state directory. Its methods raise OSError if it cannot be used.

    Args:
        directory: Made when something is recorded first.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, _NAME)
        self._pruned = False

    def find(self, places: Sequence[str]) -> dict[str, Row]:
        """Look up objects.

        Args:
            places: As in `Copied`.

        Returns:
            Place → row, of those that are recorded.
        """
        if not os.path.exists(self._path):
            return {}
        private_directory.check_private(self._directory)
        with self._connected("rw") as database:
            return dict(_found(database, places))

    def record(self, copied: Iterable[Copied], met: Iterable[tuple[str, Row]] = ()) -> None:
        """Store rows, and remove those that are too old or too many.

        Args:
            copied: Objects that have the same bytes at both ends now.
            met: Rows to store as they are, with the present time.
        """
        private_directory.make_private(self._directory)
        copied, met = list(copied), list(met)
        try:
            self._write(copied, met)
        except _DamagedError:  # nothing in it can be relied on
            for path in (f"{self._path}-journal", self._path):
                with suppress(FileNotFoundError):
                    os.unlink(path)
            self._write(copied, met)

    def _write(self, copied: Sequence[Copied], met: Sequence[tuple[str, Row]]) -> None:
        with self._connected("rwc") as database:
            database.executescript(_SCHEMA)
            database.execute("BEGIN IMMEDIATE")
            before = dict(_found(database, [each.source for each in copied]))
            rows = [*met]
            for each in copied:
                rows += _rows(each, before)
            now = int(time.time())
            database.executemany(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
                [(*_sealed(place, row), now) for place, row in rows],
            )
            if not self._pruned:
                _prune(database, now)
            database.execute("COMMIT")
            self._pruned = True

    @contextmanager
    def _connected(self, mode: str) -> "Iterator[sqlite3.Connection]":
        try:
            import sqlite3  # noqa: PLC0415 - 10 ms, and some builds of Python lack it
        except ImportError as error:
            raise OSError(f"this Python has no SQLite: {error}") from None
        uri = f"file:{quote(os.fsencode(self._path))}?mode={mode}"
        try:
            database = sqlite3.connect(uri, timeout=_BUSY, isolation_level=None, uri=True)
            try:
                yield database
            finally:
                database.close()
        except sqlite3.OperationalError as error:
            raise OSError(f"{self._path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise _DamagedError(f"{self._path} is damaged: {error}") from None


class _DamagedError(OSError):
    """The file is not a database, or no longer one."""


def _key(place: str) -> bytes:
    return hashlib.blake2b(place.encode(errors="surrogatepass"), digest_size=16).digest()


def _found(database: "sqlite3.Connection", places: Sequence[str]) -> Iterator[tuple[str, Row]]:
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'objects'").fetchone():
        return
    for start in range(0, len(places), _AT_ONCE):
        named = {_key(place): place for place in places[start : start + _AT_ONCE]}
        marks = ", ".join("?" * len(named))
        query = f"SELECT place, facts, seal, used FROM objects WHERE place IN ({marks})"  # noqa: S608 - only marks
        for key, text, seal, used in database.execute(query, list(named)):
            row = _opened(key, text, seal, used)
            if row is not None:
                yield named[key], row


def _rows(copied: Copied, before: dict[str, Row]) -> Iterator[tuple[str, Row]]:
    """The rows of both ends; a source that is unchanged since an earlier transfer keeps its content id."""
    old = before.get(copied.source)
    known = old if old is not None and old.facts.unchanged(copied.origin) else None
    content = secrets.token_hex(8) if known is None else known.content
    origin = copied.origin if known is None else copied.origin.with_content(known.facts)
    result = copied.result.with_content(origin)
    for place, facts in ((copied.source, origin.with_content(result)), (copied.target, result)):
        if facts.versions:  # else nothing would tell that it has changed
            yield place, Row(facts, content)


def _sealed(place: str, row: Row) -> tuple[bytes, bytes, bytes]:
    facts = row.facts
    told = [facts.size, sorted(facts.versions), dict(facts.checksums), sorted(facts.tags), row.content]
    key, text = _key(place), json.dumps(told).encode()
    return key, text, _seal(key, text)


def _seal(key: bytes, text: bytes) -> bytes:
    return hashlib.blake2b(key + text, digest_size=16).digest()


def _opened(key: bytes, text: object, seal: object, used: object) -> Row | None:
    """The row, or None if it is not as it was written."""
    if not isinstance(text, bytes) or not isinstance(used, int) or seal != _seal(key, text):
        return None
    size, marks, checksums, tags, content = json.loads(text)
    return Row(Facts(size, frozenset(marks), checksums, frozenset(tags)), content, used)


def _prune(database: "sqlite3.Connection", now: int) -> None:
    database.execute("DELETE FROM objects WHERE used < ?", (now - _KEPT,))
    (number,) = database.execute("SELECT count(*) FROM objects").fetchone()
    if number > _MOST_ROWS:
        oldest = "SELECT place FROM objects ORDER BY used LIMIT ?"
        database.execute(f"DELETE FROM objects WHERE place IN ({oldest})", (number - _MOST_ROWS,))  # noqa: S608 - ours
