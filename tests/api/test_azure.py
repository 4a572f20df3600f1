"""The API against Azure: Azurite, and a fake for what Azurite does not do on request."""

import base64
import gzip
import hashlib
import random
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobBlock, ContentSettings

from sealift import (
    AccessDenied,
    AsyncStorage,
    AzureConfig,
    Event,
    IncompleteError,
    IntegrityError,
    InvalidConfig,
    Limits,
    ModelMissingError,
    ServiceError,
    Storage,
    StorageError,
    TransportError,
)
from sealift.integrity import checksums
from tests.api.helpers import files_in, shows
from tests.api.servers import Asked, FakeS3, Reply
from tests.api.stores import FAR_AHEAD, written_at
from tests.services.azurite import (
    ACCOUNT,
    OTHER_ACCOUNT,
    AzureService,
    container_client,
    get_object,
    get_objects,
    new_container,
    put_objects,
    signature,
)

pytestmark = pytest.mark.anyio

LARGE = random.Random(0).randbytes(700_001)
SMALL_PARTS = Limits(part_size=100_000)
MODEL = {"config.json": b"{}", "weights/a.bin": LARGE, "weights/empty": b""}


@pytest.fixture
def container(azurite: AzureService) -> str:
    container = new_container(azurite)
    put_objects(azurite, container, {f"model/{path}": data for path, data in MODEL.items()} | {"model-2/x": b"x"})
    return container


def environ_of(azurite: AzureService, **more: str) -> dict[str, str]:
    return {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.endpoint(), **more}


@pytest.mark.parametrize("scheme", ["azure", "az"])
async def test_what_the_sdk_wrote_is_downloaded(
    azurite: AzureService, container: str, tmp_path: Path, scheme: str
) -> None:
    storage, config = AsyncStorage(SMALL_PARTS), azurite.config()
    directory = await storage.download(f"{scheme}://{container}/model", str(tmp_path / "model"), config=config)
    assert files_in(directory) == MODEL
    path = await storage.download(f"{scheme}://{container}/model/weights/a.bin", f"{tmp_path}/", config=config)
    assert Path(path).read_bytes() == LARGE
    assert await storage.list_objects(f"{scheme}://{container}/model/", config=config) == sorted(MODEL)


async def test_what_the_sdk_wrote_in_blocks_is_downloaded(azurite: AzureService, tmp_path: Path) -> None:
    container = new_container(azurite)
    blob = container_client(azurite, container).get_blob_client("k")
    for name in ("one", "two"):
        blob.stage_block(name, LARGE)
    blob.commit_block_list([BlobBlock("one"), BlobBlock("two")])
    for limits in (Limits(), SMALL_PARTS):
        path = await AsyncStorage(limits).download(
            f"azure://{container}/k", str(tmp_path / "k"), config=azurite.config()
        )
        assert Path(path).read_bytes() == LARGE * 2


@pytest.mark.parametrize(
    ("limits", "verified"),
    [(Limits(), "size-only"), (SMALL_PARTS, "crc64nvme")],
    ids=["in one request", "in blocks"],
)
async def test_what_is_uploaded_the_sdk_reads(
    azurite: AzureService, tmp_path: Path, limits: Limits, verified: str
) -> None:
    """Azurite does not report the checksum of a blob uploaded in one request, as the service does."""
    container = new_container(azurite)
    for name, data in MODEL.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    events: list[Event] = []
    uri = f"azure://{container}/up"
    assert await AsyncStorage(limits).upload(
        str(tmp_path / "model"), uri, config=azurite.config(), on_event=events.append
    )
    assert get_objects(azurite, container) == {f"up/{name}": data for name, data in MODEL.items()}
    assert {event.verified for event in events if event.target == "up/weights/a.bin"} == {None, verified}


async def test_a_checksum_that_the_service_has_is_compared(
    azurite: AzureService, container: str, tmp_path: Path
) -> None:
    events: list[Event] = []
    uri = f"azure://{container}/model/weights/a.bin"
    await AsyncStorage().download(uri, str(tmp_path / "a"), config=azurite.config(), on_event=events.append)
    assert [event.verified for event in events if event.kind == "object"] == ["md5"]
    told = await AsyncStorage().get_object_metadata(uri, config=azurite.config())
    assert told["checksums"] == {"md5": hashlib.md5(LARGE).hexdigest()}
    assert told["modified_time"] <= datetime.now(UTC)


