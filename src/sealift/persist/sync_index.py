"""The index of `sync`: a record of which objects had the same bytes. Blocking.

One SQLite file in the state directory, with one row for each object at either end. A row holds the facts that show
whether the object has changed since (size, version, checksums), and a content id that all objects with the same bytes
share. Object names are stored as hashes, so the file contains no paths and no secrets.

A row is only ever a reason not to copy, so unreadable rows are ignored: each row carries a hash of itself, and a row
that does not match its hash, as in a damaged file, does not count.
"""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..frozen_dataclass import dataclass
from ..integrity.content import Facts
from . import private_directory

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Copied", "Index", "Row"]

# The number is the version of the format.
_NAME = "sync-1.sqlite"
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS objects
        (place BLOB PRIMARY KEY, facts BLOB NOT NULL, seal BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_use ON objects (used);
"""
# Seconds to wait for another process that has locked the database.
_BUSY_TIMEOUT = 5.0
# Rows that no sync has used for this many seconds are removed, and the oldest rows beyond this number.
_MAX_AGE = 180 * 24 * 3600
_MAX_ROWS = 2_000_000
_NAMES_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Row:
    """The record of one object.

    Attributes:
        facts: The object's facts when it was recorded.
        content: Content id; equal for two objects with the same bytes.
        used: When a sync last used the row, in seconds since the epoch.
    """

    facts: Facts
    content: str
    used: int = 0


@dataclass(frozen=True, slots=True)
class Copied:
    """An object that was copied, or that has the same content at both ends.

    Attributes:
        source: Where it was read, as a URI with the address of its service.
        origin: Facts about the source object.
        target: Where it was written, as a URI with the address of its service.
        result: Facts about the stored object.
    """

    source: str
    origin: Facts
    target: str
    result: Facts


class Index:
    """The index in one state directory. Methods raise OSError if it cannot be used.

    Args:
        directory: The state directory; created when the first row is written.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, _NAME)
        self._pruned = False

    def find(self, places: Sequence[str]) -> dict[str, Row]:
        """Look up objects.

        Args:
            places: URIs as in `Copied`.

        Returns:
            URI → row, for those that are recorded.
        """
        if not os.path.exists(self._path):
            return {}
        private_directory.check_private(self._directory)
        with self._connected("rw") as database:
            return dict(_read_rows(database, places))

    def record(self, copied: Iterable[Copied], met: Iterable[tuple[str, Row]] = ()) -> None:
        """Store rows, and remove the oldest ones.

        Args:
            copied: Objects that have the same bytes at both ends.
            met: Rows that were used, to store with the current time.
        """
        private_directory.make_private(self._directory)
        copied, met = list(copied), list(met)
        try:
            self._write(copied, met)
        except _DamagedError:  # start with an empty database
            for path in (f"{self._path}-journal", self._path):
                with suppress(FileNotFoundError):
                    os.unlink(path)
            self._write(copied, met)

    def _write(self, copied: Sequence[Copied], met: Sequence[tuple[str, Row]]) -> None:
        with self._connected("rwc") as database:
            database.executescript(_SCHEMA)
            database.execute("BEGIN IMMEDIATE")
            before = dict(_read_rows(database, [each.source for each in copied]))
            rows = [*met]
            for each in copied:
                rows += _rows(each, before)
            now = int(time.time())
            database.executemany(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
                [(*_columns(place, row), now) for place, row in rows],
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
            raise OSError(f"this Python was built without SQLite: {error}") from None
        uri = f"file:{quote(os.fsencode(self._path))}?mode={mode}"
        try:
            database = sqlite3.connect(uri, timeout=_BUSY_TIMEOUT, isolation_level=None, uri=True)
            try:
                yield database
            finally:
                database.close()
        except sqlite3.OperationalError as error:
            raise OSError(f"{self._path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise _DamagedError(f"{self._path} is damaged: {error}") from None


class _DamagedError(OSError):
    """The file is not a valid database."""


def _key(place: str) -> bytes:
    return hashlib.blake2b(place.encode(errors="surrogatepass"), digest_size=16).digest()


def _read_rows(database: "sqlite3.Connection", places: Sequence[str]) -> Iterator[tuple[str, Row]]:
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'objects'").fetchone():
        return
    for start in range(0, len(places), _NAMES_PER_QUERY):
        by_key = {_key(place): place for place in places[start : start + _NAMES_PER_QUERY]}
        placeholders = ", ".join("?" * len(by_key))
        query = f"SELECT place, facts, seal, used FROM objects WHERE place IN ({placeholders})"  # noqa: S608 - only placeholders
        for key, text, seal, used in database.execute(query, list(by_key)):
            row = _parse(key, text, seal, used)
            if row is not None:
                yield by_key[key], row


def _rows(copied: Copied, before: dict[str, Row]) -> Iterator[tuple[str, Row]]:
    """The rows for both ends. A source that is unchanged since an earlier transfer keeps its content id."""
    old = before.get(copied.source)
    known = old if old is not None and old.facts.unchanged(copied.origin) else None
    content = secrets.token_hex(8) if known is None else known.content
    origin = copied.origin if known is None else copied.origin.with_content(known.facts)
    result = copied.result.with_content(origin)
    for place, facts in ((copied.source, origin.with_content(result)), (copied.target, result)):
        if facts.versions:  # without versions a change could not be detected
            yield place, Row(facts, content)


def _columns(place: str, row: Row) -> tuple[bytes, bytes, bytes]:
    facts = row.facts
    fields = [facts.size, sorted(facts.versions), dict(facts.checksums), sorted(facts.tags), row.content]
    key, text = _key(place), json.dumps(fields).encode()
    return key, text, _seal(key, text)


def _seal(key: bytes, text: bytes) -> bytes:
    return hashlib.blake2b(key + text, digest_size=16).digest()


def _parse(key: bytes, text: object, seal: object, used: object) -> Row | None:
    """The row; None if it does not match its hash."""
    if not isinstance(text, bytes) or not isinstance(used, int) or seal != _seal(key, text):
        return None
    size, marks, checksums, tags, content = json.loads(text)
    return Row(Facts(size, frozenset(marks), checksums, frozenset(tags)), content, used)


def _prune(database: "sqlite3.Connection", now: int) -> None:
    database.execute("DELETE FROM objects WHERE used < ?", (now - _MAX_AGE,))
    (number,) = database.execute("SELECT count(*) FROM objects").fetchone()
    if number > _MAX_ROWS:
        oldest = "SELECT place FROM objects ORDER BY used LIMIT ?"
        database.execute(f"DELETE FROM objects WHERE place IN ({oldest})", (number - _MAX_ROWS,))  # noqa: S608 - a constant
