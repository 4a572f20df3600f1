"""`move` with `existing=`, `on_error=` and `write_options=`: what was not moved stays at its source."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealift import (
    AsyncStorage,
    Event,
    IncompleteError,
    InvalidConfig,
    Limits,
    ObjectExists,
    ServiceError,
    UnsupportedOperation,
    WriteOptions,
)
from sealift.backends.local import replacement
from sealift.types import Existing
from tests.api.helpers import all_in, files_in
from tests.api.servers import Asked, Reply, failure
from tests.api.stores import Store, directory, prefix
from tests.api.writable import WritableS3
from tests.services.s3 import S3Service, client, new_bucket

pytestmark = pytest.mark.anyio

OBJECTS = {"a": b"aaa", "deep/b": b"bb", "d.json": b"{}"}
KINDS = [("s3", "s3"), ("s3", "local"), ("local", "s3"), ("local", "local")]
ONCE = Limits(attempts=1)


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    return new_bucket(seaweedfs, "move-options")


@pytest.fixture
def make(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Callable[[str], Store]:
    """Makes an empty store: a local directory or a prefix."""

    def make(kind: str) -> Store:
        name = uuid.uuid4().hex
        return directory(tmp_path / name) if kind == "local" else prefix(seaweedfs, bucket, name)

    return make


async def moved(source: Store, target: Store, path: str = "", **options: Any) -> list[Event]:
    events: list[Event] = []
    below = f"/{path}" if path else ""
    config = source.config or target.config
    await AsyncStorage(ONCE).move(
        source.uri + below, target.uri + below, config=config, on_event=events.append, **options
    )
    return events


def targets(events: list[Event], kind: str) -> set[str]:
    return {os.path.basename(event.target) for event in events if event.kind == kind}


class TestExisting:
    @pytest.mark.parametrize(("source", "target"), KINDS)
    async def test_what_is_kept_stays_at_both_ends(
        self, make: Callable[[str], Store], source: str, target: str
    ) -> None:
        src, dest = make(source), make(target)
        src.put(OBJECTS)
        dest.put({"a": b"old"})
        events = await moved(src, dest, existing="skip")
        assert dest.content() == {**OBJECTS, "a": b"old"}
        assert src.content() == {"a": b"aaa"}
        assert targets(events, "kept") == {"a"}
        assert {event.key.rpartition("/")[2] for event in events if event.kind == "deleted"} == {"b", "d.json"}

    @pytest.mark.parametrize(("source", "target"), KINDS)
    async def test_an_error_changes_nothing(self, make: Callable[[str], Store], source: str, target: str) -> None:
        src, dest = make(source), make(target)
        src.put(OBJECTS)
        dest.put({"a": b"old"})
        with pytest.raises(ObjectExists):
            await moved(src, dest, existing="fail")
        assert (src.content(), dest.content()) == (OBJECTS, {"a": b"old"})
        await moved(src, make(target), existing="fail")
        assert src.content() == {}

    @pytest.mark.parametrize(("source", "target"), KINDS)
    async def test_one_object(self, make: Callable[[str], Store], source: str, target: str) -> None:
        src, dest = make(source), make(target)
        src.put({"a": b"new", "beside": b"x"})
        dest.put({"a": b"old"})
        with pytest.raises(ObjectExists):
            await moved(src, dest, "a", existing="fail")
        assert targets(await moved(src, dest, "a", existing="skip"), "kept") == {"a"}
        assert (src.content(), dest.content()) == ({"a": b"new", "beside": b"x"}, {"a": b"old"})
        await moved(src, dest, "beside", existing="fail")
        assert (src.content(), dest.content()) == ({"a": b"new"}, {"a": b"old", "beside": b"x"})

    @pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
    async def test_a_rename_replaces_nothing(
        self, tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        directory(tmp_path).put({"a": b"new", "d/a": b"old", "e/x": b"x"})
        (tmp_path / "link").symlink_to("a")
        if not links:

            def refuse(*_: object, **__: object) -> None:
                raise PermissionError(1, "Operation not permitted")

            monkeypatch.setattr(replacement.os, "link", refuse)
        storage, before = AsyncStorage(), all_in(tmp_path)
        for dest in (tmp_path / "d", tmp_path / "d/a"):
            with pytest.raises(ObjectExists, match=f"{tmp_path}/d/a exists already"):
                await storage.move(tmp_path / "a", dest, existing="fail")
            assert await storage.move(tmp_path / "a", dest, existing="skip") == f"{tmp_path}/d/a"
        assert (all_in(tmp_path), files_in(tmp_path / "d")) == (before, {"a": b"old"})
        await storage.move(tmp_path / "link", tmp_path / "d/link", existing="fail")
        await storage.move(tmp_path / "a", tmp_path / "d/b", existing="skip")
        assert os.readlink(tmp_path / "d/link") == "a"
        assert files_in(tmp_path / "d") | {"link": b""} == {"a": b"old", "b": b"new", "link": b""}

    async def test_a_file_that_appears_while_its_directory_is_built(self, tmp_path: Path) -> None:
        """Its copy is discarded, so its source stays."""
        dest = tmp_path / "to"

        def appear(asked: Asked) -> None:
            if asked.method == "GET" and asked.path == "/b/m/a":
                dest.mkdir(exist_ok=True)
                (dest / "a").write_bytes(b"of another process")

        with WritableS3(instead=appear) as server:
            for key in ("m/a", "m/deep/b"):
                server.replace("b", key, key.encode())
            await AsyncStorage(ONCE).move("s3://b/m", dest, config=server.config, existing="skip")
            assert [asked.path for asked in server.asked if asked.method == "DELETE"] == ["/b/m/deep/b"]
        assert files_in(dest) == {"a": b"of another process", "deep/b": b"m/deep/b"}

    async def test_a_wrong_value(self, tmp_path: Path) -> None:
        for options in ({"existing": "never"}, {"on_error": "never"}):
            wrong: dict[str, Any] = options
            with pytest.raises(InvalidConfig, match="='never' is not"):
                await AsyncStorage().move(tmp_path, tmp_path / "to", **wrong)


class TestOnError:
    @staticmethod
    def server(*broken: tuple[str, str]) -> WritableS3:
        """A service where some requests, by method and key, are refused; deletions delete."""

        def instead(asked: Asked) -> Reply | None:
            if (asked.method, asked.path.removeprefix("/b/")) in broken:
                return failure(400, "Broken")
            if asked.method == "DELETE":
                kept = {key: data for key, data in server.objects["b"].items() if f"/b/{key}" != asked.path}
                server.objects["b"] = kept
            return None

        server = WritableS3(instead=instead)
        for path, data in OBJECTS.items():
            server.replace("b", f"from/{path}", data)
        return server

    @pytest.mark.parametrize("local", [False, True], ids=["s3", "new directory"])
    async def test_what_failed_stays(self, tmp_path: Path, local: bool) -> None:
        dest = str(tmp_path / "to") if local else "s3://b/to"
        with self.server(("GET", "from/deep/b") if local else ("PUT", "to/deep/b")) as server:
            with pytest.raises(IncompleteError, match=r"moved everything but: deep/b: .*400 Broken") as caught:
                await AsyncStorage(ONCE).move("s3://b/from", dest, config=server.config, on_error="continue")
            assert {key for key in server.objects["b"] if key.startswith("from/")} == {"from/deep/b"}
            there = files_in(dest) if local else {key[3:] for key in server.objects["b"] if key.startswith("to/")}
        assert set(there) == OBJECTS.keys() - {"deep/b"}
        assert [(each.key, each.reason) for each in caught.value.skipped] == [("from/deep/b", "not copied")]

    async def test_what_cannot_be_deleted_is_reported_too(self) -> None:
        with self.server(("PUT", "to/deep/b"), ("DELETE", "from/a")) as server:
            with pytest.raises(IncompleteError, match="moved everything but") as caught:
                await AsyncStorage(ONCE).move("s3://b/from", "s3://b/to", config=server.config, on_error="continue")
            assert server.objects["b"].keys() == {"from/deep/b", "from/a", "to/a", "to/d.json"}
        assert {(each.key, each.reason) for each in caught.value.skipped} == {
            ("from/deep/b", "not copied"),
            ("from/a", "not deleted"),
        }
        assert caught.value.count == 2

    async def test_if_all_fail_it_is_the_first_error(self) -> None:
        with self.server(*(("PUT", f"to/{path}") for path in OBJECTS)) as server:
            with pytest.raises(ServiceError, match="400 Broken"):
                await AsyncStorage(ONCE).move("s3://b/from", "s3://b/to", config=server.config, on_error="continue")
            assert server.objects["b"].keys() == {f"from/{path}" for path in OBJECTS}

    async def test_a_local_file_that_cannot_be_read(self, make: Callable[[str], Store]) -> None:
        src, dest = make("local"), make("s3")
        src.put(OBJECTS)
        os.symlink("nowhere", f"{src.uri}/broken")
        with pytest.raises(IncompleteError, match="copied everything but: broken: "):
            await moved(src, dest)
        assert src.content() == OBJECTS
        with pytest.raises(IncompleteError, match="moved everything but: broken: "):
            await moved(src, dest, on_error="continue")
        assert dest.content() == OBJECTS
        assert all_in(Path(src.uri)) == {"broken"}


async def test_write_options(seaweedfs: S3Service, bucket: str, make: Callable[[str], Store], tmp_path: Path) -> None:
    src, dest = make("s3"), make("s3")
    src.put({"a": b"a"})
    options = WriteOptions(content_type="application/x-model", metadata={"stage": "test"})
    await moved(src, dest, write_options=options)
    told = client(seaweedfs).head_object(Bucket=bucket, Key=f"{dest.uri.rpartition('/')[2]}/a")
    assert (told["ContentType"], told["Metadata"]) == ("application/x-model", {"stage": "test"})
    assert src.content() == {}
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(UnsupportedOperation, match=r"a local path does not support WriteOptions\("):
        await AsyncStorage().move(tmp_path / "a", tmp_path / "b", write_options=options)
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize("existing", ["skip", "fail"])
async def test_a_dry_run(make: Callable[[str], Store], existing: Existing) -> None:
    src, dest = make("local"), make("local")
    src.put(OBJECTS)
    dest.put({"a": b"old"})
    if existing == "fail":
        with pytest.raises(ObjectExists):
            await moved(src, dest, existing=existing, dry_run=True)
    else:
        assert targets(await moved(src, dest, existing=existing, dry_run=True), "listed") == {"b", "d.json"}
    assert (src.content(), dest.content()) == (OBJECTS, {"a": b"old"})
