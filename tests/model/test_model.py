"""After any sequence of operations, each storage contains what a dict would contain.

Hypothesis draws the sequences, always the same ones, and prints the shortest failing one as a program.
"""

import asyncio
import itertools
import os
import tempfile
import uuid
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from sealift import AsyncStorage, Limits, ModelMissingError, S3Config, Synced
from sealift.types import MiB
from tests.api.helpers import all_in, config_of, files_in
from tests.api.stores import Store, directory, prefix
from tests.services.s3 import S3Service, new_bucket

T = TypeVar("T")

# No path is a prefix of another one, which a disk could not store.
PATHS = st.sampled_from(["a", "b.bin", "d/x", "d/y.bin", "d/e/z", "d-2", "ü ?#%20+"])
# Some of the same size, and one of several parts.
BODIES = st.sampled_from([b"", b"one", b"two", b"a longer one", bytes(range(256)) * 24_000])
PREFIXES = st.sampled_from(["", "d/", "d/e/"])
WHERE = st.sampled_from(["disk", "bucket", "other bucket", "other account"])
ALLOW = st.sampled_from([None, "*.bin", ["d/*", "a"]])
IGNORE = st.sampled_from([None, "d/*", ["*x", "a"]])


def let(path: str, allow: list[str] | str | None, ignore: list[str] | str | None) -> bool:
    """The meaning of the patterns above, written by hand."""
    allowed = {
        None: True,
        "*.bin": path.endswith(".bin"),
        "d/*|a": path.startswith("d/") or path == "a",
    }[allow if allow is None or isinstance(allow, str) else "|".join(allow)]
    ignored = {
        None: False,
        "d/*": path.startswith("d/"),
        "*x|a": path.endswith("x") or path == "a",
    }[ignore if ignore is None or isinstance(ignore, str) else "|".join(ignore)]
    return allowed and not ignored


