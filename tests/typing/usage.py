"""The public API as a program uses it. Never run: `test_typing` has mypy read it.

An ignored error is asserted, too: mypy complains about an ignore that is not needed.
"""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Literal, assert_type

import sealift
from sealift import (
    AccessDenied,
    AsyncStorage,
    AzureConfig,
    ClosedError,
    Event,
    GCSConfig,
    HFConfig,
    HTTPConfig,
    InferenceError,
    IntegrityError,
    InvalidConfig,
    InvalidInput,
    InvalidURI,
    Limits,
    LocalIOError,
    LocalPath,
    ModelMissingError,
    ModelNotFound,
    ObjectChanged,
    ObjectList,
    OnEvent,
    PVCConfig,
    S3Config,
    ServiceError,
    Storage,
    StorageConfig,
    StorageError,
    StorageMetadata,
    StorageOperations,
    StorageURI,
    TransportError,
    UnsafeKey,
    UnsupportedOperation,
)

uri: StorageURI = "s3://ml-models/iris/"


def told(event: Event) -> None:
    assert_type(event.kind, Literal["listed", "progress", "object", "retry"])
    assert_type(event.key, str)
    assert_type(event.size, int)
    assert_type(event.verified, str | None)
    assert_type(event.error, BaseException | None)
    assert_type(event.delay, float)
    event.size = 3  # type: ignore[misc]


def sync() -> None:
    assert_type(Storage.download(uri), str)
    path: LocalPath = Storage.download(uri, "/mnt/models")
    assert_type(Storage.download(uri, Path("/mnt/models"), S3Config()), str)
    assert_type(Storage.download(uri, dest=PurePosixPath("x"), config=None), str)
    Storage.download(uri, allow_patterns="*.bin", ignore_patterns=["*.txt"], on_event=told)
    Storage.download(uri, allow_patterns=(each for each in ("*.bin",)), on_event=lambda event: None)
    assert_type(StorageOperations.list_objects(uri), list[str])
    assert_type(StorageOperations.list_objects(uri, S3Config()), list[str])
    objects: ObjectList = StorageOperations.list_objects(uri)
    assert_type(StorageOperations.get_object_metadata(uri), dict[str, Any])
    metadata: StorageMetadata = StorageOperations.get_object_metadata(uri, config=S3Config())
    assert_type(Storage.is_local(path), bool)
    assert_type(Storage.get_storage_spec(objects[0]), dict[str, Any])
    assert_type(metadata["size"], Any)

    Storage.download(3)  # type: ignore[arg-type]
    Storage.download(uri, 3)  # type: ignore[arg-type]
    Storage.download(uri, b"/mnt/models")  # type: ignore[arg-type]
    Storage.download(uri, None, {"access_key_id": "A"})  # type: ignore[arg-type]
    Storage.download(uri, None, None, "*.bin")  # type: ignore[call-arg]
    Storage.download(uri, on_event=lambda: None)  # type: ignore[misc, arg-type]
    StorageOperations.list_objects()  # type: ignore[call-arg]


async def asynchronous(limits: Limits | None, environ: dict[str, str], patterns: Iterable[str]) -> None:
    storage = AsyncStorage()
    assert_type(await storage.download(uri), str)
    assert_type(await AsyncStorage(limits, environ=environ).download(uri, "/mnt/models", S3Config()), str)
    AsyncStorage(environ=os.environ)
    AsyncStorage(Limits(memory=1 << 30))
    async with AsyncStorage() as entered:
        assert_type(entered, AsyncStorage)
        assert_type(await entered.download(uri, allow_patterns=patterns, ignore_patterns=None, on_event=told), str)
        assert_type(await entered.list_objects(uri), list[str])
        assert_type(await entered.get_object_metadata(uri, S3Config()), dict[str, Any])
    assert_type(storage.is_local(uri), bool)
    assert_type(AsyncStorage.get_storage_spec(uri), dict[str, Any])

    AsyncStorage(environ={"A": 1})  # type: ignore[dict-item]
    AsyncStorage("s3://")  # type: ignore[arg-type]
    Storage.is_local(storage.download(uri))  # type: ignore[arg-type]
    with AsyncStorage():  # type: ignore[attr-defined]
        pass


class Inherited(AsyncStorage):
    async def entered(self) -> None:
        async with self as same:
            assert_type(same, "Inherited")


def configurations() -> list[StorageConfig]:
    s3 = S3Config(os.getenv("AWS_ACCESS_KEY_ID"), os.getenv("AWS_SECRET_ACCESS_KEY"), "eu-west-1", None, True)
    assert_type(s3.region, str | None)
    assert_type(s3.verify, bool | str)
    assert_type(S3Config.from_env(os.environ), S3Config)
    S3Config(addressing_style="virtual", session_token="t", profile="p", verify="/ca.pem", anonymous=False)
    S3Config(addressing_style="other")  # type: ignore[arg-type]
    s3.region = "us-east-1"  # type: ignore[misc]
    return [
        s3,
        GCSConfig("/key.json", "project"),
        AzureConfig("account", "key", "sas", "connection"),
        AzureConfig(connection_string="c"),
        HTTPConfig({"Authorization": "x"}),
        HFConfig("token", "https://hub.example"),
        PVCConfig({"claim": "/mnt/claim"}),
    ]


def limits() -> Limits:
    limits = Limits(
        1 << 27, connections=8, per_host=4, part_size=1 << 23, attempts=3, idle_timeout=1.5, min_throughput=0
    )
    assert_type(limits.memory, int | None)
    assert_type(limits.idle_timeout, float)
    Limits(memory="1 GiB")  # type: ignore[arg-type]
    return limits


def builtin(runtime: RuntimeError, missing: FileNotFoundError, denied: PermissionError, value: ValueError) -> None: ...


def all_of_one_tree(*kinds: type[StorageError]) -> None: ...


def failures(error: StorageError) -> None:
    assert_type(error.cause, str)
    assert_type(error.hint, str | None)
    assert_type(error.operation, str | None)
    assert_type(error.uri, str | None)
    assert_type(error.status, int | None)
    assert_type(error.code, str | None)
    assert_type(error.retryable, bool)
    assert_type(error.retry_after, float | None)
    builtin(error, ModelMissingError("path"), AccessDenied("cause"), InvalidURI("cause"))
    all_of_one_tree(
        InvalidURI, InvalidConfig, ModelMissingError, AccessDenied, UnsupportedOperation, ObjectChanged,
        IntegrityError, UnsafeKey, LocalIOError, TransportError, ServiceError, ClosedError,
    )  # fmt: skip
    all_of_one_tree(ModelNotFound, InferenceError)  # type: ignore[arg-type]
    assert_type(ModelMissingError("path").path, str)
    assert_type(InvalidInput("reason").reason, str)
    assert_type(ModelNotFound("name").model_name, str | None)
    assert_type(InferenceError("reason", "500", "details").status, str | None)


def names(handler: OnEvent) -> None:
    handler(Event("progress", "key", 10))
    assert_type(sealift.S3_URI_FORMAT, str)
    assert_type(sealift.SUPPORTED_PROTOCOLS, dict[str, str])
    assert_type(sealift.AUTHENTICATION_METHODS, dict[str, list[str]])
    for text in (
        sealift.GCS_URI_FORMAT,
        sealift.AZURE_URI_FORMAT,
        sealift.PVC_URI_FORMAT,
        sealift.LOCAL_URI_FORMAT,
        sealift.HTTP_URI_FORMAT,
        sealift.HF_URI_FORMAT,
    ):
        assert_type(text, str)
