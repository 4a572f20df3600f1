"""`download` without a destination: what it returns, what it costs, and what shares the disk."""

import base64
import hashlib
import logging
import os
import stat
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, Event, InvalidConfig, LocalIOError, ModelMissingError, Storage
from sealift.types import Event as EventType
from tests.api.helpers import files_in
from tests.api.servers import Asked, FakeS3, Reply
from tests.services.http_server import Asked as HTTPAsked
from tests.services.http_server import OddServer, good
from tests.services.http_server import Reply as HTTPReply

from .conftest import OBJECTS
from .reading import bodies, inode, snapshots

MODEL = OBJECTS["iris/model.bin"]
IRIS = {key.removeprefix("iris/"): data for key, data in OBJECTS.items() if key.startswith("iris/")}


def outcomes(events: list[EventType]) -> list[str]:
    return [event.reason for event in events if event.kind == "cache"]


def test_an_object_is_downloaded_once(server: FakeS3, cache_directory: Path) -> None:
    events: list[Event] = []
    first = Storage.download("s3://b/iris/model.bin", config=server.config, on_event=events.append)
    assert Path(first).read_bytes() == MODEL
    assert Path(first).name == "model.bin"
    assert cache_directory in Path(first).parents
    assert bodies(server) == ["iris/model.bin"]
    server.asked.clear()
    assert Storage.download("s3://b/iris/model.bin", config=server.config, on_event=events.append) == first
    assert [asked.method for asked in server.asked] == ["HEAD"]
    assert outcomes(events) == ["miss", "hit"]
    assert sum(event.size for event in events if event.kind == "progress") == 2 * len(MODEL)


def test_a_prefix_is_downloaded_once(server: FakeS3) -> None:
    first = Storage.download("s3://b/iris/", config=server.config)
    assert files_in(first) == IRIS
    server.asked.clear()
    assert Storage.download("s3://b/iris/", config=server.config) == first
    assert [(asked.method, asked.path) for asked in server.asked] == [("GET", "/b/")]
    assert Storage.download("s3://b/iris", config=server.config) == first
    assert bodies(server) == []


def test_cached_files_are_read_only(server: FakeS3) -> None:
    root = Storage.download("s3://b/iris/", config=server.config)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in Path(root).rglob("*") if path.is_file()}
    assert all(not mode & 0o222 for mode in modes)


def test_a_new_version_has_another_path(server: FakeS3) -> None:
    old = Storage.download("s3://b/iris/", config=server.config)
    server.replace("b", "iris/config.json", b"{}")
    new = Storage.download("s3://b/iris/", config=server.config)
    assert old != new
    assert files_in(old) == IRIS
    assert files_in(new) == {**IRIS, "config.json": b"{}"}
    assert bodies(server).count("iris/model.bin") == 1, "what both versions have is downloaded once"
    assert inode(old, "model.bin") == inode(new, "model.bin")


def test_patterns_are_part_of_what_is_cached(server: FakeS3) -> None:
    whole = Storage.download("s3://b/iris/", config=server.config)
    some = Storage.download("s3://b/iris/", config=server.config, allow_patterns="*.json")
    assert files_in(some) == {name: data for name, data in IRIS.items() if name.endswith(".json")}
    assert files_in(whole) == IRIS


def claiming(data: bytes, claimed: bytes) -> Callable[[Asked], Reply | None]:
    """Answers with some bytes, and with the SHA-256 of others."""

    def answer(asked: Asked) -> Reply | None:
        if asked.query.get("list-type"):
            return None
        sha256 = base64.b64encode(hashlib.sha256(claimed).digest()).decode()
        facts = {"ETag": f'"{hashlib.md5(claimed).hexdigest()}"', "x-amz-checksum-sha256": sha256}
        return Reply(200, data, {**facts, "Last-Modified": "Tue, 01 Sep 2020 10:20:30 GMT"})

    return answer


def test_two_services_with_the_same_bytes_share_them() -> None:
    answer = claiming(MODEL, MODEL)
    with (
        FakeS3({"b": {"one": MODEL}}, instead=answer) as server,
        FakeS3({"b": {"two": MODEL}}, instead=answer) as other,
    ):
        one = Storage.download("s3://b/one", config=server.config)
        two = Storage.download("s3://b/two", config=other.config)
        assert bodies(server) == ["one"]
        assert bodies(other) == []
    assert inode(one) == inode(two)