async def test_an_object_that_is_stored_encoded_arrives_as_stored(azurite: AzureService, tmp_path: Path) -> None:
    container, stored = new_container(azurite), gzip.compress(LARGE, mtime=0)
    told = ContentSettings(content_encoding="gzip")
    container_client(azurite, container).upload_blob("m.json", stored, content_settings=told)
    uri, config = f"azure://{container}/m.json", azurite.config()
    for limits in (Limits(), SMALL_PARTS):
        await AsyncStorage(limits).download(uri, str(tmp_path / "m.json"), config=config)
        assert (tmp_path / "m.json").read_bytes() == stored
    assert await AsyncStorage().read(uri, config=config) == stored


async def test_copies_inside_an_account_and_out_of_it(azurite: AzureService, container: str) -> None:
    storage, config = AsyncStorage(SMALL_PARTS), azurite.config()
    near, far = new_container(azurite), new_container(azurite, OTHER_ACCOUNT)
    expected = {f"copy/{name}": data for name, data in MODEL.items()}
    await storage.copy(f"azure://{container}/model/", f"azure://{near}/copy", config=config)
    assert get_objects(azurite, near) == expected
    await storage.copy(
        f"azure://{container}/model/", f"azure://{far}/copy", config=config, dest_config=azurite.config(OTHER_ACCOUNT)
    )
    assert get_objects(azurite, far, OTHER_ACCOUNT) == expected
    assert await storage.copy_object(f"azure://{container}/model/config.json", f"azure://{near}/one", config=config)
    assert get_object(azurite, near, "one") == b"{}"


async def test_synchronizing_and_deleting(azurite: AzureService, container: str, tmp_path: Path) -> None:
    storage, config, uri = AsyncStorage(), azurite.config(), f"azure://{container}/model"
    first = await storage.sync(uri, str(tmp_path / "m"), config=config)
    written_at(tmp_path, FAR_AHEAD)
    again = await storage.sync(uri, str(tmp_path / "m"), config=config)
    assert (first.copied, again.copied, again.kept) == (3, 0, 3)
    assert await storage.delete_object(f"{uri}/config.json", config=config)
    assert not await storage.delete_object(f"{uri}/config.json", config=config)
    assert await storage.delete(uri, config=config, recursive=True) == 2
    assert get_objects(azurite, container) == {"model-2/x": b"x"}


async def test_an_https_uri_of_an_account_that_is_reached_elsewhere(azurite: AzureService, container: str) -> None:
    uri = f"https://{ACCOUNT}.blob.core.windows.net/{container}/model/config.json"
    assert await AsyncStorage().read(uri, config=azurite.config()) == b"{}"
    signed = f"{uri}?{signature(azurite, container, 'r')}"
    assert await AsyncStorage(environ=environ_of(azurite)).read(signed) == b"{}"


@pytest.mark.parametrize("signed", [False, True], ids=["by the configuration", "by a signature"])
async def test_two_names_of_one_container_are_one_place(azurite: AzureService, container: str, signed: bool) -> None:
    short, config = f"azure://{container}/model", azurite.config()
    forms = [
        f"https://{ACCOUNT}.blob.core.windows.net/{container}/model",
        f"https://{ACCOUNT}.privatelink.blob.core.windows.net/{container}/model",
        f"abfss://{container}@{ACCOUNT}.dfs.core.windows.net/model",
    ]
    query = f"?{signature(azurite, container, 'racwdl')}" if signed else ""
    before = get_objects(azurite, container)
    for form in forms[: 2 if signed else 3]:
        for src, dest in ((short, f"{form}/weights{query}"), (f"{form}{query}", f"{short}/weights")):
            for dest_config in (None, replace(config, verify_ssl=False)):
                with pytest.raises(InvalidConfig, match="overlap"):
                    await AsyncStorage().copy(src, dest, config=config, dest_config=dest_config)
                with pytest.raises(InvalidConfig, match="overlap"):
                    await AsyncStorage().sync(src, dest, config=config, dest_config=dest_config, delete=True)
        with pytest.raises(InvalidConfig, match="the same object"):
            await AsyncStorage().copy(f"{short}/config.json", f"{form}/config.json{query}", config=config)
    assert get_objects(azurite, container) == before


