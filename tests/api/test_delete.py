"""`delete`, `delete_object` and `delete_many`."""

import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from sealift import (
    AccessDenied,
    AsyncStorage,
    Event,
    IncompleteError,
    InvalidConfig,
    InvalidURI,
    Limits,
    ModelMissingError,
    S3Config,
)
from sealift.backends.local import LocalBackend
from sealift.backends.s3.bucket import Bucket
from sealift.instance import Instance
from sealift.wire import Response
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import FakeS3, Reply
from tests.api.stores import Store, directory, objects_in, prefix
from tests.services.s3 import MakeBucket, S3Service, new_bucket, put_objects

pytestmark = pytest.mark.anyio

TREE = {"m/a.bin": b"a", "m/deep/b.bin": b"b", "m/deep/c.txt": b"c", "m/empty": b"", "m-2/a.bin": b"x", "other": b"o"}


@pytest.fixture(scope="module")
def buckets(seaweedfs: S3Service, moto: S3Service) -> dict[str, tuple[S3Service, str]]:
    """Shared buckets, in which each test uses its own prefix."""
    return {service.name: (service, new_bucket(service, "delete")) for service in (seaweedfs, moto)}


@pytest.fixture(params=["local", "seaweedfs", "moto"])
def store(request: pytest.FixtureRequest, buckets: dict[str, tuple[S3Service, str]], tmp_path: Path) -> Store:
    """A store that holds `TREE`."""
    if request.param == "local":
        found = directory(tmp_path / "root")
    else:
        found = prefix(*buckets[request.param], uuid.uuid4().hex)
    found.put(TREE)
    return found


def without(*gone: str) -> dict[str, bytes]:
    return {path: data for path, data in TREE.items() if path not in gone}


async def test_an_object(store: Store) -> None:
    events: list[Event] = []
    assert await AsyncStorage().delete(f"{store.uri}/m/deep/b.bin", config=store.config, on_event=events.append) == 1
    assert store.content() == without("m/deep/b.bin")
    assert [(event.kind, event.key.rpartition("m/")[2]) for event in events] == [("deleted", "deep/b.bin")]


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_prefix(store: Store, slash: str) -> None:
    """A prefix ends at a "/": `m` does not match `m-2`."""
    events: list[Event] = []
    storage = AsyncStorage()
    assert (
        await storage.delete(f"{store.uri}/m{slash}", config=store.config, recursive=True, on_event=events.append) == 4
    )
    assert store.content() == without("m/a.bin", "m/deep/b.bin", "m/deep/c.txt", "m/empty")
    assert {event.kind for event in events} == {"deleted"}
    assert sorted(event.key.rpartition("m/")[2] for event in events) == ["a.bin", "deep/b.bin", "deep/c.txt", "empty"]
    with pytest.raises(ModelMissingError):
        await storage.delete(f"{store.uri}/m{slash}", config=store.config, recursive=True)


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_prefix_needs_recursive(store: Store, slash: str) -> None:
    with pytest.raises(InvalidConfig, match="is a prefix, not an object") as caught:
        await AsyncStorage().delete(f"{store.uri}/m{slash}", config=store.config)
    assert str(caught.value).startswith("delete ")
    assert store.content() == TREE


@pytest.mark.parametrize(
    ("allow", "ignore", "gone"),
    [
        ("*.bin", None, ("m/a.bin", "m/deep/b.bin")),
        (None, "deep/*", ("m/a.bin", "m/empty")),
        (["*.bin", "*.txt"], ["a*"], ("m/deep/b.bin", "m/deep/c.txt")),
    ],
)
async def test_patterns(
    store: Store, allow: list[str] | str | None, ignore: list[str] | str | None, gone: tuple[str, ...]
) -> None:
    removed = await AsyncStorage().delete(
        f"{store.uri}/m", config=store.config, recursive=True, allow_patterns=allow, ignore_patterns=ignore
    )
    assert removed == len(gone)
    assert store.content() == without(*gone)


async def test_patterns_that_let_nothing_through(store: Store) -> None:
    for path in ("m", "m/a.bin"):
        with pytest.raises(ModelMissingError, match="patterns"):
            await AsyncStorage().delete(
                f"{store.uri}/{path}", config=store.config, recursive=True, allow_patterns="*.onnx"
            )
    assert store.content() == TREE


@pytest.mark.parametrize("path", ["none", "none/", "m/a", "m/a.bin/"])
async def test_nothing_there(store: Store, path: str) -> None:
    with pytest.raises(ModelMissingError) as caught:
        await AsyncStorage().delete(f"{store.uri}/{path}", config=store.config, recursive=True)
    assert f"{store.uri}/{path}" in str(caught.value)
    assert store.content() == TREE


async def test_a_dry_run_only_tells(store: Store) -> None:
    for path, count in (("m", 4), ("m/a.bin", 1)):
        events: list[Event] = []
        removed = await AsyncStorage().delete(
            f"{store.uri}/{path}", config=store.config, recursive=True, dry_run=True, on_event=events.append
        )
        assert removed == count == len(events)
        assert {event.kind for event in events} == {"deleted"}
    assert store.content() == TREE


