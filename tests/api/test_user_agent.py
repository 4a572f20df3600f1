"""Each request names sealift, and what the program adds, in its User-Agent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, GCSConfig, InvalidConfig, Limits, S3Config
from sealift.config.user_agent import OWN_USER_AGENT
from sealift.types import MiB
from sealift.wire.connection import Connection
from tests.api.servers import FakeS3, pattern
from tests.services import azurite as azure_service
from tests.services import gcs as gcs_service
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.http_server import OddServer, Reply, good
from tests.services.hub import FakeHub
from tests.services.s3 import MakeBucket, S3Service

pytestmark = pytest.mark.anyio

AGENT = f"{OWN_USER_AGENT} my-server/2.1"
ENVIRON = {"SEALIFT_USER_AGENT": "my-server/2.1"}
LARGE = pattern(20 * MiB)
_METHODS = (b"GET ", b"HEAD ", b"PUT ", b"POST ", b"DELETE ")


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The heads of all requests that this process sends, except through a proxy."""
    found: list[str] = []
    send = Connection.send

    def recorded(self: Connection, data: Any) -> None:
        if bytes(data[:8]).startswith(_METHODS):
            found.append(bytes(data).partition(b"\r\n\r\n")[0].decode("latin-1"))
        send(self, data)

    monkeypatch.setattr(Connection, "send", recorded)
    yield found
    for head in found:
        assert head.lower().split("\r\n").count(f"user-agent: {AGENT}".lower()) == 1, head.partition("\r\n")[0]
        assert head.lower().count("\r\nuser-agent:") == 1


async def all_verbs(storage: AsyncStorage, uri: str, config: Any, tmp_path: Path) -> None:
    """Large objects, small ones in series, and all other requests."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "large").write_bytes(LARGE)
    for name in "abcdef":
        (source / name).write_bytes(name.encode())
    await storage.upload(source, f"{uri}p", config=config)
    await storage.download(f"{uri}p", tmp_path / "got", config=config)
    assert (tmp_path / "got" / "large").read_bytes() == LARGE
    await storage.copy(f"{uri}p/a", f"{uri}q/a", config=config)
    await storage.sync(f"{uri}p", f"{uri}q", config=config, delete=True)
    assert await storage.read(f"{uri}p/b", config=config) == b"b"
    assert [chunk async for chunk in storage.stream(f"{uri}p/b", config=config)] == [b"b"]
    await storage.get_object_metadata(f"{uri}p/b", config=config)
    await storage.delete(f"{uri}q", recursive=True, config=config)


LIMITS = Limits(part_size=6 * MiB, processes=0, attempts=3)


async def test_s3(heads: list[str], seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    config = S3Config(seaweedfs.access_key, seaweedfs.secret_key, endpoint_url=seaweedfs.endpoint)
    await all_verbs(AsyncStorage(LIMITS, environ=ENVIRON), f"s3://{make_bucket(seaweedfs)}/", config, tmp_path)
    assert {head.partition(" ")[0] for head in heads} >= {"GET", "PUT", "POST", "HEAD"}


async def test_google(heads: list[str], gcs: GCSService, tmp_path: Path) -> None:
    bucket = gcs_service.new_bucket(gcs)
    environ = ENVIRON | {"STORAGE_EMULATOR_HOST": gcs.endpoint}
    await all_verbs(AsyncStorage(LIMITS, environ=environ), f"gs://{bucket}/", GCSConfig(anonymous=True), tmp_path)
    assert {head.partition(" ")[0] for head in heads} >= {"GET", "POST"}


async def test_azure(heads: list[str], azurite: AzureService, tmp_path: Path) -> None:
    container = azure_service.new_container(azurite)
    await all_verbs(AsyncStorage(LIMITS, environ=ENVIRON), f"azure://{container}/", azurite.config(), tmp_path)
    assert {head.partition(" ")[0] for head in heads} >= {"GET", "PUT", "HEAD"}


async def test_the_hub_and_its_storage(heads: list[str], tmp_path: Path) -> None:
    with FakeHub() as hub:
        hub.repo("me/model", {"large.bin": LARGE, "config.json": b"{}"})
        await AsyncStorage(LIMITS, environ=ENVIRON).download("hf://me/model", tmp_path / "m", config=hub.config)
    assert len({head.lower().partition("\r\nhost: ")[2].partition("\r\n")[0] for head in heads}) == 2


async def test_a_web_server_and_its_redirects(heads: list[str], tmp_path: Path) -> None:
    with OddServer(lambda asked: good(asked, LARGE)) as other:
        with OddServer(lambda asked: Reply(302, headers={"Location": f"{other.url}/m"})) as server:
            await AsyncStorage(LIMITS, environ=ENVIRON).download(f"{server.url}/m", tmp_path / "m")
    assert server.asked
    assert other.asked


async def test_a_worker_process(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": LARGE}}) as server:
        storage = AsyncStorage(Limits(processes=1, part_size=6 * MiB), environ=ENVIRON)
        await storage.download("s3://b/m", tmp_path / "m", config=server.config)
    assert {asked.headers["user-agent"] for asked in server.asked} == {AGENT}


async def test_each_instance_has_its_own(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": b"m"}}) as server:
        for name in ("one/1", "two/2"):
            storage = AsyncStorage(environ={"SEALIFT_USER_AGENT": name})
            await storage.read("s3://b/m", config=server.config)
    assert [asked.headers["user-agent"].rpartition(" ")[2] for asked in server.asked] == ["one/1", "two/2"]


async def test_no_header_can_be_injected(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": b"m"}}) as server:
        storage = AsyncStorage(environ={"SEALIFT_USER_AGENT": "a\r\nX-Injected: 1"})
        with pytest.raises(InvalidConfig, match="SEALIFT_USER_AGENT"):
            await storage.read("s3://b/m", config=server.config)
    assert server.asked == []
