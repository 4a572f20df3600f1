"""After any sequence of operations, a path that was returned and is in use has the right bytes."""

import itertools
import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sealift import LocalIOError, Storage
from sealift.cache.directory import CacheDirectory
from sealift.cache.eviction import collect_garbage, evict, is_pinned, usage
from sealift.cache.maintenance import pin, remove_unfinished, unpin, verify
from tests.api.servers import FakeS3

from .test_damage import damage

KEYS = st.sampled_from(["m/a", "m/b", "m/d/c", "n/a"])
URIS = st.sampled_from(["s3://b/m/", "s3://b/n/", "s3://b/m/a", "s3://b/n/a"])
BODIES = st.sampled_from([bytes([number]) * 20_000 for number in range(5)])
LIMIT = 130_000


class Cache(RuleBasedStateMachine):
    """A bucket, compared with a dict, and a cache that has room for few of its versions."""

    server: FakeS3

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="sealift-model-"))
        os.environ["SEALIFT_CACHE"] = str(self.path)
        os.environ["SEALIFT_CACHE_SIZE"] = str(LIMIT)
        self.cache = CacheDirectory(str(self.path))
        self.cache.open()
        self.objects = dict.fromkeys(("m/a", "m/b", "m/d/c", "n/a"), b"\xee" * 20000)
        self.server.objects = {"b": dict(self.objects)}
        self.used: dict[int, tuple[ExitStack, Path, dict[str, bytes]]] = {}
        self.count = itertools.count()

    def teardown(self) -> None:
        for stack, _, _ in self.used.values():
            stack.close()
        shutil.rmtree(self.path)

    def wanted(self, uri: str) -> dict[str, bytes]:
        """Path below the URI → bytes; "" for an object."""
        key = uri.removeprefix("s3://b/")
        return {each.removeprefix(key): data for each, data in self.objects.items() if each.startswith(key)}

    def snapshots(self) -> list[str]:
        return sorted(os.listdir(self.cache.file("snapshots")))

    @rule(key=KEYS, data=BODIES)
    def put(self, key: str, data: bytes) -> None:
        self.objects[key] = data
        self.server.replace("b", key, data)

    @rule(uri=URIS)
    def use(self, uri: str) -> None:
        stack = ExitStack()
        try:
            path = stack.enter_context(Storage.cached(uri, config=self.server.config))
        except LocalIOError as error:
            assert "do not fit" in str(error)
            assert self.used or any(is_pinned(self.cache, each) for each in self.snapshots())
        else:
            self.used[next(self.count)] = stack, Path(path), self.wanted(uri)

    @rule(uri=URIS)
    def use_offline(self, uri: str) -> None:
        """What was there once, and is still there."""
        stack = ExitStack()
        try:
            path = stack.enter_context(Storage.cached(uri, config=self.server.config, offline=True))
        except FileNotFoundError:
            return
        found = Path(path)
        content = {"": found.read_bytes()} if found.is_file() else {}
        content |= {str(each.relative_to(found)): each.read_bytes() for each in found.rglob("*") if each.is_file()}
        assert content.keys() == self.wanted(uri).keys()
        self.used[next(self.count)] = stack, found, content

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.used:
            self.used.pop(data.draw(st.sampled_from(sorted(self.used))))[0].close()

    @rule(data=st.data(), pinned=st.booleans())
    def pin(self, data: st.DataObject, pinned: bool) -> None:
        if there := self.snapshots():
            (pin if pinned else unpin)(self.cache, data.draw(st.sampled_from(there)))

    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        if there := self.snapshots():
            chosen = data.draw(st.sampled_from(there))
            in_use = any(chosen in path.parts for _, path, _ in self.used.values())
            assert evict(self.cache, chosen) == (not in_use and not is_pinned(self.cache, chosen))
            collect_garbage(self.cache)

    @rule(data=st.data(), hidden=st.booleans())
    def damage(self, data: st.DataObject, hidden: bool) -> None:
        """Of files that nobody uses, by any of their names."""
        files = [path for path in Path(self.cache.file("snapshots")).rglob("*") if path.is_file()]
        in_use = {
            each.stat().st_ino
            for _, path, _ in self.used.values()
            for each in [path, *path.rglob("*")]
        }  # fmt: skip
        if free := [path for path in files if path.stat().st_ino not in in_use]:
            damage(data.draw(st.sampled_from(sorted(free))), hidden=hidden)
            if hidden:
                list(verify(self.cache))

    @rule(data=st.data())
    def be_killed(self, data: st.DataObject) -> None:
        """Another process is killed while it downloads, or while it uses something."""
        dead = {"pid": 2**22 + 1, "start": "1", "namespace": os.readlink("/proc/self/ns/pid"), "needed": 10**9}
        dead |= {"boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "host": "", "began": 0}
        there = [*self.snapshots(), f"{next(self.count):032x}"]
        chosen = data.draw(st.sampled_from(there))
        Path(self.cache.file("owners", chosen)).write_text(json.dumps(dead))
        token = f"{next(self.count):016x}"
        Path(self.cache.file("processes", token)).write_text(json.dumps(dead))
        Path(self.cache.make(self.cache.file("leases", chosen)), token).touch()

    @rule()
    def prune(self) -> None:
        remove_unfinished(self.cache)

    @invariant()
    def what_is_in_use_is_right(self) -> None:
        for _, path, wanted in self.used.values():
            for name, data in wanted.items():
                assert (path / name if name else path).read_bytes() == data

    @invariant()
    def it_keeps_its_limit(self) -> None:
        assert usage(self.cache).bytes <= LIMIT + 20_000  # the disk rounds up


def test_any_sequence(server: FakeS3, cache_directory: Path) -> None:
    kind = type("CacheOfTheTest", (Cache,), {"server": server})
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