async def test_an_object_wins_over_a_prefix(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    put_objects(seaweedfs, bucket, {"both": b"object", "both/part": b"part"})
    async with AsyncStorage() as storage:
        assert await storage.delete(f"s3://{bucket}/both", config=config, recursive=True) == 1
        assert objects_in(seaweedfs, bucket) == {"both/part": b"part"}
        assert await storage.delete(f"s3://{bucket}", config=config, recursive=True) == 1
    assert objects_in(seaweedfs, bucket) == {}


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that delete several objects."""
    found: list[str] = []
    send = Bucket.send

    async def watched(
        self: Bucket,
        method: str,
        key: str | None,
        headers: Sequence[tuple[str, str]] = (),
        query: dict[str, str] | None = None,
        *,
        body: memoryview | None = None,
    ) -> Response:
        if method in {"POST", "DELETE"}:
            found.append(method)
        return await send(self, method, key, headers, query, body=body)

    monkeypatch.setattr(Bucket, "send", watched)
    return found


async def test_more_than_one_request_takes(
    rclone_s3: S3Service, make_bucket: MakeBucket, tmp_path: Path, batches: list[str]
) -> None:
    bucket = make_bucket(rclone_s3)
    assert rclone_s3.directory is not None
    root = rclone_s3.directory / bucket
    directory(root / "m").put({f"{number % 7}/{number:04}": b"x" for number in range(2500)})
    directory(root).put({"other": b"o"})
    events: list[Event] = []
    uri = f"s3://{bucket}/m"
    removed = await AsyncStorage().delete(uri, config=config_of(rclone_s3), recursive=True, on_event=events.append)
    assert removed == 2500 == len({event.key for event in events})
    assert files_in(root) == {"other": b"o"}
    assert batches == ["POST"] * 3


async def test_more_files_than_one_step_takes(tmp_path: Path) -> None:
    directory(tmp_path).put({f"m/{number % 30}/{number % 7}/{number:04}": b"x" for number in range(2500)})
    assert await AsyncStorage().delete(f"{tmp_path}/m", recursive=True) == 2500
    assert all_in(tmp_path) == set()


async def test_directories_that_become_empty_go(tmp_path: Path) -> None:
    directory(tmp_path).put({"m/a": b"a", "m/deep/er/b": b"b", "m/kept/c": b"c"})
    (tmp_path / "m" / "void").mkdir()
    storage = AsyncStorage()
    assert await storage.delete(f"{tmp_path}/m/deep", recursive=True) == 1
    assert all_in(tmp_path) == {"m", "m/a", "m/kept", "m/kept/c", "m/void"}
    assert await storage.delete(f"{tmp_path}/m", recursive=True, ignore_patterns=["a", "void/"]) == 1
    assert all_in(tmp_path) == {"m", "m/a", "m/void"}
    assert await storage.delete(f"{tmp_path}/m/a") == 1
    assert all_in(tmp_path) == {"m", "m/void"}


async def test_what_a_link_leads_to_stays(tmp_path: Path) -> None:
    directory(tmp_path).put({"outside/a": b"a", "outside/deep/b": b"b", "m/x": b"x", "m/deep/y": b"y"})
    (tmp_path / "m" / "directory").symlink_to(tmp_path / "outside")
    (tmp_path / "m" / "deep" / "file").symlink_to(tmp_path / "outside" / "a")
    (tmp_path / "m" / "dangling").symlink_to(tmp_path / "nowhere")
    assert await AsyncStorage().delete(f"{tmp_path}/m", recursive=True) == 5
    assert files_in(tmp_path / "outside") == {"a": b"a", "deep/b": b"b"}
    assert not (tmp_path / "m").exists()


async def test_a_link_itself_goes(tmp_path: Path) -> None:
    directory(tmp_path).put({"there/a": b"a"})
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert await AsyncStorage().delete(f"{tmp_path}/link", recursive=True) == 1
    assert all_in(tmp_path) == {"there", "there/a"}


async def test_what_lies_under_a_link_goes(tmp_path: Path) -> None:
    """A trailing "/" names the directory behind the link, as in `rm -r link/`."""
    directory(tmp_path).put({"there/a": b"a", "there/deep/b": b"b"})
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert await AsyncStorage().delete(f"{tmp_path}/link/", recursive=True) == 2
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("uri", ["/", "file:///", "//", "/tmp/.."])
async def test_the_whole_machine_is_refused(uri: str) -> None:
    with pytest.raises(InvalidConfig, match="every file of the machine"):
        await AsyncStorage().delete(uri, recursive=True, dry_run=True)


async def test_directory_markers_go_too(seaweedfs: S3Service, moto: S3Service, make_bucket: MakeBucket) -> None:
    for service in (seaweedfs, moto):
        bucket = make_bucket(service)
        put_objects(service, bucket, {"m/": b"", "m/void/": b"", "m/x": b"x", "other": b"o"})
        assert await AsyncStorage().delete(f"s3://{bucket}/m", config=config_of(service), recursive=True) == 3
        assert objects_in(service, bucket) == {"other": b"o"}


@pytest.mark.parametrize(
    ("allow", "ignore", "kept"),
    [
        ("*.bin", None, {"m/", "m/void/", "m/x"}),
        (None, "void*", {"m/void/"}),
        ("void/*", None, {"m/", "m/x", "m/a.bin"}),
    ],
)
async def test_patterns_are_for_directory_markers_too(
    moto: S3Service, make_bucket: MakeBucket, allow: str | None, ignore: str | None, kept: set[str]
) -> None:
    bucket = make_bucket(moto)
    put_objects(moto, bucket, {"m/": b"", "m/void/": b"", "m/x": b"x", "m/a.bin": b"a"})
    await AsyncStorage().delete(
        f"s3://{bucket}/m", config=config_of(moto), recursive=True, allow_patterns=allow, ignore_patterns=ignore
    )
    assert set(objects_in(moto, bucket)) == kept


async def test_without_permission(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs, seaweedfs.read_only)
    put_objects(seaweedfs, bucket, {"m/a": b"a", "m/b": b"b"})
    storage = AsyncStorage()
    for uri in (f"s3://{bucket}/m", f"s3://{bucket}/m/a"):
        with pytest.raises(AccessDenied, match="no permission"):
            await storage.delete(uri, config=config, recursive=True)
    with pytest.raises(AccessDenied, match="no permission"):
        await storage.delete_object(f"s3://{bucket}/m/a", config=config)
    assert objects_in(seaweedfs, bucket) == {"m/a": b"a", "m/b": b"b"}


async def test_a_bucket_that_does_not_exist(moto: S3Service) -> None:
    with pytest.raises(ModelMissingError, match="there is no bucket"):
        await AsyncStorage().delete("s3://no-such-bucket/m/", config=config_of(moto), recursive=True)


async def test_delete_object(store: Store) -> None:
    storage = AsyncStorage()
    for path in ("m/a.bin", "m/empty"):
        assert await storage.delete_object(f"{store.uri}/{path}", config=store.config) is True
        assert await storage.delete_object(f"{store.uri}/{path}", config=store.config) is False
    assert store.content() == without("m/a.bin", "m/empty")
    for path in ("m", "m/deep", "none", "m/deep/b.bin/below"):
        assert await storage.delete_object(f"{store.uri}/{path}", config=store.config) is False
    assert store.content() == without("m/a.bin", "m/empty")


@pytest.mark.parametrize("uri", ["s3://models", "s3://models/", "/"])
async def test_delete_object_of_a_bucket(uri: str) -> None:
    with pytest.raises(InvalidURI, match="names a bucket, not an object"):
        await AsyncStorage().delete_object(uri, config=S3Config("AKIA", "secret", endpoint_url="http://127.0.0.1:1"))


async def test_what_a_service_refuses_is_named(tmp_path: Path) -> None:
    """The error names the objects that were not deleted; the rest is deleted."""
    refused = (
        b"<DeleteResult><Error><Key>m/b</Key><Code>AccessDenied</Code></Error>"
        b"<Error><Key>m/c</Key><Code>MalformedXML</Code><Message>No.</Message></Error></DeleteResult>"
    )
    events: list[Event] = []
    with FakeS3(
        {"b": {f"m/{name}": b"x" for name in "abcd"}},
        instead=lambda asked: Reply(200, refused) if asked.method == "POST" else None,
    ) as server:
        with pytest.raises(
            IncompleteError, match="b: no permission to delete 'm/b'; c: 'm/c' was not deleted"
        ) as caught:
            await AsyncStorage().delete("s3://b/m", config=server.config, recursive=True, on_event=events.append)
    assert [each.key for each in caught.value.skipped] == ["m/b", "m/c"]
    assert {(event.kind, event.key) for event in events} == {
        ("deleted", "m/a"), ("deleted", "m/d"), ("skipped", "m/b"), ("skipped", "m/c"),
    }  # fmt: skip


async def test_a_directory_that_becomes_a_link_meanwhile(tmp_path: Path) -> None:
    """The target of the link is not removed."""
    directory(tmp_path).put({"outside/b": b"b", "m/a": b"a"})
    (tmp_path / "m" / "deep").symlink_to(tmp_path / "outside")
    async with Instance(Limits(), {}) as instance:
        backend = LocalBackend("/", instance.disk)
        under = f"{tmp_path}/m/"[1:]
        with pytest.raises(IncompleteError, match="behind the link deep"):
            await backend.delete_many([f"{under}a", f"{under}deep/b"], under)
    assert files_in(tmp_path / "outside") == {"b": b"b"}
    assert not (tmp_path / "m" / "a").exists()