async def test_a_signature_in_the_uri_is_never_shown(azurite: AzureService, container: str, tmp_path: Path) -> None:
    sas = signature(azurite, container, "r")
    url = f"https://{ACCOUNT}.blob.core.windows.net/{container}"
    storage = AsyncStorage(Limits(attempts=1), environ=environ_of(azurite))
    events: list[Event] = []
    with pytest.raises(ModelMissingError) as missing:
        await storage.download(f"{url}/nothing?{sas}", str(tmp_path / "x"), on_event=events.append)
    with pytest.raises(AccessDenied) as listing:
        await storage.list_objects(f"{url}/model/?{sas}")
    nobody = AsyncStorage(
        Limits(attempts=1), environ=environ_of(azurite) | {"AZURE_STORAGE_SERVICE_ENDPOINT": "http://127.0.0.1:1/x"}
    )
    with pytest.raises(StorageError) as unreachable:
        await nobody.read(f"{url}/model/config.json?{sas}")
    for caught in (missing, listing, unreachable):
        assert shows(caught.value, sas, sas.rpartition("sig=")[2]) == []
    assert f"{url}/nothing" in str(missing.value)


@pytest.mark.parametrize("where", ["config", "with a question mark", "environment", "connection string"])
async def test_a_sas_token(azurite: AzureService, container: str, where: str) -> None:
    sas, environ = signature(azurite, container, "rl"), environ_of(azurite)
    config: AzureConfig | None = azurite.config(sas_token=f"?{sas}" if where == "with a question mark" else sas)
    if where == "environment":
        config, environ = None, environ | {"AZURE_STORAGE_SAS_TOKEN": sas}
    elif where == "connection string":
        text = f"BlobEndpoint={azurite.endpoint()};SharedAccessSignature={sas}"
        config, environ = None, {"AZURE_STORAGE_CONNECTION_STRING": text}
    storage, uri = AsyncStorage(environ=environ), f"azure://{container}/model/config.json"
    assert await storage.read(uri, config=config) == b"{}"
    assert await storage.list_objects(f"azure://{container}/model-2", config=config) == ["x"]
    with pytest.raises(AccessDenied, match="does not allow this") as caught:
        await storage.delete_object(uri, config=config)
    assert shows(caught.value, sas) == []


@pytest.mark.parametrize("name", ["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY"])
async def test_a_key_of_the_environment(azurite: AzureService, container: str, name: str) -> None:
    storage = AsyncStorage(environ=environ_of(azurite, **{name: azurite.keys[ACCOUNT]}))
    assert await storage.read(f"azure://{container}/model/config.json") == b"{}"


async def test_a_connection_string(azurite: AzureService, container: str) -> None:
    text = f"AccountName={ACCOUNT};AccountKey={azurite.keys[ACCOUNT]};BlobEndpoint={azurite.endpoint()};"
    uri = f"azure://{container}/model/config.json"
    assert await AsyncStorage(environ={"AZURE_STORAGE_CONNECTION_STRING": text}).read(uri) == b"{}"
    assert await AsyncStorage().read(uri, config=AzureConfig(connection_string=text)) == b"{}"


async def test_a_public_container_without_signing_in(azurite: AzureService, container: str) -> None:
    public, anonymous = new_container(azurite, public=True), azurite.config(anonymous=True)
    put_objects(azurite, public, {"k": b"public"})
    assert await AsyncStorage().read(f"azure://{public}/k", config=anonymous) == b"public"
    assert await AsyncStorage().list_objects(f"azure://{public}", config=anonymous) == ["k"]
    with pytest.raises((AccessDenied, ModelMissingError)):
        await AsyncStorage().read(f"azure://{container}/model/config.json", config=anonymous)
    with pytest.raises((AccessDenied, ModelMissingError)):
        await AsyncStorage().delete_object(f"azure://{public}/k", config=anonymous)
    assert get_objects(azurite, public) == {"k": b"public"}


async def test_a_wrong_key(azurite: AzureService, container: str) -> None:
    wrong = azurite.config(account_key="bm90LXRoZS1rZXk=")
    with pytest.raises(AccessDenied, match="signature is wrong") as caught:
        await AsyncStorage().read(f"azure://{container}/model/config.json", config=wrong)
    assert shows(caught.value, "bm90LXRoZS1rZXk=", "sig=") == []


async def test_a_key_that_is_none(azurite: AzureService, container: str) -> None:
    secret = "!" + "secret!"  # split, since a traceback shows source lines
    with pytest.raises(InvalidConfig, match="not valid Base64") as caught:
        await AsyncStorage().read(f"azure://{container}/k", config=azurite.config(account_key=secret))
    assert shows(caught.value, secret) == []


async def test_an_expired_signature(azurite: AzureService, container: str) -> None:
    sas = signature(azurite, container, "rl", hours=-1)
    with pytest.raises(AccessDenied, match="has expired") as caught:
        await AsyncStorage().read(f"azure://{container}/model/config.json", config=azurite.config(sas_token=sas))
    assert shows(caught.value, sas) == []