def test_what_a_service_claims_is_compared() -> None:
    """A service that gives other bytes the hash of a model does not change what others get."""
    evil = b"x" * len(MODEL)
    with FakeS3({"b": {"evil": evil}}, instead=claiming(evil, MODEL)) as liar:
        path = Storage.download("s3://b/evil", config=liar.config, verify=False)
        assert Path(path).read_bytes() == evil
    with FakeS3({"b": {"good": MODEL}}, instead=claiming(MODEL, MODEL)) as server:
        assert Path(Storage.download("s3://b/good", config=server.config)).read_bytes() == MODEL


def test_two_services_with_different_bytes_of_the_same_md5(server: FakeS3) -> None:
    """Such files are easily made: https://eprint.iacr.org/2004/199."""
    one = bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a"
        "085125e8f7cdc99fd91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
        "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
    )
    two = bytes(byte ^ 0x80 if at in {19, 45, 59, 83, 109, 123} else byte for at, byte in enumerate(one))
    assert hashlib.md5(one).digest() == hashlib.md5(two).digest()
    server.replace("b", "model", one)
    with FakeS3({"b": {"model": two}}) as other:
        assert Path(Storage.download("s3://b/model", config=server.config)).read_bytes() == one
        assert Path(Storage.download("s3://b/model", config=other.config)).read_bytes() == two


def test_an_archive_is_unpacked_once(server: FakeS3) -> None:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("deep/model.bin")
        entry.size = len(MODEL)
        archive.addfile(entry, BytesIO(MODEL))
    server.replace("b", "model.tgz", packed.getvalue())
    first = Storage.download("s3://b/model.tgz", config=server.config, unpack=True)
    assert files_in(first) == {"deep/model.bin": MODEL}
    assert Storage.download("s3://b/model.tgz", config=server.config, unpack=True) == first
    assert bodies(server) == ["model.tgz"]


def test_a_destination_is_filled_from_the_cache(server: FakeS3, here: Path) -> None:
    cached = Storage.download("s3://b/iris/", config=server.config)
    server.asked.clear()
    new, there = here / "new", here / "there"
    there.mkdir()
    (there / "mine").write_bytes(b"mine")
    for dest in (new, there):
        assert Storage.download("s3://b/iris/", dest, config=server.config, cache=True) == str(dest)
    assert files_in(new) == IRIS
    assert files_in(there) == {**IRIS, "mine": b"mine"}
    assert inode(new, "model.bin") == inode(cached, "model.bin")
    assert Storage.download("s3://b/iris/model.bin", here / "file", config=server.config, cache=True)
    assert (here / "file").read_bytes() == MODEL
    assert bodies(server) == []
    with pytest.raises(LocalIOError):
        Storage.download("s3://b/iris/", here / "file", config=server.config, cache=True)


def test_without_a_destination_and_a_cache(server: FakeS3, cache_directory: Path) -> None:
    paths = {Storage.download("s3://b/iris/model.bin", config=server.config, cache=False) for _ in range(2)}
    assert len(paths) == 2
    assert not cache_directory.exists()


def test_a_local_path_is_returned_as_it_is(here: Path, cache_directory: Path) -> None:
    (here / "model").write_bytes(b"local")
    assert Storage.download(str(here / "model")) == str(here / "model")
    with Storage.cached(str(here / "model")) as path:
        assert path == str(here / "model")
    assert (here / "model").read_bytes() == b"local"
    assert not cache_directory.exists()


def test_nothing_there(server: FakeS3, cache_directory: Path) -> None:
    with pytest.raises(ModelMissingError, match="s3://b/none"):
        Storage.download("s3://b/none", config=server.config)
    assert snapshots(cache_directory) == []


def test_many(server: FakeS3) -> None:
    uris = ["s3://b/iris/model.bin", "s3://b/copy/model.bin", "s3://b/iris/"]
    one, other, tree = Storage.download_many(uris, config=server.config)
    assert Path(one).read_bytes() == Path(other).read_bytes() == MODEL
    assert files_in(tree) == IRIS


def test_an_object_without_a_version_is_downloaded_again(cache_directory: Path) -> None:
    def answer(asked: HTTPAsked) -> HTTPReply:
        reply = good(asked, MODEL, None)
        return replace(reply, headers={name: value for name, value in reply.headers.items() if name != "Last-Modified"})

    with OddServer(answer) as web:
        for _ in range(3):
            with Storage.cached(f"{web.url}/m") as path:
                assert Path(path).read_bytes() == MODEL
    assert len(snapshots(cache_directory)) == 1, "an older one is of no use"


