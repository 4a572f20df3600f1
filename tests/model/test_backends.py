"""After any sequence of operations, a backend contains what a dict would contain.

One level below `test_model`: each storage by itself, through the contract that the engine uses.
"""

import asyncio
import functools
import random
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from sealift import Limits, ModelMissingError
from sealift.backends import open_backend
from sealift.backends.local import LocalBackend
from sealift.backends.memory import MemoryBackend
from sealift.contract import Backend
from sealift.errors import ObjectChanged
from sealift.instance import Instance
from sealift.runtime import part_sizes
from sealift.types import MiB, ObjectInfo
from sealift.uri import Location
from tests.api.helpers import all_in, config_of
from tests.contract.suite import keys, read, stream
from tests.services.s3 import S3Service, new_bucket

pytestmark = pytest.mark.timeout(420)  # Hypothesis takes up to 300 s to shrink a failing sequence

T = TypeVar("T")
Open = Callable[[Instance, Path], Awaitable[Backend]]

# No key is a prefix of another one, which a disk could not store.
KEYS = st.sampled_from(["a", "b.bin", "d/x", "d/y", "d/e/z", "d-2", "ü ?#%20+"])
BODIES = st.sampled_from([b"", b"one", b"two", b"a longer one"])
PREFIXES = st.sampled_from(["", "d", "d/", "d/e/", "ü ", "none/"])
# Objects of three parts, by number: Hypothesis prints what it draws.
LONG = st.sampled_from([1, 2])


@functools.cache
def long(part: int, number: int) -> bytes:
    """Two full parts and a shorter one."""
    return random.Random(number).randbytes(2 * part + part // 8)


class Objects(RuleBasedStateMachine):
    """One backend, compared with a dict."""

    opening: Open
    part: int

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._temporary = tempfile.TemporaryDirectory()
        self._here = Path(self._temporary.name) / "root"
        self._model: dict[str, bytes] = {}
        self._newest: dict[str, ObjectInfo] = {}
        self._old: list[tuple[ObjectInfo, bytes]] = []
        self._instance, self._backend = self.run(self._open())

    async def _open(self) -> tuple[Instance, Backend]:
        instance = Instance(Limits(), {})
        backend = await type(self).opening(instance, self._here)
        await backend.delete_many([*await keys(backend, "")], "")  # of the previous sequence
        return instance, backend

    def teardown(self) -> None:
        for key, data in self._model.items():
            assert self.run(self.content(key)) == data
        self.run(self._backend.aclose())
        self.run(self._instance.aclose())
        assert not [path for path in all_in(self._here) if ".sealift" in path]
        self._runner.close()
        self._temporary.cleanup()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)

    async def content(self, key: str) -> bytes:
        obj = await self._backend.stat(key)
        assert (obj.key, obj.size) == (key, len(self._model[key]))
        return await stream(self._backend, obj)

    def stored(self, obj: ObjectInfo, key: str, data: bytes) -> None:
        assert (obj.key, obj.size) == (key, len(data))
        self._model[key] = data
        self._newest[key] = obj
        self._old.append((obj, data))

    @rule(key=KEYS, body=BODIES | LONG)
    def put(self, key: str, body: bytes | int) -> None:
        data = long(self.part, body) if isinstance(body, int) else body
        self.stored(self.run(self._backend.put(key, memoryview(data))), key, data)

    @rule(key=KEYS, number=LONG, order=st.permutations(range(3)), sized=st.booleans(), complete=st.booleans())
    def upload(self, key: str, number: int, order: list[int], sized: bool, complete: bool) -> None:
        data = long(self.part, number)

        async def send() -> ObjectInfo | None:
            upload = await self._backend.open_upload(key, len(data) if sized else None)
            parts = list(part_sizes.parts(len(data), self.part))
            receipts = {}
            for index in order:
                part = parts[index]
                body = memoryview(data)[part.start : part.start + part.size]
                receipts[index] = await upload.write_part(part, body)
            if complete:
                return await upload.complete([receipts[index] for index in range(3)])
            return await upload.abort()

        obj = self.run(send())
        if obj is not None:
            self.stored(obj, key, data)

    @rule(key=KEYS, to=KEYS)
    def copy(self, key: str, to: str) -> None:
        async def copy() -> ObjectInfo:
            return await self._backend.copy(self._backend.location, await self._backend.stat(key), to)

        if key not in self._model:
            with pytest.raises(ModelMissingError):
                self.run(copy())
        elif key != to:
            self.stored(self.run(copy()), to, self._model[key])

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        if key in self._model:
            self.run(self._backend.delete(key))
            del self._model[key]
        else:
            with pytest.raises(ModelMissingError):
                self.run(self._backend.delete(key))

    @rule(chosen=st.sets(KEYS), under=st.sampled_from(["", "d/"]))
    def delete_many(self, chosen: set[str], under: str) -> None:
        gone = [key for key in chosen if key.startswith(under)]
        self.run(self._backend.delete_many(gone, under))
        self._model = {key: data for key, data in self._model.items() if key not in gone}

    @rule(prefix=PREFIXES)
    def list(self, prefix: str) -> None:
        assert self.run(keys(self._backend, prefix)) == {key for key in self._model if key.startswith(prefix)}

    @precondition(lambda self: any(self._model.values()))
    @rule(chosen=st.data())
    def read_range(self, chosen: st.DataObject) -> None:
        key = chosen.draw(st.sampled_from(sorted(key for key, data in self._model.items() if data)))
        data = self._model[key]
        start = chosen.draw(st.integers(0, len(data) - 1))
        size = chosen.draw(st.integers(1, len(data) - start))
        obj = self.run(self._backend.stat(key))
        assert self.run(read(self._backend, obj, start, size)) == data[start : start + size]

    @precondition(lambda self: self._old)
    @rule(chosen=st.data())
    def read_what_was_stored_once(self, chosen: st.DataObject) -> None:
        """A read of an old version returns exactly its bytes, or fails."""
        obj, data = self._old[chosen.draw(st.integers(0, len(self._old) - 1))]
        if not data:
            return
        try:
            assert self.run(read(self._backend, obj)) == data
        except (ModelMissingError, ObjectChanged):
            assert obj.key not in self._model or obj is not self._newest[obj.key]

    @invariant()
    def it_is_as_its_model(self) -> None:
        assert self.run(self._sizes()) == {key: len(data) for key, data in self._model.items()}

    async def _sizes(self) -> dict[str, int | None]:
        on_disk = self._backend.location.scheme == "file"  # where empty directories may remain
        return {obj.key: obj.size async for obj in self._backend.list("") if not (on_disk and obj.key.endswith("/"))}


def check(opening: Open, part: int, examples: int) -> None:
    """Run sequences, always the same ones."""
    run_state_machine_as_test(
        type("Objects", (Objects,), {"opening": staticmethod(opening), "part": part}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_objects_in_memory() -> None:
    async def opening(instance: Instance, here: Path) -> Backend:
        return MemoryBackend()

    check(opening, 1000, 40)


def test_files() -> None:
    async def opening(instance: Instance, here: Path) -> Backend:
        return LocalBackend(str(here), instance.disk)

    check(opening, 1000, 25)


def test_a_bucket(seaweedfs: S3Service) -> None:
    bucket = new_bucket(seaweedfs, "model")

    async def opening(instance: Instance, here: Path) -> Backend:
        return await open_backend(Location("s3", bucket), config_of(seaweedfs), instance)

    check(opening, 5 * MiB, 5)