async def test_a_missing_container(azurite: AzureService) -> None:
    for verb in (AsyncStorage().read, AsyncStorage().list_objects):
        with pytest.raises(ModelMissingError, match="there is no container 'no-such-container'"):
            await verb("azure://no-such-container/k", config=azurite.config())


async def test_a_missing_object(azurite: AzureService, container: str) -> None:
    with pytest.raises(ModelMissingError, match="there is no object 'model/none'"):
        await AsyncStorage().read(f"azure://{container}/model/none", config=azurite.config())


def test_the_sync_facade(azurite: AzureService, container: str, tmp_path: Path) -> None:
    path = Storage.download(f"azure://{container}/model/config.json", str(tmp_path / "c"), config=azurite.config())
    assert Path(path).read_bytes() == b"{}"


# Behavior that Azurite does not show on request.


class Fake:
    """A Blob service with scripted replies, by method or `comp`. Each is sent once, the last one repeatedly."""

    def __init__(self, **replies: list[Reply]) -> None:
        self._replies = replies
        self.server = FakeS3({}, instead=self._answer)

    def _answer(self, asked: Asked) -> Reply:
        kind = asked.query.get("comp") or asked.method.lower()
        queue = self._replies[kind]
        return queue.pop(0) if len(queue) > 1 else queue[0]

    @property
    def config(self) -> AzureConfig:
        return AzureConfig("models", endpoint_url=f"{self.server.endpoint}/models", sas_token="sv=1&sig=the-signature")


def told(status: int, code: str = "", text: str = "so it is\nRequestId:1", **headers: str) -> Reply:
    body = f"\ufeff<?xml version='1.0'?><Error><Code>{code}</Code><Message>{text}</Message></Error>" if code else ""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body.encode(), named | ({"x-ms-error-code": code} if code else {}))


def there(**headers: str) -> Reply:
    return told(200, ETag='"0x1"', Last_Modified="Tue, 01 Sep 2020 10:20:30 GMT", Content_Length="4", **headers)