@pytest.mark.anyio
async def test_the_async_twin_and_equal_calls(server: FakeS3) -> None:
    async with AsyncStorage() as storage:
        async with (
            storage.cached("s3://b/iris/", config=server.config) as one,
            storage.cached("s3://b/iris/", config=server.config) as two,
        ):
            assert one == two
            assert files_in(one) == IRIS
        assert await storage.download("s3://b/iris/", config=server.config) == one


def test_a_user_without_a_home(
    server: FakeS3, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    for name in ("SEALIFT_CACHE", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with caplog.at_level(logging.WARNING, "sealift"):
        path = Storage.download("s3://b/iris/model.bin", config=server.config)
    assert tmp_path in Path(path).parents
    assert "downloading to a temporary" in caplog.text


def test_where_the_cache_is(server: FakeS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def path(**environ: str) -> Path:
        monkeypatch.delenv("SEALIFT_CACHE", raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return Path(Storage.download("s3://b/iris/model.bin", config=server.config))

    assert tmp_path / "home/.cache/sealift" in path(HOME=str(tmp_path / "home")).parents
    assert tmp_path / "xdg/sealift" in path(XDG_CACHE_HOME=str(tmp_path / "xdg")).parents
    assert tmp_path / "named" in path(SEALIFT_CACHE=str(tmp_path / "named")).parents
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalIOError, match=f"{tmp_path}/file/cache cannot be used") as caught:
        path(SEALIFT_CACHE=str(tmp_path / "file/cache"))
    assert "SEALIFT_CACHE" in str(caught.value.hint)


def test_bad_settings_are_errors(server: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = ("many", "-1", "0", "0%", "101%", "nan%", "5%%")
    for name, value in [
        *(("SEALIFT_CACHE_SIZE", size) for size in sizes),
        ("SEALIFT_CACHE_TAKEOVER", "-1"),
        ("SEALIFT_OFFLINE", "si"),
    ]:
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            with pytest.raises(InvalidConfig, match=name):
                Storage.download("s3://b/iris/model.bin", config=server.config)
    assert server.asked == []


def test_bad_arguments_are_errors(server: FakeS3, tmp_path: Path, cache_directory: Path) -> None:
    uri, bad = "s3://b/iris/model.bin", dict[str, list[Any]]()
    bad = {"cache": ["no", 2, []], "revalidate": ["often", -1, True, float("nan"), None], "offline": ["no", 2]}
    for name, values in bad.items():
        for value in values:
            for dest in (None, tmp_path / "to"):
                with pytest.raises(InvalidConfig, match=f"{name}="):
                    Storage.download(uri, dest, config=server.config, **{name: value})
            if name == "cache":
                with pytest.raises(InvalidConfig, match="cache="):
                    Storage.download_many([uri], config=server.config, cache=value)
            else:
                with pytest.raises(InvalidConfig, match=f"{name}="):
                    Storage.cached(uri, config=server.config, **{name: value}).__enter__()
    assert server.asked == []
    assert not cache_directory.exists()


def test_a_file_system_that_changes_files_afterwards(
    server: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that rounds times later: what is downloaded never seems to be there."""
    from sealift.cache.fill import _Work

    publish = _Work._publish

    def publish_and_round(self: _Work, tree: str, linked: Mapping[str, str]) -> None:
        publish(self, tree, linked)
        for path in (cache_directory / "v1/snapshots").rglob("*.bin"):
            os.utime(path, ns=(0, path.stat().st_mtime_ns // 10**9 * 10**9 + 5))

    monkeypatch.setattr(_Work, "_publish", publish_and_round)
    with pytest.raises(LocalIOError, match=r"s3://b/iris/model.bin was downloaded .* 3 times") as caught:
        Storage.download("s3://b/iris/model.bin", config=server.config)
    assert "SEALIFT_CACHE" in str(caught.value.hint)
    assert bodies(server) == ["iris/model.bin"] * 3


def test_the_cache_is_marked_for_backup_programs(server: FakeS3, cache_directory: Path) -> None:
    Storage.download("s3://b/iris/model.bin", config=server.config)
    assert (cache_directory / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert stat.S_IMODE(os.stat(cache_directory).st_mode) == 0o700
