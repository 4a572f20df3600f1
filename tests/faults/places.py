"""The services behind the proxy, filled and looked at without the code under test."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from sealift import AzureConfig, HFConfig, HTTPConfig, S3Config
from sealift.types import MiB
from tests.api.stores import objects_in
from tests.services import azurite, gcs, http_server, s3
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.hub import READER, FakeHub
from tests.services.s3 import S3Service

from .messages import Asked, Reply, answer
from .place import Doors, Files, Place

_TOKEN = "token-in-the-header"  # what no error may show


def _xml(status: int, code: str, message: str, asked: Asked) -> Reply:
    """An error as S3 and Azure tell it, with what they have signed in it."""
    text = asked.target.replace("&", "&amp;")
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message><Signed>{text}</Signed></Error>"
    return answer(status, body.encode(), content_type="application/xml")


def s3_place(service: S3Service) -> Place:
    bucket = s3.new_bucket(service, "faults")

    def put(prefix: str, files: Files) -> None:
        s3.put_objects(
            service, bucket, {f"{prefix}/{path}": data for path, data in files.items()}, checksum="CRC64NVME"
        )

    def content(prefix: str) -> dict[str, bytes]:
        found = objects_in(service, bucket, f"{prefix}/")
        return {key.removeprefix(f"{prefix}/"): data for key, data in found.items()}

    def config(doors: Doors) -> S3Config:
        keys = service.keys
        return S3Config(keys.access_key, keys.secret_key, endpoint_url=doors.endpoints[0], verify=doors.verify)

    return Place(
        "s3",
        (service.endpoint,),
        put,
        lambda doors, prefix: f"s3://{bucket}/{prefix}",
        config,
        lambda asked: asked.method == "GET" and "list-type=" not in asked.target,
        lambda asked: _xml(403, "AccessDenied", "Request has expired", asked),
        content,
        secrets=(service.secret_key,),
        part=5 * MiB,
        checked="crc64nvme",
        compares=True,
        leftovers=lambda: set(s3.unfinished_uploads(service, bucket)),
        clean_up=lambda: _abort_incomplete(service, bucket),
        unheard=lambda asked: asked.method == "DELETE" or asked.target.endswith("?uploads="),
        environ=lambda doors: {
            "AWS_ACCESS_KEY_ID": service.access_key,
            "AWS_SECRET_ACCESS_KEY": service.secret_key,
            "AWS_ENDPOINT_URL": doors.endpoints[0],
        },
    )


def _abort_incomplete(service: S3Service, bucket: str) -> None:
    """What a rule `AbortIncompleteMultipartUpload` does in the end: the servers of the tests know no such rules."""
    client = s3.client(service)
    for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _delete_parts(service: GCSService, bucket: str) -> None:
    """What a rule `Delete` with `matchesPrefix` does in the end."""
    for blob in gcs.client(service).list_blobs(bucket, prefix=".sealift/parts/"):
        blob.delete()


def gcs_place(service: GCSService) -> Place:
    bucket = gcs.new_bucket(service, "faults")

    def content(prefix: str) -> dict[str, bytes]:
        blobs = gcs.client(service).list_blobs(bucket, prefix=f"{prefix}/")
        return {blob.name.removeprefix(f"{prefix}/"): gcs.get_object(service, bucket, blob.name) for blob in blobs}

    told = {"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}}
    return Place(
        "gcs",
        (service.endpoint,),
        lambda prefix, files: gcs.put_objects(
            service, bucket, {f"{prefix}/{path}": data for path, data in files.items()}
        ),
        lambda doors, prefix: f"gs://{bucket}/{prefix}",
        lambda doors: None,
        lambda asked: "alt=media" in asked.target,
        lambda asked: answer(401, json.dumps(told).encode(), content_type="application/json"),
        content,
        checked="crc32c",
        leftovers=lambda: {blob.name for blob in gcs.client(service).list_blobs(bucket, prefix=".sealift/")},
        clean_up=lambda: _delete_parts(service, bucket),
        own_host=True,
        environ=lambda doors: {"STORAGE_EMULATOR_HOST": doors.endpoints[0]},
    )


def azure_place(service: AzureService) -> Place:
    container = azurite.new_container(service)
    signature = azurite.signature(service, container, "rwdlc", hours=100)

    def content(prefix: str) -> dict[str, bytes]:
        names = azurite.container_client(service, container).list_blob_names(name_starts_with=f"{prefix}/")
        return {name.removeprefix(f"{prefix}/"): azurite.get_object(service, container, name) for name in names}

    def config(doors: Doors) -> AzureConfig:
        # A signature that sealift makes for an https address is good for https only, which the server does not talk.
        credentials = (
            {"account_key": service.keys[azurite.ACCOUNT]} if doors.ca_file is None else {"sas_token": signature}
        )
        endpoint = f"{doors.endpoints[0]}/{azurite.ACCOUNT}"
        return AzureConfig(azurite.ACCOUNT, endpoint_url=endpoint, verify=doors.verify, **credentials)  # type: ignore[arg-type]

    return Place(
        "azure",
        (service.url,),
        lambda prefix, files: azurite.put_objects(
            service, container, {f"{prefix}/{path}": data for path, data in files.items()}
        ),
        lambda doors, prefix: f"azure://{container}/{prefix}",
        config,
        lambda asked: asked.method == "GET" and "comp=list" not in asked.target,
        lambda asked: _xml(403, "AuthenticationFailed", "Signature not valid in the specified time frame", asked),
        content,
        secrets=(service.keys[azurite.ACCOUNT], signature.rpartition("sig=")[2], "sig="),
        checked="md5",
        compares=True,
        environ=lambda doors: {
            "AZURE_STORAGE_ACCOUNT": azurite.ACCOUNT,
            "AZURE_STORAGE_KEY": service.keys[azurite.ACCOUNT],
            "AZURE_STORAGE_SERVICE_ENDPOINT": f"{doors.endpoints[0]}/{azurite.ACCOUNT}",
        },
    )


def _http_place(name: str, url: str, directory: Path) -> Place:
    def put(prefix: str, files: Files) -> None:
        for path, data in files.items():
            file = directory / prefix / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.with_name("new").write_bytes(data)
            file.with_name("new").rename(file)

    return Place(
        name,
        (url,),
        put,
        lambda doors, prefix: f"{doors.endpoints[0]}/{prefix}",
        lambda doors: HTTPConfig({"authorization": f"Bearer {_TOKEN}"}, verify=doors.verify),
        lambda asked: asked.method == "GET",
        lambda asked: answer(403, f"expired: {asked.target}".encode()),
        secrets=(_TOKEN,),
        listed=False,
        ranged=name != "plain",
    )


def hub_place(hub: FakeHub) -> Place:
    def put(prefix: str, files: Files) -> None:
        name = f"owner/{prefix}"
        if ("models", name) in hub.repos:
            hub.repos["models", name].put(files)
        else:
            hub.repo(name, files)

    def expired(asked: Asked) -> Reply:
        if asked.place:
            return _xml(403, "AccessDenied", "Request has expired", asked)
        return answer(401, b'{"error":"Invalid user token."}', x_error_message="Invalid user token.")

    return Place(
        "hub",
        (hub.endpoint, hub.storage),
        put,
        lambda doors, prefix: f"hf://owner/{prefix}",
        lambda doors: HFConfig(READER, doors.endpoints[0]),
        lambda asked: asked.place == 1,
        expired,
        secrets=(READER, "Signature="),
        checked="sha256",
        environ=lambda doors: {"HF_ENDPOINT": doors.endpoints[0], "HF_TOKEN": READER},
    )


@contextlib.contextmanager
def http_places(directory: Path) -> Iterator[list[Place]]:
    """A server with ranges, and one without."""
    with http_server.files(directory) as ranged, http_server.plain_files(directory) as plain:
        yield [_http_place("http", ranged, directory), _http_place("plain", plain, directory)]


@contextlib.contextmanager
def hub_places() -> Iterator[list[Place]]:
    with FakeHub() as hub:
        yield [hub_place(hub)]
