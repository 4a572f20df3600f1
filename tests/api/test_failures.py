"""Failures: one clear error with the right class, and a message with the URI, the cause and the fix, but no secret."""

import errno
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from sealift import (
    AccessDenied,
    AsyncStorage,
    GCSConfig,
    InvalidConfig,
    InvalidInput,
    InvalidURI,
    Limits,
    LocalIOError,
    ModelMissingError,
    S3Config,
    ServiceError,
    StorageError,
    TransportError,
)
from sealift.demo.seaweedfs import free_ports
from sealift.types import MiB
from tests.api.helpers import all_in, config_of, files_in, shows
from tests.api.servers import HOST, SECRET, Asked, FakeS3, Reply, failure, pattern
from tests.services.s3 import Keys, S3Service, new_bucket, put_objects

pytestmark = pytest.mark.anyio

VERBS = ["download", "list_objects", "get_object_metadata"]
OPERATIONS = {"download": "download", "list_objects": "list", "get_object_metadata": "stat"}


@pytest.fixture(scope="module", params=["seaweedfs", "moto", "rclone_s3"])
def service(request: pytest.FixtureRequest) -> S3Service:
    chosen: S3Service = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    name = new_bucket(seaweedfs, "failures")
    put_objects(seaweedfs, name, {"models/m": b"m", "large": pattern(3 * MiB)})
    return name


async def call(verb: str, uri: str, dest: Path, config: Any, **limits: Any) -> StorageError:
    """Run a verb that fails. Returns the error."""
    storage = AsyncStorage(Limits(**limits))
    with pytest.raises(StorageError) as caught:
        if verb == "download":
            await storage.download(uri, dest, config=config)
        else:
            await getattr(storage, verb)(uri, config=config)
    error = caught.value
    assert str(error).startswith(f"{OPERATIONS[verb]} {uri}: ")
    assert (error.operation, error.uri) == (OPERATIONS[verb], uri)
    assert all_in(dest.parent) == set()
    return error


@pytest.mark.parametrize("key", ["models/m", "models/", "models", ""])
@pytest.mark.parametrize("verb", VERBS)
async def test_a_wrong_secret(seaweedfs: S3Service, bucket: str, tmp_path: Path, verb: str, key: str) -> None:
    wrong = Keys(seaweedfs.access_key, "this-is-not-the-secret")
    error = await call(verb, f"s3://{bucket}/{key}", tmp_path / "x", config_of(seaweedfs, wrong))
    assert isinstance(error, AccessDenied)
    assert isinstance(error, PermissionError)
    assert "the secret access key does not belong to the access key (check the credentials)" in str(error)
    assert error.code == "SignatureDoesNotMatch"
    assert shows(error, wrong.secret_key, seaweedfs.secret_key) == []


@pytest.mark.parametrize("key", ["models/m", "models/"])
@pytest.mark.parametrize("verb", VERBS)
async def test_an_unknown_access_key(seaweedfs: S3Service, bucket: str, tmp_path: Path, verb: str, key: str) -> None:
    config = config_of(seaweedfs, Keys("AKIANOBODY", "a-secret-of-nobody"))
    error = await call(verb, f"s3://{bucket}/{key}", tmp_path / "x", config)
    assert isinstance(error, AccessDenied)
    assert "the access key does not exist (check the credentials)" in str(error)
    assert shows(error, "a-secret-of-nobody") == []


@pytest.mark.parametrize("key", ["models/m", "models/", "models"])
@pytest.mark.parametrize("verb", VERBS)
async def test_no_permission(seaweedfs: S3Service, bucket: str, tmp_path: Path, verb: str, key: str) -> None:
    assert seaweedfs.one_bucket is not None
    config = config_of(seaweedfs, seaweedfs.one_bucket)
    error = await call(verb, f"s3://{bucket}/{key}", tmp_path / "x", config)
    assert isinstance(error, AccessDenied)
    assert "no permission for" in str(error)
    assert "(check the credentials and the bucket's policy)" in str(error)
    assert error.status == 403
    assert shows(error, seaweedfs.one_bucket.secret_key) == []


@pytest.mark.parametrize("key", ["models/m", "models/", ""])
@pytest.mark.parametrize("verb", VERBS)
async def test_no_such_bucket(service: S3Service, tmp_path: Path, verb: str, key: str) -> None:
    error = await call(verb, f"s3://there-is-none/{key}", tmp_path / "x", config_of(service))
    assert isinstance(error, ModelMissingError)
    assert "there is no bucket 'there-is-none' (check the bucket's name, and the endpoint)" in str(error)
    assert error.code == "NoSuchBucket"
    assert shows(error, service.secret_key) == []


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("key", ["models/none", "none/", "models/m/x"])
async def test_no_such_key(seaweedfs: S3Service, bucket: str, tmp_path: Path, verb: str, key: str) -> None:
    error = await call(verb, f"s3://{bucket}/{key}", tmp_path / "x", config_of(seaweedfs))
    assert isinstance(error, ModelMissingError)
    assert isinstance(error, FileNotFoundError)
    what = "nothing under" if key.endswith("/") else "no object"
    assert f"there is {what} {key!r}" in str(error)


