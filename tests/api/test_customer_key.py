"""Encryption keys of the caller, and buckets whose readers pay: the headers of each request, and what is refused."""

import base64
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealift import (
    AccessDenied,
    AsyncStorage,
    AzureConfig,
    GCSConfig,
    InvalidConfig,
    Limits,
    S3Config,
    StorageError,
    UnsupportedOperation,
    WriteOptions,
)
from sealift.types import MiB
from tests.api.helpers import config_of, shows
from tests.api.servers import Asked, FakeS3, Reply, failure, pattern
from tests.api.test_write_options_requests import Google
from tests.api.writable import WritableS3
from tests.services.s3 import MakeBucket, S3Service, client

pytestmark = pytest.mark.anyio

KEY = hashlib.sha256(b"a key of 32 bytes").digest()
TEXT = base64.b64encode(KEY).decode()
LARGE, OTHER = pattern(11 * MiB), pattern(11 * MiB + 1)
S3_KEY = "x-amz-server-side-encryption-customer"
S3_HEADERS = {
    f"{S3_KEY}-algorithm": "AES256",
    f"{S3_KEY}-key": TEXT,
    f"{S3_KEY}-key-md5": base64.b64encode(hashlib.md5(KEY).digest()).decode(),
}
SHA256 = base64.b64encode(hashlib.sha256(KEY).digest()).decode()
GCS_HEADERS = {
    "x-goog-encryption-algorithm": "AES256",
    "x-goog-encryption-key": TEXT,
    "x-goog-encryption-key-sha256": SHA256,
}
AZURE_HEADERS = {
    "x-ms-encryption-key": TEXT,
    "x-ms-encryption-key-sha256": SHA256,
    "x-ms-encryption-algorithm": "AES256",
}


def sent(asked: Asked, headers: dict[str, str]) -> dict[str, str]:
    return {name: asked.headers[name] for name in headers if name in asked.headers}


def allowed(config: Any) -> Any:
    """The configuration with the key, for a server without TLS."""
    return replace(config, customer_key=KEY, customer_key_over_http=True)


def files(directory: Path) -> Path:
    """A directory with objects of each kind: moved in series, alone, empty, and in parts."""
    for name, data in {"large": LARGE, "empty": b"", **{f"{number}": b"small" for number in range(20)}}.items():
        (directory / name).write_bytes(data)
    return directory


@pytest.mark.parametrize("config", [S3Config, GCSConfig, AzureConfig])
@pytest.mark.parametrize(
    "key", [b"", b"short", KEY + b"x", "no Base64 at all", TEXT[:-4], 7, TEXT + "\n"], ids=range(7)
)
def test_what_is_no_key_is_refused_without_showing_it(config: type[Any], key: Any) -> None:
    with pytest.raises(
        InvalidConfig, match=r"customer_key=…\) (is not a key of 256 bits|contains a control)"
    ) as caught:
        config(customer_key=key)
    if isinstance(key, str | bytes) and key:
        assert shows(caught.value, str(key)[:20], TEXT[:20]) == []


@pytest.mark.parametrize("config", [S3Config, GCSConfig, AzureConfig])
def test_a_key_is_not_shown(config: type[Any]) -> None:
    for key in (KEY, TEXT):
        assert repr(key) not in repr(config(customer_key=key))
        assert hash(config(customer_key=key))


@pytest.mark.parametrize(
    ("uri", "config"),
    [
        ("s3://b/k", S3Config("a", "b", endpoint_url="http://127.0.0.1:1", customer_key=KEY)),
        ("gs://b/k", GCSConfig(anonymous=True, endpoint_url="http://127.0.0.1:1", customer_key=KEY)),
        (
            "azure://container/k",
            AzureConfig("a", sas_token="sig=1", endpoint_url="http://127.0.0.1:1/a", customer_key=KEY),
        ),
    ],
)
async def test_a_key_is_sent_over_tls_only(uri: str, config: Any) -> None:
    with pytest.raises(InvalidConfig, match="customer key would be sent unencrypted to http://127.0.0.1:1") as caught:
        await AsyncStorage().read(uri, config=config)
    assert shows(caught.value, TEXT, repr(KEY)) == []


