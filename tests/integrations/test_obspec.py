"""sealift as a store of obspec's protocols, against a real S3 server and the local disk."""

import io
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import obspec
import pytest

from sealift import AccessDenied, InvalidConfig, ModelMissingError, S3Config
from sealift.integrations.obspec import (
    InvalidPathError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    SealiftStore,
)
from sealift.types import MiB
from tests.api.helpers import config_of
from tests.api.servers import FakeS3, pattern
from tests.api.stores import Store, directory, prefix
from tests.services.s3 import MakeBucket, S3Service, client, new_bucket

LARGE = pattern(9 * MiB + 1)
OBJECTS = {"a": b"0123456789", "deep/b": b"bb", "deep/er/c": b"ccc", "deeper": b"d", "large": LARGE}


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    return new_bucket(seaweedfs, "obspec")


@pytest.fixture(params=["local", "seaweedfs"])
def place(request: pytest.FixtureRequest, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Store:
    found = directory(tmp_path / "root") if request.param == "local" else prefix(seaweedfs, bucket, uuid.uuid4().hex)
    found.put(OBJECTS)
    return found


@pytest.fixture
def store(place: Store) -> SealiftStore:
    return SealiftStore(place.uri, config=place.config)


def total(client: obspec.Get, path: str) -> int:
    """Code that is written for obspec."""
    return sum(len(memoryview(chunk)) for chunk in client.get(path))


async def copied(source: obspec.GetAsync, destination: obspec.PutAsync, path: str, to: str) -> None:
    """The same, in an event loop."""
    await destination.put_async(to, await source.get_async(path))


def every_path(client: obspec.List, start: str | None = None, offset: str | None = None) -> list[str]:
    return sorted(meta["path"] for batch in client.list(start, offset=offset) for meta in batch)


def test_get(store: SealiftStore) -> None:
    found = store.get("a")
    assert found.buffer() == b"0123456789"
    assert (found.range, found.meta["path"], found.meta["size"]) == ((0, 10), "a", 10)
    assert isinstance(found.meta["last_modified"], datetime)
    assert total(store, "large") == len(LARGE)
    assert b"".join(store.get("large")) == LARGE
    for wanted, data in (
        ((2, 5), b"234"), ([8, 20], b"89"), ({"offset": 7}, b"789"), ({"suffix": 3}, b"789"),
        ({"suffix": 99}, OBJECTS["a"]),
    ):  # fmt: skip
        assert store.get("a", options={"range": wanted}).buffer() == data
    assert store.get("a", options={"head": True}).buffer() == b""
    for wanted in ((5, 5), (10, 12), {"offset": 10}):
        with pytest.raises(InvalidConfig, match="range"):
            store.get("a", options={"range": wanted})


def test_ranges(store: SealiftStore) -> None:
    assert store.get_range("a", start=2, end=5) == store.get_range("a", start=2, length=3) == b"234"
    assert store.get_range("a", start=8, length=99) == b"89"
    assert store.get_ranges("large", starts=[5, MiB, 0], ends=[9, 2 * MiB, 1]) == [
        LARGE[5:9], LARGE[MiB : 2 * MiB], LARGE[:1],
    ]  # fmt: skip
    assert store.get_ranges("a", starts=[0, 9], lengths=[2, 2]) == [b"01", b"9"]
    for options in (
        {"start": 0},
        {"start": 0, "end": 1, "length": 1},
        {"start": 3, "end": 3},
        {"start": 10, "length": 1},
    ):
        with pytest.raises(InvalidConfig, match="range"):
            store.get_range("a", **options)
    with pytest.raises(InvalidConfig, match="range"):
        store.get_ranges("a", starts=[0, 10], lengths=[1, 1])


def test_conditions(store: SealiftStore) -> None:
    meta = store.head("a")
    tag, time = meta["e_tag"], meta["last_modified"]
    after = datetime(2100, 1, 1, tzinfo=UTC)
    before = datetime(2000, 1, 1, tzinfo=UTC)
    fine: list[dict[str, Any]] = [
        {"if_match": "*"}, {"if_none_match": '"other"'}, {"if_modified_since": before}, {"if_unmodified_since": after},
        {"if_unmodified_since": time}, {"version": meta["version"]},
    ]  # fmt: skip
    if tag is not None:
        fine.append({"if_match": f'"x", {tag}'})
        with pytest.raises(NotModifiedError):
            store.get("a", options={"if_none_match": tag})
    for options in fine:
        assert store.get("a", options=options).buffer() == OBJECTS["a"]
    for options in ({"if_match": '"other"'}, {"if_unmodified_since": before}):
        with pytest.raises(PreconditionError):
            store.get("a", options=options)
    for options in ({"if_none_match": "*"}, {"if_modified_since": after}):
        with pytest.raises(NotModifiedError):
            store.get("a", options=options)
    with pytest.raises((NotSupportedError, NotFoundError)):  # seaweedfs ignores version IDs
        store.get("a", options={"version": "00000000000000000000000000000000"})


def test_lists(store: SealiftStore) -> None:
    assert every_path(store) == sorted(OBJECTS)
    assert every_path(store, "deep") == every_path(store, "deep/") == ["deep/b", "deep/er/c"]
    assert every_path(store, "none") == []
    assert every_path(store, offset="deep/b") == ["deep/er/c", "deeper", "large"]
    found = store.list_with_delimiter()
    assert sorted(meta["path"] for meta in found["objects"]) == ["a", "deeper", "large"]
    assert found["common_prefixes"] == ["deep"]
    found = store.list_with_delimiter("deep")
    assert [meta["path"] for meta in found["objects"]] == ["deep/b"]
    assert found["common_prefixes"] == ["deep/er"]
    assert store.list_with_delimiter("none") == {"objects": [], "common_prefixes": []}


def test_many_objects_are_listed_in_batches() -> None:
    with FakeS3({"b": {f"p/{number:04}": b"" for number in range(1200)}}) as server:
        store = SealiftStore("s3://b/p", config=server.config)
        batches = list(store.list())
        assert [len(batch) for batch in batches] == [500, 500, 200]
        assert batches[0][0]["path"] == "0000"


def test_put(store: SealiftStore, place: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(LARGE)
    files: dict[str, Any] = {
        "bytes": b"x", "view": memoryview(LARGE), "path": tmp_path / "file", "file": io.BytesIO(LARGE),
        "iterator": iter([b"a", b"", bytearray(b"b")]), "empty": b"",
    }  # fmt: skip
    for name, file in files.items():
        assert set(store.put(f"new/{name}", file, use_multipart=None, chunk_size=5 * MiB)) == {"e_tag", "version"}
    content = {name: data for name, data in place.content().items() if name.startswith("new/")}
    assert content == {
        "new/bytes": b"x", "new/view": LARGE, "new/path": LARGE, "new/file": LARGE, "new/iterator": b"ab",
        "new/empty": b"",
    }  # fmt: skip
    for options in ({"mode": "create"}, {"mode": {"e_tag": "x"}}):
        with pytest.raises(NotSupportedError):
            store.put("other", b"x", **options)
    with pytest.raises(TypeError, match="unexpected"):
        store.put("other", b"x", colour="red")

    def failing() -> Iterator[bytes]:
        yield LARGE
        raise LookupError

    with pytest.raises(LookupError):
        store.put("other", failing())
    with pytest.raises(NotFoundError):
        store.head("other")


def test_copy_rename_and_delete(store: SealiftStore, place: Store) -> None:
    store.copy("a", "copy")
    store.rename("deep/b", "moved")
    store.delete("deeper")
    store.delete(["large", "none"])
    left = {"a": OBJECTS["a"], "copy": OBJECTS["a"], "moved": b"bb", "deep/er/c": b"ccc"}
    assert {name: data for name, data in place.content().items() if ".sealift" not in name} == left
    with pytest.raises(NotSupportedError):
        store.copy("a", "b", overwrite=False)
    with pytest.raises(NotFoundError):
        store.copy("none", "b")


def test_errors_have_obspec_s_names(store: SealiftStore) -> None:
    with pytest.raises(NotFoundError) as missing:
        store.get("none")
    assert isinstance(missing.value, ModelMissingError | FileNotFoundError)
    assert str(missing.value).startswith("open ")
    for call in (
        lambda: store.head("none"),
        lambda: store.head("deep"),
        lambda: store.get_range("none", start=0, end=1),
    ):
        with pytest.raises(NotFoundError):
            call()
    with pytest.raises(InvalidPathError):
        store.get("/")


@pytest.mark.parametrize("path", ["../outside", "deep/../../outside", "deep/..", "./a", ".."])
def test_no_path_leads_out_of_the_store(store: SealiftStore, place: Store, tmp_path: Path, path: str) -> None:
    """As in obstore, no segment is "." or ".."."""
    (tmp_path / "outside").write_bytes(b"secret")
    for call in (
        lambda: store.get(path),
        lambda: store.get_range(path, start=0, end=1),
        lambda: store.get_ranges(path, starts=[0], ends=[1]),
        lambda: store.head(path),
        lambda: store.put(path, b"x"),
        lambda: store.delete(["a", path]),
        lambda: store.copy("a", path),
        lambda: store.rename(path, "b"),
        lambda: list(store.list(path)),
        lambda: store.list_with_delimiter(path),
    ):
        with pytest.raises(InvalidPathError, match="segment"):
            call()
    assert (tmp_path / "outside").read_bytes() == b"secret"
    assert place.content() == OBJECTS


def test_denied(seaweedfs: S3Service, bucket: str) -> None:
    config = S3Config(seaweedfs.access_key, "wrong", endpoint_url=seaweedfs.endpoint)
    with pytest.raises(PermissionDeniedError) as denied:
        SealiftStore(f"s3://{bucket}", config=config).get("a")
    assert isinstance(denied.value, AccessDenied)


def test_a_result_that_is_not_read(store: SealiftStore) -> None:
    found = store.get("large")
    del found
    result = iter(store.get("large"))
    assert len(next(result)) == 8 * MiB
    del result
    assert store.get("a").buffer() == OBJECTS["a"]
    found = store.get("a")
    found.buffer()
    with pytest.raises(RuntimeError, match="opened before"):
        found.buffer()


@pytest.mark.anyio
async def test_in_an_event_loop(store: SealiftStore, place: Store) -> None:
    found = await store.get_async("a", options={"range": (1, 3)})
    assert await found.buffer_async() == b"12"
    assert b"".join([chunk async for chunk in await store.get_async("large")]) == LARGE
    assert await store.get_range_async("a", start=1, length=2) == b"12"
    assert await store.get_ranges_async("a", starts=[1], lengths=[2]) == [b"12"]
    assert (await store.head_async("a"))["size"] == 10
    assert sorted([meta["path"] async for batch in store.list_async() for meta in batch]) == sorted(OBJECTS)
    assert (await store.list_with_delimiter_async("deep"))["common_prefixes"] == ["deep/er"]
    await copied(store, store, "large", "again")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    await store.put_async("pieces", pieces())
    await store.copy_async("pieces", "copy")
    await store.rename_async("copy", "moved")
    await store.delete_async(["large", "deeper"])
    content = place.content()
    assert (content["again"], content["pieces"], content["moved"]) == (LARGE, b"ab", b"ab")
    assert not {"large", "deeper", "copy"} & set(content)


def test_attributes_and_tags_are_stored(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    store = SealiftStore(f"s3://{bucket}/attributes", config=config_of(seaweedfs))
    attributes = {"Content-Type": "text/csv", "content-language": "fr", "Owner": "me"}
    store.put("m", b"1,2", attributes=attributes, tags={"team": "nlp"})
    assert store.get("m").attributes == {"Content-Type": "text/csv", "Content-Language": "fr", "owner": "me"}
    tags = client(seaweedfs).get_object_tagging(Bucket=bucket, Key="attributes/m")["TagSet"]
    assert tags == [{"Key": "team", "Value": "nlp"}]
    for options in ({"attributes": attributes}, {"tags": {"team": "nlp"}}):
        with pytest.raises(NotSupportedError, match="a local path does not support"):
            SealiftStore(str(tmp_path)).put("m", b"1,2", **options)
    assert list(tmp_path.iterdir()) == []


def test_versions_that_the_service_keeps(moto: S3Service, make_bucket: MakeBucket) -> None:
    name, s3 = make_bucket(moto), client(moto)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=name, Key="k", Body=b"one", ContentType="a/old")["VersionId"]
    s3.put_object(Bucket=name, Key="k", Body=b"two")
    store = SealiftStore(f"s3://{name}", config=config_of(moto))
    for _ in range(2):
        found = store.get("k", options={"version": first})
        assert (found.meta["version"], found.attributes["Content-Type"]) == (first, "a/old")
        assert found.buffer() == b"one"
        s3.delete_object(Bucket=name, Key="k")  # a delete marker hides the object


def test_one_level_is_listed_with_one_request() -> None:
    objects = {"p/a": b"a"} | {f"p/deep/{number}": b"" for number in range(5000)}
    with FakeS3({"b": objects}) as server:
        found = SealiftStore("s3://b/p", config=server.config).list_with_delimiter()
        assert ([meta["path"] for meta in found["objects"]], found["common_prefixes"]) == (["a"], ["deep"])
        assert len(server.asked) == 1


def test_attributes() -> None:
    from tests.api.servers import Asked, Reply

    told = {"Content-Type": "text/plain", "x-amz-meta-owner": "me"}

    def instead(asked: Asked) -> Reply:
        reply = server._answer(asked)
        reply.headers |= told
        return reply

    with FakeS3({"b": {"m": b"m"}}, instead=instead) as server:
        found = SealiftStore("s3://b", config=server.config).get("m")
        assert found.attributes == {"Content-Type": "text/plain", "owner": "me"}


def test_it_is_described_without_secrets() -> None:
    store = SealiftStore("s3://b/p/", config=S3Config("AKIA", "the-secret", endpoint_url="http://127.0.0.1:1"))
    assert repr(store) == "SealiftStore('s3://b/p')"
    assert store == SealiftStore("s3://b/p", config=store._config)
    assert store != SealiftStore("s3://b/p", config=S3Config("AKIA", "other", endpoint_url="http://127.0.0.1:1"))
    with pytest.raises(InvalidConfig, match="query"):
        SealiftStore("https://example.com/m?sig=secret")