def copying(status: str, name: str = "one", **more: str) -> dict[str, Any]:
    return {"x_ms_copy_id": name, "x_ms_copy_status": status, **more}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the first wait for a server-side copy."""
    monkeypatch.setattr("sealift.backends.azure.server_copy._FIRST_WAIT", 0.001)


def crc64(data: bytes) -> str:
    """The checksum as the service reports it, in reversed byte order."""
    return base64.b64encode(bytes.fromhex(checksums.digest("crc64nvme", data))[::-1]).decode()


@pytest.mark.parametrize("limits", [Limits(), SMALL_PARTS], ids=["in one request", "in blocks"])
@pytest.mark.parametrize("says", ["the same", "nothing", "no checksum", "another", "another once"])
async def test_compared_is_what_the_service_tells_again(tmp_path: Path, limits: Limits, says: str) -> None:
    replies: list[Reply] = []

    def instead(asked: Asked) -> Reply:
        replies.append(told(201, ETag='"0x1"'))
        if says.startswith("another") and (len(replies) == 1 or says == "another"):
            replies[-1].headers["x-ms-content-crc64"] = crc64(b"other bytes")
        elif says in {"the same", "another once"}:
            replies[-1].headers["x-ms-content-crc64"] = crc64(asked.body)
        elif says == "no checksum":
            replies[-1].headers["x-ms-content-crc64"] = "????"
        return replies[-1]

    (tmp_path / "k").write_bytes(LARGE)
    events: list[Event] = []
    with FakeS3({}, instead=instead) as server:
        config = AzureConfig("models", endpoint_url=f"{server.endpoint}/models", sas_token="sv=1&sig=the-signature")
        storage = AsyncStorage(replace(limits, attempts=2))
        with pytest.raises(IntegrityError, match="has stored other bytes") if says == "another" else nullcontext():
            await storage.upload(tmp_path / "k", "azure://box/k", config=config, on_event=events.append)
    if says != "another":
        assert events[-1].verified == ("crc64nvme" if says in {"the same", "another once"} else "size-only")


@pytest.mark.usefixtures("quick")
async def test_a_copy_that_takes_its_time_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.engine.progress._INTERVAL", 0)
    pending, done = there(**copying("pending", x_ms_copy_progress="3/4")), there(**copying("success"))
    events: list[Event] = []
    busy = told(503, "ServerBusy")
    fake = Fake(put=[told(202, **copying("pending"))], head=[there(), pending, busy, pending, done])
    with fake.server as server:
        storage = AsyncStorage()
        await storage.copy_object("azure://box/k", "azure://box/copy", config=fake.config, on_event=events.append)
        asked = [each.method for each in server.asked]
        source = next(each.headers["x-ms-copy-source"] for each in server.asked if each.method == "PUT")
    assert asked == ["HEAD", "PUT", "HEAD", "HEAD", "HEAD", "HEAD"]
    assert source == f"{server.endpoint}/models/box/k?sv=1&sig=the-signature"
    assert [event.size for event in events if event.kind == "progress"] == [3, 1]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("end", "message"),
    [
        (copying("failed", x_ms_copy_status_description="404 BlobNotFound"), "was failed: 404 BlobNotFound"),
        (copying("aborted"), "was aborted"),
        (copying("success", "another"), "'copy' was replaced while it was copied"),
    ],
)
async def test_a_copy_that_does_not_end_well(end: dict[str, str], message: str) -> None:
    pending = told(202, **copying("pending"))
    fake = Fake(put=[pending], head=[there(), there(**end)], copy=[told(409, "NoPendingCopyOperation")])
    with fake.server as server:
        with pytest.raises(ServiceError, match=message) as caught:
            await AsyncStorage().copy_object("azure://box/k", "azure://box/copy", config=fake.config)
        last = server.asked[-1]
    assert (last.query["comp"], last.query["copyid"]) == ("copy", "one")
    assert last.headers["x-ms-copy-action"] == "abort"
    assert shows(caught.value, "the-signature") == []


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (told(403, "AuthenticationFailed", "Signature the-signature did not match"), AccessDenied, "is wrong, or has"),
        (told(403, "AuthorizationPermissionMismatch"), AccessDenied, "role does not allow this"),
        (told(403, "KeyBasedAuthenticationNotPermitted"), AccessDenied, "accepts identity tokens only"),
        (told(409, "PublicAccessNotPermitted"), AccessDenied, "does not allow anonymous access"),
        (told(409, "BlobArchived"), StorageError, "is archived (rehydrate"),
        (told(412, "LeaseIdMissing"), ServiceError, "is leased by another client (break the lease"),
        (told(409, "Odd", "see http://x/box/k?sv=1&amp;sig=the-signature"), ServiceError, "see http://x/box/k?…"),
        (told(500, "InternalError"), ServiceError, "500 InternalError: so it is"),
    ],
)
async def test_failures(reply: Reply, kind: type[StorageError], message: str) -> None:
    fake = Fake(head=[there()], put=[reply])
    with fake.server:
        with pytest.raises(kind) as caught:
            async with AsyncStorage(Limits(attempts=1)) as storage:
                await storage.copy_object("azure://box/k", "azure://box/x", config=fake.config)
    assert message in str(caught.value)
    assert shows(caught.value, "the-signature") == []


@pytest.mark.parametrize("busy", [told(408), told(429), told(500, "OperationTimedOut"), told(503, "ServerBusy")])
async def test_what_is_busy_is_asked_again(tmp_path: Path, busy: Reply) -> None:
    again = replace(busy, headers={**busy.headers, "Retry-After": "0"})
    fake = Fake(head=[again, there()], get=[busy, _body(b"real")])
    with fake.server:
        await AsyncStorage().download("azure://box/k", str(tmp_path / "k"), config=fake.config)
    assert (tmp_path / "k").read_bytes() == b"real"


async def test_a_reply_of_another_version_is_no_part_of_this_one() -> None:
    fake = Fake(head=[there()], get=[_body(b"real", tag='"0x2"')])
    with fake.server:
        with pytest.raises(StorageError, match="was replaced while it was read"):
            await AsyncStorage().read("azure://box/k", 1, 2, config=fake.config)


async def test_names_that_xml_cannot_carry() -> None:
    listing = """<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs><Blob>
    <Name Encoded="true">a%01%25b</Name><Properties><Last-Modified>Tue, 01 Sep 2020 10:20:30 GMT</Last-Modified>
    <Etag>0x1</Etag><Content-Length>4</Content-Length></Properties></Blob><Blob><Name>a%25</Name><Properties>
    <Etag>0x1</Etag><Content-Length>4</Content-Length></Properties></Blob></Blobs><NextMarker/></EnumerationResults>"""
    fake = Fake(list=[Reply(200, listing.encode())])
    with fake.server as server:
        found = await AsyncStorage().list_objects("azure://box/", config=fake.config)
        assert {each.headers["x-ms-version"] >= "2021-02-12" for each in server.asked} == {True}
    assert found == ["a\x01%b", "a%25"]


async def test_an_address_where_nobody_listens() -> None:
    config = AzureConfig("models", endpoint_url="http://127.0.0.1:1/models", sas_token="sig=the-signature")
    with pytest.raises(TransportError, match=r"127\.0\.0\.1:1") as caught:
        await AsyncStorage(Limits(attempts=1)).read("azure://box/k", config=config)
    assert shows(caught.value, "the-signature") == []


def _body(data: bytes, tag: str = '"0x1"') -> Reply:
    return Reply(200, data, {"ETag": tag})


class TestSnapshots:
    """Snapshots are deleted with an object only if the caller says so."""

    @pytest.fixture
    def snapshots(self, azurite: AzureService, container: str) -> list[str]:
        blob = container_client(azurite, container).get_blob_client("model/config.json")
        return [str(blob.create_snapshot()["snapshot"]) for _ in range(2)]

    def left(self, azurite: AzureService, container: str) -> int:
        listed = container_client(azurite, container).list_blobs(include=["snapshots"])
        return sum(1 for blob in listed if blob.snapshot)

    async def test_an_object(self, azurite: AzureService, container: str, snapshots: list[str]) -> None:
        storage, uri, config = AsyncStorage(), f"azure://{container}/model/config.json", azurite.config()
        for call in (
            storage.delete(uri, config=config),
            storage.delete_object(uri, config=config),
            storage.delete_many([uri], config=config),
        ):
            with pytest.raises(ServiceError, match="has snapshots, which would be deleted with it") as caught:
                await call
            assert all(time in str(caught.value) for time in snapshots)
            assert "delete_snapshots=True" in str(caught.value)
        assert (get_object(azurite, container, "model/config.json"), self.left(azurite, container)) == (b"{}", 2)
        assert await storage.delete_many([uri], config=config, delete_snapshots=True) == [True]
        assert self.left(azurite, container) == 0

    async def test_a_prefix(self, azurite: AzureService, container: str, snapshots: list[str]) -> None:
        """The objects without snapshots are deleted."""
        storage, uri, config = AsyncStorage(), f"azure://{container}/model", azurite.config()
        events: list[Event] = []
        with pytest.raises(IncompleteError, match="could not remove everything: config.json: .* has snapshots"):
            await storage.delete(uri, config=config, recursive=True, on_event=events.append)
        assert get_objects(azurite, container) == {"model/config.json": b"{}", "model-2/x": b"x"}
        assert [event.key for event in events if event.kind == "skipped"] == ["model/config.json"]
        assert sum(event.kind == "deleted" for event in events) == len(MODEL) - 1
        with pytest.raises(ServiceError, match="has snapshots"):  # nothing else is left
            await storage.delete(uri, config=config, recursive=True)
        assert await storage.delete(uri, config=config, recursive=True, delete_snapshots=True) == 1
        assert get_objects(azurite, container) == {"model-2/x": b"x"}

    async def test_a_sync(self, azurite: AzureService, container: str, snapshots: list[str], tmp_path: Path) -> None:
        (tmp_path / "new").write_bytes(b"new")
        storage, uri, config = AsyncStorage(), f"azure://{container}/model", azurite.config()
        with pytest.raises(IncompleteError, match="could not remove everything: config.json: "):
            await storage.sync(str(tmp_path), uri, config=config, delete=True)
        assert set(get_objects(azurite, container)) == {"model/config.json", "model/new", "model-2/x"}
        done = await storage.sync(str(tmp_path), uri, config=config, delete=True, delete_snapshots=True)
        assert done.deleted == 1
        assert self.left(azurite, container) == 0

    async def test_a_lease(self, azurite: AzureService, container: str) -> None:
        container_client(azurite, container).get_blob_client("model/config.json").acquire_lease()
        with pytest.raises(ServiceError, match="is leased by another client"):
            await AsyncStorage().delete(f"azure://{container}/model/config.json", config=azurite.config())


async def test_an_empty_container_is_there(azurite: AzureService) -> None:
    uri, config = f"azure://{new_container(azurite)}/", azurite.config()
    assert await AsyncStorage().list_objects(uri, config=config) == []
    assert await AsyncStorage().delete(uri, config=config, recursive=True) == 0
    with pytest.raises(ModelMissingError, match="there is no container"):
        await AsyncStorage().list_objects("azure://no-such-container/", config=config)
