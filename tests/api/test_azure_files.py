"""Azure file shares through the API, and the real client against the fake that the tests use."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, Services, generate_account_sas
from azure.storage.fileshare import ShareServiceClient

from sealift import (
    AccessDenied,
    AsyncStorage,
    AzureConfig,
    Event,
    IntegrityError,
    InvalidURI,
    Limits,
    ModelMissingError,
    ObjectChanged,
    ServiceError,
    UnsupportedOperation,
)
from sealift.backends.azure.account import account_of
from sealift.backends.azure.authorization import Authorization, SASAuthorizer, TokenAuthorizer
from sealift.backends.azure.share import Share
from sealift.backends.azure.token import CachedToken
from sealift.instance import Instance
from sealift.types import MiB
from sealift.uri import parse
from tests.api.helpers import files_in
from tests.api.servers import pattern
from tests.services.file_share import ACCOUNT, KEY, Asked, FakeFileShares, Reply

FILES = {
    "config.json": b'{"model_type": "iris"}',
    "model.safetensors": pattern(3 * MiB + 5),
    "onnx/model.onnx": pattern(50_000),
    "onnx/deep/läs mig.txt": b"read me",
    "empty.txt": b"",
}
QUICK = Limits(part_size=MiB, attempts=2, backoff_initial=0.01)


@pytest.fixture
def service() -> Iterator[FakeFileShares]:
    with FakeFileShares() as service:
        yield service


@pytest.fixture
def filled(service: FakeFileShares) -> FakeFileShares:
    service.put("box", {f"iris/{name}": data for name, data in FILES.items()} | {"other": b"x"})
    return service


def signature(**permissions: bool) -> str:
    return generate_account_sas(
        ACCOUNT,
        KEY,
        resource_types=ResourceTypes(container=True, object=True),
        permission=AccountSasPermissions(**permissions),
        expiry=datetime.now(UTC) + timedelta(hours=1),
        services=Services(fileshare=True),
    )


@pytest.mark.anyio
async def test_the_real_client_fills_the_fake_and_reads_it(service: FakeFileShares, tmp_path: Path) -> None:
    def fill() -> None:
        client = ShareServiceClient(
            service.endpoint, credential=signature(read=True, write=True, list=True, create=True), retry_total=0
        )
        with client, client.create_share("box") as share:
            for directory in ("iris", "iris/onnx", "iris/onnx/deep"):
                share.create_directory(directory)
            for name, data in FILES.items():
                share.get_file_client(f"iris/{name}").upload_file(data)
            listed = {
                each.name: each.is_directory for each in share.list_directories_and_files("iris", include=["etag"])
            }
            assert listed == {"config.json": False, "empty.txt": False, "model.safetensors": False, "onnx": True}
            for name, data in FILES.items():
                assert share.get_file_client(f"iris/{name}").download_file().readall() == data

    async with Instance(Limits()) as instance:
        await instance.disk.run(fill)
    await AsyncStorage(QUICK).download(service.uri("box/iris"), tmp_path / "m", config=service.config())
    assert files_in(tmp_path / "m") == FILES


@pytest.mark.anyio
async def test_a_directory(filled: FakeFileShares, tmp_path: Path) -> None:
    events: list[Event] = []
    storage, uri = AsyncStorage(QUICK), filled.uri("box/iris/")
    await storage.download(uri, tmp_path / "m", config=filled.config(), on_event=events.append)
    assert files_in(tmp_path / "m") == FILES
    verified = {event.key: event.verified for event in events if event.kind == "object"}
    assert {key for key, checksum in verified.items() if checksum != "md5"} <= {"iris/empty.txt"}
    assert {asked.headers.get("range") for asked in filled.asked if asked.key == "iris/model.safetensors"} >= {
        f"bytes=0-{MiB - 1}",
        f"bytes={3 * MiB}-{3 * MiB + 4}",
    }
    assert sorted(await storage.list_objects(uri, config=filled.config())) == sorted(FILES)


@pytest.mark.anyio
async def test_a_file(filled: FakeFileShares, tmp_path: Path) -> None:
    storage, uri = AsyncStorage(QUICK), filled.uri("box/iris/onnx/model.onnx")
    await storage.download(uri, f"{tmp_path}/", config=filled.config())
    assert files_in(tmp_path) == {"model.onnx": FILES["onnx/model.onnx"]}
    assert await storage.read(uri, 100, 10, config=filled.config()) == FILES["onnx/model.onnx"][100:110]
    info = await storage.stat(uri, config=filled.config())
    assert (info.size, info.content_type) == (50_000, "application/octet-stream")


@pytest.mark.anyio
async def test_patterns_leave_out_directories(filled: FakeFileShares, tmp_path: Path) -> None:
    uri, config = filled.uri("box/iris"), filled.config()
    await AsyncStorage(QUICK).download(uri, tmp_path / "m", config=config, ignore_patterns=["onnx/*", "*.safetensors"])
    assert files_in(tmp_path / "m") == {name: FILES[name] for name in ("config.json", "empty.txt")}


@pytest.mark.anyio
async def test_a_signature_in_the_uri(filled: FakeFileShares) -> None:
    config = AzureConfig(endpoint_url=filled.endpoint)
    uri = f"{filled.uri('box/other')}?{signature(read=True)}"
    assert await AsyncStorage(QUICK).read(uri, config=config) == b"x"
    with pytest.raises(AccessDenied, match="does not allow this") as caught:
        await AsyncStorage(QUICK).list_objects(f"{filled.uri('box')}?{signature(read=True)}", config=config)
    assert "sig=" not in str(caught.value)
    with pytest.raises(InvalidURI, match="not a shared access signature"):
        await AsyncStorage(QUICK).read(f"{filled.uri('box/other')}?download=1", config=config)


@pytest.mark.anyio
async def test_variables_of_the_environment(filled: FakeFileShares) -> None:
    environ = {"AZURE_STORAGE_ACCESS_KEY": KEY, "AZURE_STORAGE_SERVICE_ENDPOINT": filled.endpoint}
    assert await AsyncStorage(QUICK, environ=environ).read(filled.uri("box/other")) == b"x"


@pytest.mark.anyio
async def test_without_credentials(filled: FakeFileShares) -> None:
    config = filled.config(anonymous=True)
    with pytest.raises(AccessDenied, match="the service requires authentication"):
        await AsyncStorage(QUICK).list_objects(filled.uri("box"), config=config)


@pytest.mark.anyio
async def test_what_does_not_exist(filled: FakeFileShares) -> None:
    storage, config = AsyncStorage(QUICK), filled.config()
    with pytest.raises(ModelMissingError, match="there is no file share 'none'"):
        await storage.list_objects(filled.uri("none"), config=config)
    for path in ("none", "iris/none/below", "iris/config.json/below", "iris/onnx"):
        with pytest.raises(ModelMissingError):
            await storage.read(filled.uri(f"box/{path}"), config=config)
    with pytest.raises(ModelMissingError):
        await storage.download(filled.uri("box/none/"), "/nowhere", config=config)


@pytest.mark.anyio
async def test_a_service_that_is_busy(filled: FakeFileShares) -> None:
    busy = [Reply(503, headers={"x-ms-error-code": "ServerBusy"})]
    filled.instead = lambda asked: busy.pop() if busy else None
    assert await AsyncStorage(QUICK).read(filled.uri("box/other"), config=filled.config()) == b"x"
    filled.instead = lambda asked: Reply(409, headers={"x-ms-error-code": "SharingViolation"})
    with pytest.raises(ServiceError, match="is open in another program"):
        await AsyncStorage(QUICK).read(filled.uri("box/other"), config=filled.config())


@pytest.mark.anyio
async def test_a_file_that_is_replaced_meanwhile(filled: FakeFileShares, tmp_path: Path) -> None:
    def replace(asked: Asked) -> None:
        if asked.headers.get("range", "").startswith(f"bytes={MiB}-"):
            filled.put("box", {"iris/model.safetensors": FILES["model.safetensors"]})

    filled.instead = replace
    with pytest.raises(ObjectChanged):
        await AsyncStorage(QUICK).download(
            filled.uri("box/iris/model.safetensors"), tmp_path / "m", config=filled.config()
        )
    assert files_in(tmp_path) == {}


@pytest.mark.anyio
async def test_a_byte_that_changes_on_the_way(filled: FakeFileShares, tmp_path: Path) -> None:
    filled.shares["box"].files["iris/config.json"].data[3] ^= 1
    with pytest.raises(IntegrityError):
        await AsyncStorage(QUICK).download(filled.uri("box/iris/config.json"), tmp_path / "m", config=filled.config())
    assert files_in(tmp_path) == {}


@pytest.mark.anyio
async def test_it_cannot_be_written(filled: FakeFileShares, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(
        UnsupportedOperation, match=r"models\.file\.core\.windows\.net/box/file: this storage can only be read"
    ):
        await AsyncStorage(QUICK).upload(tmp_path / "file", filled.uri("box/file"), config=filled.config())


@pytest.mark.anyio
async def test_identities_name_their_intent() -> None:
    """https://learn.microsoft.com/rest/api/storageservices/get-file#request-headers"""
    location = parse("https://models.file.core.windows.net/box/k")
    async with Instance(Limits(), {}) as instance:
        account = account_of(location, AzureConfig(tenant_id="t", client_id="c", client_secret="s"), {})
        assert account.endpoint == "https://models.file.core.windows.net"
        token = Authorization(headers=(("authorization", "Bearer token"),))
        for authorizer, intent in (
            (TokenAuthorizer(CachedToken(account, instance)), "backup"),
            (SASAuthorizer(""), None),
        ):
            headers = dict(Share(location, account, authorizer, instance).authorized(token, "GET", "k").headers)
            assert headers.get("x-ms-file-request-intent") == intent
            assert headers["x-ms-version"] >= "2022-11-02"