async def test_requests_of_s3(tmp_path: Path) -> None:
    storage = AsyncStorage(Limits(part_size=5 * MiB))
    (tmp_path / "in").mkdir()
    with WritableS3() as server:
        config = allowed(server.config)
        await storage.upload(files(tmp_path / "in"), "s3://b/m", config=config)
        for key, data in {"large": OTHER, "1": b"small", "2": b"small"}.items():
            server.replace("b", f"n/{key}", data)
        await storage.download("s3://b/n/", tmp_path / "out", config=config)
        await storage.copy("s3://b/n/large", "s3://b/copy", config=config)
        await storage.delete("s3://b/copy", config=config)
        of_bytes = [asked for asked in server.asked if asked.path.startswith("/b/") and len(asked.path) > 3]
        expected = [S3_HEADERS if asked.method in {"GET", "HEAD", "PUT", "POST"} else {} for asked in of_bytes]
        assert [sent(asked, S3_HEADERS) for asked in of_bytes] == expected
        (copy,) = [asked for asked in of_bytes if "x-amz-copy-source" in asked.headers]
        source = {name.replace("x-amz-", "x-amz-copy-source-"): value for name, value in S3_HEADERS.items()}
        assert sent(copy, source) == source
        listings = [asked for asked in server.asked if "list-type" in asked.query]
        assert listings
        assert [sent(asked, S3_HEADERS) for asked in listings] == [{}] * len(listings)
    assert (tmp_path / "out" / "large").read_bytes() == OTHER


async def test_two_buckets_with_different_keys_are_copied_through_memory() -> None:
    with WritableS3() as server:
        server.replace("b", "k", b"bytes")
        await AsyncStorage().copy("s3://b/k", "s3://b/copy", config=server.config, dest_config=allowed(server.config))
        assert not [asked for asked in server.asked if "x-amz-copy-source" in asked.headers]
        (put,) = [asked for asked in server.asked if asked.method == "PUT"]
        assert sent(put, S3_HEADERS) == S3_HEADERS
        assert [sent(asked, S3_HEADERS) for asked in server.asked if asked.path == "/b/k"] == [{}] * 2