def refusing(methods: dict[str, int]) -> Any:
    """Answer requests with an error status by method; "LIST" stands for a listing."""

    def instead(asked: Asked) -> Reply | None:
        kind = "LIST" if "list-type=2" in asked.target else asked.method
        return (
            failure(methods[kind], "AccessDenied" if methods[kind] == 403 else "NoSuchKey") if kind in methods else None
        )

    return instead


@pytest.mark.parametrize(
    ("methods", "kind", "cause"),
    [
        ({"HEAD": 403}, AccessDenied, "no permission for the object 'm'"),
        ({"HEAD": 403, "LIST": 403}, AccessDenied, "no permission for the object 'm'"),
        ({"HEAD": 404, "LIST": 403}, ModelMissingError, "there is no object 'm', and no permission to list 'm/'"),
    ],
)
async def test_a_head_has_no_body_so_a_listing_decides(
    tmp_path: Path, methods: dict[str, int], kind: type[StorageError], cause: str
) -> None:
    with FakeS3({"b": {"m": b"m"}}, instead=refusing(methods)) as server:
        error = await call("download", "s3://b/m", tmp_path / "x", server.config)
    assert type(error) is kind
    assert cause in str(error)
    assert error.hint is not None


async def test_a_head_refused_for_a_missing_key(tmp_path: Path) -> None:
    """S3 answers 403 to callers that may not list; here listing is allowed and shows that the key does not exist."""
    with FakeS3({"b": {"mm": b"m"}}, instead=refusing({"HEAD": 403})) as server:
        error = await call("download", "s3://b/m", tmp_path / "x", server.config)
    assert isinstance(error, ModelMissingError)
    assert "there is no object 'm'" in str(error)


@pytest.mark.parametrize("key", ["m", "m/"])
@pytest.mark.parametrize("verb", VERBS)
async def test_nobody_listens(tmp_path: Path, verb: str, key: str) -> None:
    port = free_ports()["s3"]
    config = S3Config("A", SECRET, endpoint_url=f"http://{HOST}:{port}")
    error = await call(verb, f"s3://b/{key}", tmp_path / "x", config, attempts=2)
    assert isinstance(error, TransportError)
    assert f"{HOST}:{port}" in str(error)
    assert "refused" in str(error).lower()
    assert error.hint is not None
    assert "; given up after 2 attempts in " in str(error)
    assert shows(error, SECRET) == []


async def test_a_host_that_has_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: Any, *args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    config = S3Config("A", SECRET, endpoint_url="http://storage.example.invalid:9000")
    error = await call("download", "s3://b/m", tmp_path / "x", config)
    assert isinstance(error, TransportError)
    assert "storage.example.invalid" in str(error)
    assert error.hint is not None
    assert shows(error, SECRET) == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[FakeS3]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    with FakeS3({"b": {"m": pattern(2 * MiB)}}, tls=context) as server:
        yield server


@pytest.mark.parametrize("key", ["m", ""])
async def test_a_certificate_of_an_unknown_authority(tls_server: FakeS3, tmp_path: Path, key: str) -> None:
    error = await call("download", f"s3://b/{key}", tmp_path / "x", tls_server.config)
    assert isinstance(error, TransportError)
    assert not error.retryable
    assert "certificate" in str(error)
    assert f"{HOST}:{tls_server.port}" in str(error)
    assert error.hint is not None
    assert "verify_ssl" in error.hint
    assert tls_server.asked == []
    assert shows(error, SECRET) == []


