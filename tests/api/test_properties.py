"""Copies keep object properties: headers, user metadata and tags."""

import asyncio
import gzip
import random
import urllib.request
from collections.abc import Callable
from dataclasses import replace

import pytest

from sealift import AsyncStorage, Event, Limits
from sealift.types import MiB
from tests.api.described import EXPIRES, HEADERS, METADATA, TAGS, Described, InAzure, InGCS, InS3
from tests.api.helpers import config_of
from tests.services import azurite as azure_sdk
from tests.services import gcs as google_sdk
from tests.services.gcs import GCSService
from tests.services.s3 import MakeBucket, S3Service

pytestmark = pytest.mark.anyio

Ends = tuple[Described, Described]

# One part, empty, and several parts; copied as stored, regardless of Content-Encoding.
OBJECTS = {"small": gzip.compress(b"a,b\n" * 50), "empty": b"", "large": random.Random(5).randbytes(11 * MiB)}
SERVICES = ("seaweedfs", "moto", "gcs", "azurite")


@pytest.fixture
def make(request: pytest.FixtureRequest, make_bucket: MakeBucket) -> Callable[[str], Described]:
    """Create a bucket or container at a service."""

    def made(name: str) -> Described:
        service = request.getfixturevalue(name)
        if name == "gcs":
            return InGCS(service, google_sdk.new_bucket(service, request.node.name))
        if name == "azurite":
            return InAzure(service, azure_sdk.new_container(service))
        return InS3(service, make_bucket(service))

    return made


@pytest.fixture
def ends(request: pytest.FixtureRequest, make: Callable[[str], Described]) -> Ends:
    """A source and a destination."""
    source, destination = request.param.split(" to ")
    return make(source), make(destination)


@pytest.fixture
def storage(gcs: GCSService) -> AsyncStorage:
    return AsyncStorage(Limits(part_size=5 * MiB, memory=24 * MiB), environ=gcs.environ)


BETWEEN = [f"{source} to {destination}" for source in SERVICES for destination in SERVICES]


@pytest.mark.parametrize("ends", BETWEEN, indirect=True)
async def test_a_copy_keeps_them(ends: Ends, storage: AsyncStorage) -> None:
    """Between services and within one, for objects of any size from a listing."""
    source, target = ends
    for key, data in OBJECTS.items():
        source.put(f"m/{key}", data)
    events: list[Event] = []
    await storage.copy(
        f"{source.uri}m", f"{target.uri}n", config=source.config, dest_config=target.config, on_event=events.append
    )
    for key, data in OBJECTS.items():
        assert target.told(f"n/{key}") == target.expected(source), key
        assert target.content(f"n/{key}") == data
    found = [event for event in events if event.kind == "object"]
    assert [set(event.dropped) for event in found] == [target.dropped(source)] * len(OBJECTS)


@pytest.mark.parametrize("ends", BETWEEN, indirect=True)
async def test_a_copy_of_one_object_and_a_sync_keep_them(ends: Ends, storage: AsyncStorage) -> None:
    source, target = ends
    for key in ("m/small", "m/empty"):
        source.put(key, OBJECTS[key.removeprefix("m/")])
        await storage.copy_object(
            f"{source.uri}{key}", f"{target.uri}{key}", config=source.config, dest_config=target.config
        )
        assert target.told(key) == target.expected(source)
    await storage.sync(f"{source.uri}m", f"{target.uri}synced", config=source.config, dest_config=target.config)
    assert target.told("synced/small") == target.expected(source)


@pytest.mark.parametrize("ends", ["moto to moto", "moto to gcs", "gcs to moto"], indirect=True)
async def test_those_of_directory_markers_are_kept(ends: Ends, storage: AsyncStorage) -> None:
    """SeaweedFS stores no properties for directory markers."""
    source, target = ends
    source.put("m/directory/", b"")
    await storage.copy(f"{source.uri}m", f"{target.uri}n", config=source.config, dest_config=target.config)
    assert target.told("n/directory/") == target.expected(source)