class Storages(RuleBasedStateMachine):
    """A directory, two buckets, and a bucket of another account; each compared with a dict."""

    service: S3Service
    buckets: tuple[str, str]
    use_uvloop: bool

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop if self.use_uvloop else None)
        self._temporary = tempfile.TemporaryDirectory()
        self._here = Path(self._temporary.name)
        self._count = itertools.count()
        environ = {**os.environ, "XDG_STATE_HOME": str(self._here / "state")}
        self._storage = AsyncStorage(Limits(part_size=5 * MiB), environ=environ)
        self.run(self._storage.__aenter__())
        own = uuid.uuid4().hex
        first, second = self.buckets
        self.stores: dict[str, Store] = {
            "disk": directory(self._here / "disk"),
            "bucket": prefix(self.service, first, f"{own}/one"),
            "other bucket": prefix(self.service, second, f"{own}/two"),
            "other account": prefix(self.service, first, f"{own}/three"),
        }
        self.models: dict[str, dict[str, bytes]] = {name: {} for name in self.stores}

    def teardown(self) -> None:
        self.run(self._storage.__aexit__(None, None, None))
        self._runner.close()
        self._temporary.cleanup()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)

    def config(self, where: str) -> S3Config | None:
        """That of the other account differs, so that the service cannot copy between the accounts."""
        found = config_of(self.service)
        return {"disk": None, "other account": replace(found, checksum="crc32c")}.get(where, found)

    def uri(self, where: str, path: str = "") -> str:
        return f"{self.stores[where].uri}/{path}"

    @initialize(where=WHERE, path=PATHS, data=BODIES)
    def begin(self, where: str, path: str, data: bytes) -> None:
        self.upload(where, path, data)

    @rule(where=WHERE, path=PATHS, data=BODIES)
    def upload(self, where: str, path: str, data: bytes) -> None:
        file = self._here / f"file-{next(self._count)}"
        file.write_bytes(data)
        assert self.run(self._storage.upload(file, self.uri(where, path), config=self.config(where)))
        self.models[where][path] = data

    @rule(source=WHERE, dest=WHERE, path=PATHS, to=PATHS)
    def copy_object(self, source: str, dest: str, path: str, to: str) -> None:
        if (source, path) == (dest, to):
            return
        call = self._storage.copy_object(
            self.uri(source, path), self.uri(dest, to), config=self.config(source), dest_config=self.config(dest)
        )
        if path in self.models[source]:
            assert self.run(call)
            self.models[dest][to] = self.models[source][path]
        else:
            with pytest.raises(ModelMissingError):
                self.run(call)

    @rule(source=WHERE, dest=WHERE, below=PREFIXES, allow=ALLOW, ignore=IGNORE, dry_run=st.booleans())
    def copy(
        self,
        source: str,
        dest: str,
        below: str,
        allow: list[str] | str | None,
        ignore: list[str] | str | None,
        dry_run: bool,
    ) -> None:
        if source == dest:
            return
        call = self._storage.copy(
            self.uri(source, below),
            self.uri(dest, below),
            config=self.config(source),
            dest_config=self.config(dest),
            allow_patterns=allow,
            ignore_patterns=ignore,
            dry_run=dry_run,
        )
        wanted = self.below(source, below, allow, ignore)
        if wanted:
            self.run(call)
            if not dry_run:
                self.models[dest] |= wanted
        else:
            with pytest.raises(ModelMissingError):
                self.run(call)

    @rule(
        source=WHERE,
        dest=WHERE,
        below=PREFIXES,
        allow=ALLOW,
        ignore=IGNORE,
        delete=st.booleans(),
        checksum=st.booleans(),
    )
    def sync(
        self,
        source: str,
        dest: str,
        below: str,
        allow: list[str] | str | None,
        ignore: list[str] | str | None,
        delete: bool,
        checksum: bool,
    ) -> None:
        if source == dest:
            return
        call = self._storage.sync(
            self.uri(source, below),
            self.uri(dest, below),
            config=self.config(source),
            dest_config=self.config(dest),
            allow_patterns=allow,
            ignore_patterns=ignore,
            delete=delete,
            checksum=checksum,
        )
        wanted, old = self.below(source, below, allow, ignore), self.below(dest, below, allow, ignore)
        if not wanted:
            with pytest.raises(ModelMissingError):
                self.run(call)
            return
        done = self.run(call)
        extras = set(old) - set(wanted) if delete else set()
        assert (done.copied + done.kept, done.deleted) == (len(wanted), len(extras))
        kept = {path: data for path, data in self.models[dest].items() if path not in extras}
        self.models[dest] = kept | wanted

    @rule(where=WHERE, path=PATHS)
    def delete_object(self, where: str, path: str) -> None:
        there = self.run(self._storage.delete_object(self.uri(where, path), config=self.config(where)))
        assert there is (path in self.models[where])
        self.models[where].pop(path, None)

    @rule(where=WHERE, below=PREFIXES, allow=ALLOW, ignore=IGNORE)
    def delete(self, where: str, below: str, allow: list[str] | str | None, ignore: list[str] | str | None) -> None:
        call = self._storage.delete(
            self.uri(where, below),
            config=self.config(where),
            recursive=True,
            allow_patterns=allow,
            ignore_patterns=ignore,
        )
        gone = self.below(where, below, allow, ignore)
        if gone:
            assert self.run(call) == len(gone)
            self.models[where] = {path: data for path, data in self.models[where].items() if path not in gone}
        else:
            with pytest.raises(ModelMissingError):
                self.run(call)

    @rule(where=WHERE, path=PATHS, start=st.integers(0, 7 * MiB), length=st.none() | st.integers(0, 7 * MiB))
    def read(self, where: str, path: str, start: int, length: int | None) -> None:
        uri, config = self.uri(where, path), self.config(where)
        if path not in self.models[where]:
            with pytest.raises(ModelMissingError):
                self.run(self._storage.read(uri, start, length, config=config))
            return
        data = self.models[where][path]
        for begin in (start, 0, len(data) // 2):
            expected = data[begin : None if length is None else begin + length]
            assert self.run(self._storage.read(uri, begin, length, config=config)) == expected

    @rule(where=WHERE, below=PREFIXES)
    def list_objects(self, where: str, below: str) -> None:
        call = self._storage.list_objects(self.uri(where, below), config=self.config(where))
        expected = sorted(path.removeprefix(below) for path in self.models[where] if path.startswith(below))
        if expected:
            assert sorted(self.run(call)) == expected
        else:
            with pytest.raises(ModelMissingError):
                self.run(call)

    @rule(where=WHERE, below=PREFIXES, allow=ALLOW, ignore=IGNORE)
    def download(self, where: str, below: str, allow: list[str] | str | None, ignore: list[str] | str | None) -> None:
        into = self._here / f"download-{next(self._count)}"
        call = self._storage.download(
            self.uri(where, below), into, config=self.config(where), allow_patterns=allow, ignore_patterns=ignore
        )
        wanted = self.below(where, below, allow, ignore)
        if wanted:
            assert self.run(call) == str(into)
            assert files_in(into) == {path.removeprefix(below): data for path, data in wanted.items()}
        else:
            with pytest.raises(ModelMissingError):
                self.run(call)
            assert not into.exists()

    @rule(source=WHERE, dest=WHERE, checksum=st.booleans())
    def sync_twice(self, source: str, dest: str, checksum: bool) -> None:
        """A second sync has nothing to do; nor has one back, nor one that compares checksums where possible."""
        if source == dest or not self.models[source]:
            return
        ends, back = (self.uri(source), self.uri(dest)), (self.uri(dest), self.uri(source))
        there: dict[str, Any] = {"config": self.config(source), "dest_config": self.config(dest), "delete": True}
        returning = {**there, "config": there["dest_config"], "dest_config": there["config"]}
        self.run(self._storage.sync(*ends, **there, checksum=checksum))
        self.models[dest] = dict(self.models[source])
        nothing = Synced(0, len(self.models[source]), 0)
        assert self.run(self._storage.sync(*ends, **there)) == nothing
        assert self.run(self._storage.sync(*back, **returning)) == nothing
        if "disk" in {source, dest} and "other account" not in {source, dest}:
            assert self.run(self._storage.sync(*ends, **there, checksum=True)) == nothing

    def below(
        self, where: str, start: str, allow: list[str] | str | None, ignore: list[str] | str | None
    ) -> dict[str, bytes]:
        """The objects under a prefix that match the patterns, by their path below the prefix."""
        return {
            path: data
            for path, data in self.models[where].items()
            if path.startswith(start) and let(path.removeprefix(start), allow, ignore)
        }

    @invariant()
    def all_are_as_their_models(self) -> None:
        for name, store in self.stores.items():
            assert store.content() == self.models[name], name

    @invariant()
    def nothing_temporary_is_left(self) -> None:
        assert not [path for path in all_in(self._here) if ".sealift" in path]


@pytest.mark.timeout(420)  # Hypothesis takes up to 300 s to shrink a failing sequence
@pytest.mark.parametrize("use_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_storages_are_as_dicts(seaweedfs: S3Service, use_uvloop: bool) -> None:
    buckets = new_bucket(seaweedfs, "model"), new_bucket(seaweedfs, "model")
    machine = type("Storages", (Storages,), {"service": seaweedfs, "buckets": buckets, "use_uvloop": use_uvloop})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