async def test_a_certificate_of_another_name(authority: trustme.CA, ca_file: str, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with FakeS3({"b": {"m": b"m"}}, tls=context) as server:
        config = S3Config("A", SECRET, endpoint_url=server.endpoint, verify_ssl=ca_file)
        error = await call("download", "s3://b/m", tmp_path / "x", config)
        assert server.asked == []
    assert isinstance(error, TransportError)
    assert "certificate" in str(error)


@pytest.mark.parametrize("trust", ["verify_ssl", "AWS_CA_BUNDLE", "AWS_CA_BUNDLE with a config", "not at all"])
async def test_a_known_authority(tls_server: FakeS3, ca_file: str, tmp_path: Path, trust: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": tls_server.endpoint}
    environ = {**keys, "AWS_CA_BUNDLE": ca_file} if "AWS_CA_BUNDLE" in trust else keys
    config = {
        "verify_ssl": S3Config(verify_ssl=ca_file),
        "AWS_CA_BUNDLE": None,
        "AWS_CA_BUNDLE with a config": S3Config("A", SECRET, endpoint_url=tls_server.endpoint),
        "not at all": S3Config(verify_ssl=False),
    }[trust]
    await AsyncStorage(environ=environ).download("s3://b/m", tmp_path / "m", config=config)
    assert files_in(tmp_path) == {"m": pattern(2 * MiB)}


async def test_trust_in_a_file_that_is_none(tls_server: FakeS3, tmp_path: Path) -> None:
    config = S3Config("A", SECRET, endpoint_url=tls_server.endpoint, verify_ssl="/no/such/ca.pem")
    error = await call("download", "s3://b/m", tmp_path / "x", config)
    assert "/no/such/ca.pem" in str(error)


async def test_a_service_that_keeps_failing(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": b"m"}}, instead=lambda asked: failure(500, "InternalError")) as server:
        error = await call("download", "s3://b/m", tmp_path / "x", server.config, attempts=3)
        assert len(server.asked) == 3
    assert isinstance(error, ServiceError)
    assert error.status == 500
    assert "; given up after 3 attempts in " in str(error)


async def test_what_is_not_retried(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": b"m"}}, instead=lambda asked: failure(501, "NotImplemented")) as server:
        error = await call("list_objects", "s3://b/m/", tmp_path / "x", server.config, attempts=1)
        assert len(server.asked) == 1
    assert isinstance(error, ServiceError)
    assert "501 NotImplemented: so it is" in str(error)


@pytest.mark.parametrize(
    ("limits", "hint"),
    [
        ({"memory": MiB, "part_size": 2 * MiB}, "Limits(memory=2097152)"),
        ({"part_size": 16}, "Limits(part_size=65536)"),
    ],
)
async def test_limits_that_are_too_small(
    seaweedfs: S3Service, bucket: str, tmp_path: Path, limits: dict[str, int], hint: str
) -> None:
    error = await call("download", f"s3://{bucket}/large", tmp_path / "x", config_of(seaweedfs), **limits)
    assert isinstance(error, InvalidConfig)
    assert hint in str(error)


@pytest.mark.parametrize("name", ["memory", "connections", "per_host", "part_size", "attempts", "idle_timeout"])
@pytest.mark.parametrize("value", [0, -1])
async def test_limits_that_are_none(name: str, value: int) -> None:
    with pytest.raises(InvalidConfig, match=rf"Limits\({name}={value}\) is not positive"):
        Limits(**{name: value})


@pytest.mark.parametrize("config", [GCSConfig(), {"access_key_id": "A"}, "AKIA"])
async def test_a_configuration_for_something_else(tmp_path: Path, config: Any) -> None:
    error = await call("download", "s3://b/m", tmp_path / "x", config)
    assert isinstance(error, InvalidConfig)
    assert f"{type(config).__name__} is not for s3:// (pass an S3Config)" in str(error)


@pytest.mark.parametrize(
    ("uri", "kind", "says"),
    [
        ("", InvalidURI, "empty"),
        ("s3://", InvalidURI, "the bucket name is missing"),
        ("s3:///key", InvalidURI, "the bucket name is missing"),
        ("s3://under score!/key", InvalidURI, "is not a valid bucket name"),
        ("s4://b/m", InvalidURI, "unknown scheme s4://"),
        ("file://host/path", InvalidURI, "host"),
        ("s3://b/a\0b", InvalidURI, "NUL"),
        ("s3://user:pass-word@example.com/m", InvalidURI, "credentials do not belong in a URI"),
        (b"s3://b/m", InvalidURI, "bytes"),
        (None, InvalidURI, "NoneType"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_bad_uri(uri: Any, kind: type[StorageError], says: str, verb: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        await getattr(AsyncStorage(), verb)(uri)
    assert str(caught.value).startswith(f"{OPERATIONS[verb]}")
    assert isinstance(caught.value, StorageError)
    assert isinstance(caught.value, InvalidInput)
    assert shows(caught.value, "pass-word") == []


@pytest.mark.parametrize("key", ["models/m", "models"])
async def test_no_room_for_a_temporary_directory(
    seaweedfs: S3Service, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(LocalIOError, match=str(tmp_path / "gone")) as caught:
        await AsyncStorage().download(f"s3://{bucket}/{key}", config=config_of(seaweedfs), cache=False)
    assert f"download s3://{bucket}/{key}: " in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("key", ["models/m", "models"])
async def test_what_the_system_says_is_passed_on(
    seaweedfs: S3Service, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, key: str
) -> None:
    """Errors beyond the real ones in `test_disk_trouble`: the message has the system's text and the file's path."""

    def refuse(*args: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", refuse)
    error = await call("download", f"s3://{bucket}/{key}", tmp_path / "x", config_of(seaweedfs))
    assert isinstance(error, LocalIOError)
    assert os.strerror(number) in str(error)
    assert (error.hint is None) == (number == errno.EIO)


@pytest.mark.parametrize(("limits", "asked"), [({}, 2), ({"attempts": 3}, 3)])
async def test_the_environment_says_how_often(tmp_path: Path, limits: dict[str, int], asked: int) -> None:
    """The variable works as for the SDK; an explicit limit takes precedence."""
    with FakeS3({"b": {"m": b"m"}}, instead=lambda asked: failure(503, "SlowDown")) as server:
        storage = AsyncStorage(Limits(**limits), environ={"AWS_MAX_ATTEMPTS": "2"})
        with pytest.raises(ServiceError, match="SlowDown"):
            await storage.list_objects("s3://b/m/", config=server.config)
        assert len(server.asked) == asked