@pytest.mark.parametrize("name", SERVICES)
async def test_what_is_known_of_an_object(make: Callable[[str], Described], storage: AsyncStorage, name: str) -> None:
    place = make(name)
    place.put("k", b"bytes")
    told = await storage.get_object_metadata(f"{place.uri}k", config=place.config)
    assert {field: told[field] for field in HEADERS} == HEADERS
    assert told["expires"] == (EXPIRES if place.expires else None)
    assert told["metadata"] == METADATA
    assert told["tags"] == (TAGS if place.tags else {})


@pytest.mark.parametrize("ends", ["seaweedfs to azurite", "moto to azurite"], indirect=True)
async def test_metadata_that_azure_cannot_store_is_named(ends: Ends, storage: AsyncStorage) -> None:
    source, target = ends
    source.put("k", b"bytes", {"good": "yes", "a-b": "x", "1st": "x", "hdi_isfolder": "true"})
    events: list[Event] = []
    await storage.copy(
        f"{source.uri}k", f"{target.uri}k", config=source.config, dest_config=target.config, on_event=events.append
    )
    assert target.told("k")["metadata"] == {"good": "yes"}
    (found,) = [event for event in events if event.kind == "object"]
    assert set(found.dropped) == {"Expires", "metadata 'a-b'", "metadata '1st'", "metadata 'hdi_isfolder'"}


@pytest.mark.parametrize("ends", ["gcs to moto", "gcs to seaweedfs", "gcs to azurite"], indirect=True)
async def test_names_that_differ_only_in_their_case(ends: Ends, storage: AsyncStorage) -> None:
    """Google Cloud Storage distinguishes them; the other services do not."""
    source, target = ends
    source.put("k", b"bytes", {"Owner": "me", "owner": "you", "Two": "x"})
    events: list[Event] = []
    await storage.copy(
        f"{source.uri}k", f"{target.uri}k", config=source.config, dest_config=target.config, on_event=events.append
    )
    metadata = {name.lower(): value for name, value in target.told("k")["metadata"].items()}
    assert metadata["two"] == "x"
    (found,) = [event for event in events if event.kind == "object"]
    lost = {"me": "metadata 'owner'", "you": "metadata 'Owner'"}
    assert found.dropped == (lost[metadata["owner"]],)


@pytest.mark.parametrize("ends", ["gcs to moto", "gcs to seaweedfs", "gcs to gcs"], indirect=True)
async def test_metadata_that_is_not_ascii(ends: Ends, make: Callable[[str], Described], storage: AsyncStorage) -> None:
    source, middle = ends
    metadata = {"town": "Zürich 日本", "word": "=?UTF-8?Q?x?=", "long": "ß" * 200}
    source.put("k", b"bytes", metadata)
    await storage.copy(f"{source.uri}k", f"{middle.uri}k", config=source.config, dest_config=middle.config)
    assert (await storage.get_object_metadata(f"{middle.uri}k", config=middle.config))["metadata"] == metadata
    back = make("gcs")
    await storage.copy(f"{middle.uri}k", f"{back.uri}k", config=middle.config, dest_config=back.config)
    assert back.told("k")["metadata"] == metadata


async def test_an_expires_that_is_no_date_is_kept(
    moto: S3Service, make: Callable[[str], Described], storage: AsyncStorage
) -> None:
    """The SDK would not send such a value, but other programs do."""
    source, target = make("moto"), make("moto")
    url = f"{moto.endpoint}/{source.uri.removeprefix('s3://')}k"
    signed = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    request = urllib.request.Request(url, b"bytes", {"authorization": signed, "expires": "never"}, method="PUT")
    with await asyncio.to_thread(urllib.request.urlopen, request) as reply:
        assert reply.status == 200
    other = replace(config_of(moto), session_token="another")  # treated as another service
    await storage.copy(f"{source.uri}k", f"{target.uri}k", config=source.config, dest_config=other)
    assert target.told("k")["expires"] == "never"