async def test_an_object_is_written_and_read_with_the_key(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket, config = make_bucket(seaweedfs), allowed(config_of(seaweedfs))
    storage = AsyncStorage(Limits(part_size=5 * MiB, attempts=2))
    for name, data in {"small": b"bytes", "large": LARGE}.items():
        (tmp_path / name).write_bytes(data)
        await storage.upload(tmp_path / name, f"s3://{bucket}/{name}", config=config)
        assert await storage.read(f"s3://{bucket}/{name}", config=config) == data
    head = client(seaweedfs).head_object(Bucket=bucket, Key="small", SSECustomerAlgorithm="AES256", SSECustomerKey=KEY)
    assert head["SSECustomerKeyMD5"].startswith(S3_HEADERS[f"{S3_KEY}-key-md5"])  # the server sends it twice
    for wrong in (replace(config, customer_key=KEY[::-1]), config_of(seaweedfs)):
        with pytest.raises(StorageError) as caught:
            await storage.read(f"s3://{bucket}/small", config=wrong)
        assert shows(caught.value, TEXT) == []


@pytest.mark.parametrize(("first", "second", "begun"), [(KEY, KEY, 1), (KEY, None, 2), (None, KEY, 2)])
async def test_an_unfinished_upload_with_another_key_is_not_resumed(
    tmp_path: Path, bare_environment: Path, first: bytes | None, second: bytes | None, begun: int
) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    failing = True

    def instead(asked: Asked) -> Reply | None:
        return failure(403, "AccessDenied") if failing and asked.query.get("partNumber") == "3" else None

    with WritableS3(instead=instead) as server:
        configs = [replace(allowed(server.config), customer_key=key) for key in (first, second)]
        storage = AsyncStorage(Limits(part_size=5 * MiB, memory=5 * MiB))
        with pytest.raises(AccessDenied):
            await storage.upload(tmp_path / "large", "s3://b/k", config=configs[0])
        failing = False
        await storage.upload(tmp_path / "large", "s3://b/k", config=configs[1])
        assert len([asked for asked in server.asked if "uploads" in asked.query]) == begun
        assert (server.uploads, server.objects["b"]) == ({}, {"k": LARGE})
    records = list((bare_environment / ".local/state/sealift").rglob("*"))
    assert not [path for path in records if path.is_file() and TEXT.encode() in path.read_bytes()]


async def test_requests_of_google(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"bytes")
    (tmp_path / "large").write_bytes(LARGE)
    storage = AsyncStorage(Limits(part_size=5 * MiB))
    with Google() as server:
        config = allowed(server.google)
        for name in ("small", "large"):
            await storage.upload(tmp_path / name, "gs://b/k", config=config)
        await storage.copy("gs://b/k", "gs://b/copy", config=config, verify=False)
        posts = [asked for asked in server.asked if asked.method == "POST"]
        assert [sent(asked, GCS_HEADERS) for asked in posts] == [GCS_HEADERS] * 6
        source = {name.replace("x-goog-", "x-goog-copy-source-"): value for name, value in GCS_HEADERS.items()}
        assert sent(posts[-1], source) == source
        assert {asked.method for asked in server.asked if not sent(asked, GCS_HEADERS)} <= {"DELETE", "GET"}
        stats = [asked for asked in server.asked if asked.method == "GET" and asked.path.endswith("/o/k")]
        assert [sent(asked, GCS_HEADERS) for asked in stats] == [GCS_HEADERS] * len(stats)


async def test_requests_of_azure(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"bytes")
    (tmp_path / "large").write_bytes(LARGE)
    tag = {"ETag": '"1"', "Last-Modified": "Tue, 01 Sep 2020 10:20:30 GMT"}

    def instead(asked: Asked) -> Reply:
        return Reply(201, headers=tag) if asked.method == "PUT" else Reply(200, b"bytes", tag)

    storage = AsyncStorage(Limits(part_size=5 * MiB))
    with FakeS3({}, instead=instead) as server:
        config = allowed(AzureConfig("models", sas_token="sv=1&sig=2", endpoint_url=f"{server.endpoint}/models"))
        for name in ("small", "large"):
            await storage.upload(tmp_path / name, "azure://container/k", config=config)
        assert await storage.read("azure://container/k", config=config) == b"bytes"
        # The service cannot copy with a key.
        await storage.copy("azure://container/k", "azure://container/copy", config=config, verify=False)
        assert not [asked for asked in server.asked if "x-ms-copy-source" in asked.headers]
        of_bytes = [asked for asked in server.asked if asked.query.get("blocklisttype") is None]
        assert [sent(asked, AZURE_HEADERS) for asked in of_bytes] == [AZURE_HEADERS] * len(of_bytes)


@pytest.mark.parametrize(
    ("uri", "config", "options"),
    [
        ("s3://b/k", S3Config("a", "b", customer_key=KEY), WriteOptions(sse="AES256")),
        ("gs://b/k", GCSConfig(anonymous=True, customer_key=KEY), WriteOptions(kms_key_id="k")),
        (
            "azure://container/k",
            AzureConfig("aaa", sas_token="sig=1", customer_key=KEY),
            WriteOptions(encryption_scope="s"),
        ),
    ],
)
async def test_a_second_kind_of_encryption_is_refused(
    tmp_path: Path, uri: str, config: Any, options: WriteOptions
) -> None:
    (tmp_path / "k").write_bytes(b"bytes")
    with pytest.raises(UnsupportedOperation, match="does not support WriteOptions"):
        await AsyncStorage(Limits(attempts=1)).upload(tmp_path / "k", uri, config=config, write_options=options)


@pytest.mark.parametrize("setting", [{"requester_pays": True}, {"customer_key": KEY}])
async def test_directory_buckets_have_neither(setting: dict[str, Any]) -> None:
    config = S3Config("a", "b", region="us-west-2", **setting)
    with pytest.raises(UnsupportedOperation, match=f"directory buckets do not support S3Config.{next(iter(setting))}="):
        await AsyncStorage(Limits(attempts=1)).read("s3://models--usw2-az1--x-s3/k", config=config)


async def test_who_pays_is_said_in_each_request(tmp_path: Path) -> None:
    storage = AsyncStorage(Limits(part_size=5 * MiB))
    (tmp_path / "in").mkdir()
    with WritableS3() as server:
        config = replace(server.config, requester_pays=True)
        await storage.upload(files(tmp_path / "in"), "s3://b/m", config=config)
        server.replace("b", "n/large", OTHER)
        await storage.download("s3://b/n/", tmp_path / "out", config=config)
        await storage.copy("s3://b/n/large", "s3://b/copy", config=config)
        await storage.delete("s3://b/copy", config=config)
        assert {asked.headers.get("x-amz-request-payer") for asked in server.asked} == {"requester"}
        signed = [asked.headers["authorization"].partition("SignedHeaders=")[2] for asked in server.asked]
        assert all("x-amz-request-payer" in names for names in signed)
