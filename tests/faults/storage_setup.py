"""Create the storages under test. They are filled and checked without the code under test."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from sealift import AzureConfig, HFConfig, HTTPConfig, OCIConfig, S3Config
from sealift.types import MiB
from tests.api.stores import objects_in
from tests.services import azurite, gcs, http_server, s3
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.hub import READER, FakeHub
from tests.services.registry import PASSWORD, USER, FakeRegistry, tar_of
from tests.services.s3 import S3Service

from .messages import Reply, Request, answer
from .storage import Endpoints, Files, StorageServer

_TOKEN = "token-in-the-header"  # must not appear in errors


def _xml(status: int, code: str, message: str, request: Request) -> Reply:
    """An error reply of S3 and Azure, which repeats what was signed."""
    text = request.target.replace("&", "&amp;")
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message><Signed>{text}</Signed></Error>"
    return answer(status, body.encode(), content_type="application/xml")


def s3_storage(service: S3Service) -> StorageServer:
    bucket = s3.new_bucket(service, "faults")

    def put(prefix: str, files: Files) -> None:
        s3.put_objects(
            service, bucket, {f"{prefix}/{path}": data for path, data in files.items()}, checksum="CRC64NVME"
        )

    def content(prefix: str) -> dict[str, bytes]:
        found = objects_in(service, bucket, f"{prefix}/")
        return {key.removeprefix(f"{prefix}/"): data for key, data in found.items()}

    def config(endpoints: Endpoints) -> S3Config:
        keys = service.keys
        return S3Config(keys.access_key, keys.secret_key, endpoint_url=endpoints.urls[0], verify_ssl=endpoints.verify)

    return StorageServer(
        "s3",
        (service.endpoint,),
        put,
        lambda endpoints, prefix: f"s3://{bucket}/{prefix}",
        config,
        lambda request: request.method == "GET" and "list-type=" not in request.target,
        lambda request: _xml(403, "AccessDenied", "Request has expired", request),
        content,
        secrets=(service.secret_key,),
        part=5 * MiB,
        checked="crc64nvme",
        compares=True,
        unfinished_uploads=lambda: set(s3.unfinished_uploads(service, bucket)),
        clean_up=lambda: _abort_incomplete(service, bucket),
        orphans=lambda request: request.method == "DELETE" or request.target.endswith("?uploads="),
        environ=lambda endpoints: {
            "AWS_ACCESS_KEY_ID": service.access_key,
            "AWS_SECRET_ACCESS_KEY": service.secret_key,
            "AWS_ENDPOINT_URL": endpoints.urls[0],
        },
    )


def _abort_incomplete(service: S3Service, bucket: str) -> None:
    """Do what a lifecycle rule `AbortIncompleteMultipartUpload` does: the test servers do not support such rules."""
    client = s3.client(service)
    for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _delete_parts(service: GCSService, bucket: str) -> None:
    """Do what a lifecycle rule `Delete` with `matchesPrefix` does."""
    for blob in gcs.client(service).list_blobs(bucket, prefix=".sealift/parts/"):
        blob.delete()


def gcs_storage(service: GCSService) -> StorageServer:
    bucket = gcs.new_bucket(service, "faults")

    def content(prefix: str) -> dict[str, bytes]:
        blobs = gcs.client(service).list_blobs(bucket, prefix=f"{prefix}/")
        return {blob.name.removeprefix(f"{prefix}/"): gcs.get_object(service, bucket, blob.name) for blob in blobs}

    error = {"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}}
    return StorageServer(
        "gcs",
        (service.endpoint,),
        lambda prefix, files: gcs.put_objects(
            service, bucket, {f"{prefix}/{path}": data for path, data in files.items()}
        ),
        lambda endpoints, prefix: f"gs://{bucket}/{prefix}",
        lambda endpoints: None,
        lambda request: "alt=media" in request.target,
        lambda request: answer(401, json.dumps(error).encode(), content_type="application/json"),
        content,
        checked="crc32c",
        unfinished_uploads=lambda: {blob.name for blob in gcs.client(service).list_blobs(bucket, prefix=".sealift/")},
        clean_up=lambda: _delete_parts(service, bucket),
        server_host=True,
        environ=lambda endpoints: {"STORAGE_EMULATOR_HOST": endpoints.urls[0]},
    )


def azure_storage(service: AzureService) -> StorageServer:
    container = azurite.new_container(service)
    signature = azurite.signature(service, container, "rwdlc", hours=100)

    def content(prefix: str) -> dict[str, bytes]:
        names = azurite.container_client(service, container).list_blob_names(name_starts_with=f"{prefix}/")
        return {name.removeprefix(f"{prefix}/"): azurite.get_object(service, container, name) for name in names}

    def config(endpoints: Endpoints) -> AzureConfig:
        # A signature that sealift creates for an https URL is valid only for https, which the server does not support.
        credentials = (
            {"account_key": service.keys[azurite.ACCOUNT]} if endpoints.ca_file is None else {"sas_token": signature}
        )
        endpoint = f"{endpoints.urls[0]}/{azurite.ACCOUNT}"
        return AzureConfig(azurite.ACCOUNT, endpoint_url=endpoint, verify_ssl=endpoints.verify, **credentials)  # type: ignore[arg-type]

    return StorageServer(
        "azure",
        (service.url,),
        lambda prefix, files: azurite.put_objects(
            service, container, {f"{prefix}/{path}": data for path, data in files.items()}
        ),
        lambda endpoints, prefix: f"azure://{container}/{prefix}",
        config,
        lambda request: request.method == "GET" and "comp=list" not in request.target,
        lambda request: _xml(403, "AuthenticationFailed", "Signature not valid in the specified time frame", request),
        content,
        secrets=(service.keys[azurite.ACCOUNT], signature.rpartition("sig=")[2], "sig="),
        checked="md5",
        compares=True,
        environ=lambda endpoints: {
            "AZURE_STORAGE_ACCOUNT": azurite.ACCOUNT,
            "AZURE_STORAGE_KEY": service.keys[azurite.ACCOUNT],
            "AZURE_STORAGE_SERVICE_ENDPOINT": f"{endpoints.urls[0]}/{azurite.ACCOUNT}",
        },
    )


def _http_storage(name: str, url: str, directory: Path) -> StorageServer:
    def put(prefix: str, files: Files) -> None:
        for path, data in files.items():
            file = directory / prefix / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.with_name("new").write_bytes(data)
            file.with_name("new").rename(file)

    return StorageServer(
        name,
        (url,),
        put,
        lambda endpoints, prefix: f"{endpoints.urls[0]}/{prefix}",
        lambda endpoints: HTTPConfig({"authorization": f"Bearer {_TOKEN}"}, verify_ssl=endpoints.verify),
        lambda request: request.method == "GET",
        lambda request: answer(403, f"expired: {request.target}".encode()),
        secrets=(_TOKEN,),
        listed=False,
        ranged=name != "plain",
    )


def hub_storage(hub: FakeHub) -> StorageServer:
    def put(prefix: str, files: Files) -> None:
        name = f"owner/{prefix}"
        if ("models", name) in hub.repos:
            hub.repos["models", name].put(files)
        else:
            hub.repo(name, files)

    def expired(request: Request) -> Reply:
        if request.proxy_index:
            return _xml(403, "AccessDenied", "Request has expired", request)
        return answer(401, b'{"error":"Invalid user token."}', x_error_message="Invalid user token.")

    return StorageServer(
        "hub",
        (hub.endpoint, hub.storage),
        put,
        lambda endpoints, prefix: f"hf://owner/{prefix}",
        lambda endpoints: HFConfig(READER, endpoints.urls[0]),
        lambda request: request.proxy_index == 1,
        expired,
        secrets=(READER, "Signature="),
        checked="sha256",
        environ=lambda endpoints: {"HF_ENDPOINT": endpoints.urls[0], "HF_TOKEN": READER},
    )


def registry_storage(registry: FakeRegistry) -> StorageServer:
    """Images, whose layer is listed and then read in ranges."""
    stored: dict[str, dict[str, bytes]] = {}

    def put(prefix: str, files: Files) -> None:
        models = stored.setdefault(prefix, {})
        models |= {f"models/{path}": data for path, data in files.items()}
        registry.repository(f"owner/{prefix}").put_image([tar_of(models)], "v1")

    def expired(request: Request) -> Reply:
        if request.proxy_index:
            return _xml(403, "AccessDenied", "Request has expired", request)
        return answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}')

    return StorageServer(
        "registry",
        tuple(f"http://{registry.host(origin)}" for origin in ("registry", "storage")),
        put,
        lambda endpoints, prefix: f"oci://{endpoints.urls[0].partition('://')[2]}/owner/{prefix}:v1",
        lambda endpoints: OCIConfig(
            USER, PASSWORD, insecure=endpoints.urls[0].startswith("http:"), verify_ssl=endpoints.verify
        ),
        lambda request: request.proxy_index == 1,
        expired,
        secrets=(PASSWORD, "sig="),
        checked="sha256",
    )


@contextlib.contextmanager
def http_storages(directory: Path) -> Iterator[list[StorageServer]]:
    """A server with ranges, and one without."""
    with http_server.files(directory) as ranged, http_server.plain_files(directory) as plain:
        yield [_http_storage("http", ranged, directory), _http_storage("plain", plain, directory)]


@contextlib.contextmanager
def hub_storages() -> Iterator[list[StorageServer]]:
    with FakeHub() as hub:
        yield [hub_storage(hub)]


@contextlib.contextmanager
def registry_storages() -> Iterator[list[StorageServer]]:
    with FakeRegistry("basic", storage=True) as registry:
        yield [registry_storage(registry)]
