"""What a caller sets on objects: each service stores it, however an object is written, or refuses it by name."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, Event, Limits, UnsupportedOperation, WriteOptions
from sealift.types import MiB
from tests.api.described import METADATA, TAGS, Described, InAzure, InGCS, InS3
from tests.api.servers import pattern
from tests.services import azurite as azure_sdk
from tests.services import gcs as google_sdk
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.http_server import OddServer, Reply
from tests.services.s3 import MakeBucket, S3Service, client

pytestmark = pytest.mark.anyio

HEADERS = {
    "content_type": "application/x-model",
    "content_encoding": "br",
    "content_language": "fr",
    "content_disposition": 'attachment; filename="model.bin"',
    "cache_control": "max-age=60",
}
SET: dict[str, Any] = {**HEADERS, "metadata": {"stage": "test", "note": "two words"}}
OTHERS: dict[str, Any] = {
    "expires": "Wed, 21 Oct 2026 07:28:00 GMT",
    "tags": {"cost": "a b"},
    "storage_class": "STANDARD_IA",
    "acl": "public-read",
    "sse": "AES256",
    "kms_key_id": "alias/models",
    "bucket_key": True,
    "encryption_scope": "models",
}
# Options that a service has besides `SET`.
OWN = {
    "seaweedfs": ("expires", "tags", "storage_class", "acl", "sse", "kms_key_id", "bucket_key"),
    "moto": ("expires", "tags", "storage_class", "acl", "sse", "kms_key_id", "bucket_key"),
    "gcs": ("storage_class", "acl", "kms_key_id"),
    "azurite": ("tags", "storage_class", "encryption_scope"),
}
WAYS = ("one request", "empty", "parts", "many", "a stream")
LARGE = pattern(11 * MiB)


@pytest.fixture
def make(
    request: pytest.FixtureRequest,
    make_bucket: MakeBucket,
    seaweedfs: S3Service,
    moto: S3Service,
    gcs: GCSService,
    azurite: AzureService,
) -> Callable[[str], Described]:
    """Create a bucket or container at a service; all are started here, not in an event loop."""
    services: dict[str, Any] = {"seaweedfs": seaweedfs, "moto": moto, "gcs": gcs, "azurite": azurite}

    def made(name: str) -> Described:
        service = services[name]
        if name == "gcs":
            return InGCS(service, google_sdk.new_bucket(service, request.node.name))
        if name == "azurite":
            return InAzure(service, azure_sdk.new_container(service))
        return InS3(service, make_bucket(service))

    return made


@pytest.fixture
def storage(gcs: GCSService) -> AsyncStorage:
    return AsyncStorage(Limits(part_size=5 * MiB, memory=24 * MiB), environ=gcs.environ)


async def write(storage: AsyncStorage, place: Described, way: str, directory: Path, options: WriteOptions) -> str:
    """Write an object in one of the ways that the engine has, and return its key."""
    if way == "a stream":
        with OddServer(lambda asked: Reply(200, b"bytes", framing="chunked")) as server:
            await storage.copy(f"{server.url}/k", f"{place.uri}k.onnx", dest_config=place.config, write_options=options)
        return "k.onnx"
    contents = {"one request": b"bytes", "empty": b"", "parts": LARGE, "many": b"small"}
    names = [f"{number}.onnx" for number in range(20)] if way == "many" else ["k.onnx"]
    for name in names:
        (directory / name).write_bytes(contents[way])
    source = directory if way == "many" else directory / "k.onnx"
    target = f"{place.uri}m" if way == "many" else f"{place.uri}k.onnx"
    await storage.upload(source, target, config=place.config, write_options=options)
    return "m/7.onnx" if way == "many" else "k.onnx"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OWN)
async def test_headers_and_metadata_are_stored(
    make: Callable[[str], Described], storage: AsyncStorage, tmp_path: Path, name: str, way: str
) -> None:
    place = make(name)
    more = {option: OTHERS[option] for option in ("expires", "tags") if option in OWN[name]}
    key = await write(storage, place, way, tmp_path, WriteOptions(**SET, **more))
    assert place.told(key) == {**SET, "expires": more.get("expires"), "tags": more.get("tags", {})}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OWN)
async def test_without_options_the_content_type_follows_the_name(
    make: Callable[[str], Described], storage: AsyncStorage, tmp_path: Path, name: str, way: str
) -> None:
    place = make(name)
    key = await write(storage, place, way, tmp_path, WriteOptions())
    told = place.told(key)
    assert told["content_type"] == "application/octet-stream"
    (tmp_path / "config.json").write_bytes(b"{}")
    await storage.upload(tmp_path / "config.json", f"{place.uri}c/", config=place.config)
    assert place.told("c/config.json")["content_type"] == "application/json"
    assert place.told("c/config.json")["metadata"] == {}


@pytest.mark.parametrize("name", OWN)
async def test_file_objects_store_them(make: Callable[[str], Described], storage: AsyncStorage, name: str) -> None:
    place = make(name)
    contents = {"empty.onnx": b"", "small.onnx": b"bytes", "large.onnx": LARGE}
    for key, data in contents.items():
        options = WriteOptions(**SET)
        async with storage.open(f"{place.uri}{key}", "wb", config=place.config, write_options=options) as file:
            await file.write(data)
        told = place.told(key)
        assert {option: told[option] for option in SET} == SET
    async with storage.open(f"{place.uri}config.json", "wb", config=place.config) as file:
        await file.write(b"{}")
    assert place.told("config.json")["content_type"] == "application/json"


@pytest.mark.parametrize("way", WAYS)
async def test_storage_class_encryption_and_acl_of_s3(
    make: Callable[[str], Described], moto: S3Service, storage: AsyncStorage, tmp_path: Path, way: str
) -> None:
    place = make("moto")
    options = WriteOptions(storage_class="STANDARD_IA", sse="aws:kms", kms_key_id="a-key", acl="public-read")
    key = await write(storage, place, way, tmp_path, options)
    bucket = place.uri.removeprefix("s3://").strip("/")
    head = client(moto).head_object(Bucket=bucket, Key=key)
    assert (head["StorageClass"], head["ServerSideEncryption"]) == ("STANDARD_IA", "aws:kms")
    assert head["SSEKMSKeyId"] == "a-key"
    grants = client(moto).get_object_acl(Bucket=bucket, Key=key)["Grants"]
    assert "READ" in {grant["Permission"] for grant in grants if "AllUsers" in grant["Grantee"].get("URI", "")}


@pytest.mark.parametrize("way", WAYS)
async def test_the_access_tier_of_azure(
    make: Callable[[str], Described], request: pytest.FixtureRequest, storage: AsyncStorage, tmp_path: Path, way: str
) -> None:
    place = make("azurite")
    key = await write(storage, place, way, tmp_path, WriteOptions(storage_class="Cool"))
    container = azure_sdk.container_client(request.getfixturevalue("azurite"), place.uri.split("/")[2])
    found = await asyncio.to_thread(container.get_blob_client(key).get_blob_properties)
    assert found.blob_tier == "Cool"


@pytest.mark.parametrize("way", WAYS)
async def test_the_storage_class_of_google(
    make: Callable[[str], Described], gcs: GCSService, storage: AsyncStorage, tmp_path: Path, way: str
) -> None:
    """The server stores a storage class only for objects of one request."""
    place = make("gcs")
    key = await write(storage, place, way, tmp_path, WriteOptions(storage_class="NEARLINE"))
    bucket = google_sdk.client(gcs).bucket(place.uri.split("/")[2])
    blob = await asyncio.to_thread(bucket.get_blob, key)
    assert blob.storage_class == ("STANDARD" if way == "parts" else "NEARLINE")


@pytest.mark.parametrize("name", OWN)
async def test_what_a_service_does_not_have_is_refused_by_name(
    make: Callable[[str], Described], storage: AsyncStorage, tmp_path: Path, name: str
) -> None:
    place = make(name)
    (tmp_path / "k").write_bytes(b"bytes")
    for option in set(OTHERS) - {*OWN[name]}:
        options = WriteOptions(**{option: OTHERS[option]})
        for call in (
            storage.upload(tmp_path / "k", f"{place.uri}k", config=place.config, write_options=options),
            storage.upload_many([(tmp_path / "k", f"{place.uri}k")], config=place.config, write_options=options),
            storage.copy(str(tmp_path / "k"), f"{place.uri}k", config=place.config, write_options=options),
            storage.copy_object(str(tmp_path / "k"), f"{place.uri}k", config=place.config, write_options=options),
            storage.copy_many([(str(tmp_path / "k"), f"{place.uri}k")], config=place.config, write_options=options),
            storage.sync(str(tmp_path), f"{place.uri}", config=place.config, write_options=options),
        ):
            with pytest.raises(UnsupportedOperation, match=rf"does not support WriteOptions\({option}=…\)"):
                await call
        with pytest.raises(UnsupportedOperation, match=rf"does not support WriteOptions\({option}=…\)"):
            await storage.open(f"{place.uri}k", "wb", config=place.config, write_options=options)
    assert await storage.list_objects(place.uri, config=place.config) == []


async def test_a_local_path_has_none(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "k").write_bytes(b"bytes")
    storage, options = AsyncStorage(), WriteOptions(content_type="a/b")
    for call in (
        storage.copy(str(tmp_path / "a"), str(tmp_path / "b"), write_options=options),
        storage.sync(str(tmp_path / "a"), str(tmp_path / "b"), write_options=options),
    ):
        with pytest.raises(UnsupportedOperation, match=r"a local path does not support WriteOptions\(content_type=…\)"):
            await call
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["seaweedfs", "moto", "azurite"])
async def test_metadata_that_a_service_cannot_store_is_refused(
    make: Callable[[str], Described], storage: AsyncStorage, tmp_path: Path, name: str
) -> None:
    place = make(name)
    for way in ("k", "many"):
        (tmp_path / way).mkdir()
        for number in range(10):
            (tmp_path / way / f"{number}").write_bytes(b"small")
    (tmp_path / "large").write_bytes(LARGE)
    for source in ("k/1", "many", "large"):
        with pytest.raises(UnsupportedOperation, match="cannot store metadata 'a b' of WriteOptions"):
            await storage.upload(
                tmp_path / source, place.uri, config=place.config, write_options=WriteOptions(metadata={"a b": "1"})
            )
    assert await storage.list_objects(place.uri, config=place.config) == []


@pytest.mark.parametrize("data", [b"bytes", b"", LARGE], ids=["small", "empty", "large"])
@pytest.mark.parametrize("name", OWN)
async def test_a_copy_inside_a_service_replaces_what_is_set_and_keeps_the_rest(
    make: Callable[[str], Described], storage: AsyncStorage, name: str, data: bytes
) -> None:
    place = make(name)
    place.put("m/k", data)
    before = place.told("m/k")
    more = {option: OTHERS[option] for option in ("tags",) if option in OWN[name]}
    for number, (option, value) in enumerate({**SET, **more}.items()):
        events: list[Event] = []
        await storage.copy(
            f"{place.uri}m",
            f"{place.uri}copy/{number}",
            config=place.config,
            write_options=WriteOptions(**{option: value}),
            on_event=events.append,
        )
        assert place.told(f"copy/{number}/k") == {**before, option: value}
        assert place.content(f"copy/{number}/k") == data
        assert not [event.dropped for event in events if event.dropped]


@pytest.mark.parametrize("name", ["moto", "azurite", "gcs"])
async def test_a_change_of_the_storage_class_alone_keeps_everything_else(
    make: Callable[[str], Described], request: pytest.FixtureRequest, storage: AsyncStorage, name: str
) -> None:
    place = make(name)
    place.put("k", b"bytes")
    cool = {"moto": "GLACIER_IR", "azurite": "Cool", "gcs": "NEARLINE"}[name]
    await storage.copy_object(
        f"{place.uri}k", f"{place.uri}copy", config=place.config, write_options=WriteOptions(storage_class=cool)
    )
    assert place.told("copy") == place.told("k")
    root = place.uri.split("/")[2]
    service = request.getfixturevalue(name)
    if name == "moto":
        assert client(service).head_object(Bucket=root, Key="copy")["StorageClass"] == cool
    elif name == "azurite":
        blob = azure_sdk.container_client(service, root).get_blob_client("copy")
        assert (await asyncio.to_thread(blob.get_blob_properties)).blob_tier == cool


@pytest.mark.parametrize("ends", ["moto to gcs", "gcs to azurite", "azurite to seaweedfs"])
async def test_a_copy_between_services_replaces_what_is_set(
    make: Callable[[str], Described], storage: AsyncStorage, ends: str
) -> None:
    source, target = map(make, ends.split(" to "))
    for key, data in {"m/small": b"bytes", "m/large": LARGE, "m/empty": b""}.items():
        source.put(key, data)
    options = WriteOptions(content_type="application/x-model", metadata={"stage": "test"})
    await storage.sync(
        f"{source.uri}m", f"{target.uri}n", config=source.config, dest_config=target.config, write_options=options
    )
    expected = {**target.expected(source), "content_type": "application/x-model", "metadata": {"stage": "test"}}
    for key in ("small", "large", "empty"):
        assert target.told(f"n/{key}") == expected


async def test_tags_that_are_set_are_not_read_at_the_source(
    make: Callable[[str], Described], storage: AsyncStorage
) -> None:
    source, target = make("moto"), make("azurite")
    source.put("k", b"bytes")
    await storage.copy(
        f"{source.uri}k",
        f"{target.uri}k",
        config=source.config,
        dest_config=target.config,
        write_options=WriteOptions(tags={"cost": "1"}),
    )
    told = target.told("k")
    assert (told["tags"], told["metadata"]) == ({"cost": "1"}, METADATA)
    assert told["tags"] != TAGS
