"""A program that uses the public API. It is never run: `test_typing` checks it with mypy and pyright.

An ignored error is an assertion, too: both report an ignore that is not needed.
"""

import json
import os
import pickle
import zipfile
from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal, assert_type

import sealift
from sealift import (
    AccessDenied,
    ArchiveError,
    AsyncCachedPath,
    AsyncReadableFile,
    AsyncStorage,
    AsyncTensors,
    AsyncWritableFile,
    AzureConfig,
    CachedPath,
    ClosedError,
    DeadlineExceeded,
    Durability,
    Event,
    Existing,
    GCSConfig,
    HFConfig,
    HTTPConfig,
    IncompleteError,
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
    ObjectExists,
    ObjectInfo,
    ObjectList,
    OCIConfig,
    OnError,
    OnEvent,
    Properties,
    PVCConfig,
    ReadableFile,
    Revalidate,
    S3Config,
    ServiceError,
    SignatureError,
    Skipped,
    SkipReason,
    Storage,
    StorageConfig,
    StorageConfigs,
    StorageError,
    StorageMetadata,
    StorageOperations,
    StorageURI,
    Symlinks,
    Synced,
    TensorFileError,
    TensorMeta,
    TensorRead,
    Tensors,
    TransportError,
    Trust,
    Unpack,
    UnsafeKey,
    UnsupportedOperation,
    Verify,
    WritableFile,
    WriteOptions,
    configure,
)

uri: StorageURI = "s3://ml-models/iris/"


def told(event: Event) -> None:
    assert_type(
        event.kind,
        Literal[
            "listed",
            "progress",
            "resumed",
            "suspended",
            "object",
            "kept",
            "retry",
            "paused",
            "deleted",
            "skipped",
            "cache",
        ],
    )
    assert_type(event.reason, str)
    assert_type(event.target, str)
    assert_type(event.key, str)
    assert_type(event.size, int)
    assert_type(event.verified, str | None)
    assert_type(event.error, BaseException | None)
    assert_type(event.delay, float)
    event.size = 3  # type: ignore[misc]


def sync() -> None:
    assert_type(Storage.download(uri), str)
    path: LocalPath = Storage.download(uri, "/mnt/models")
    assert_type(Storage.download(uri, Path("/mnt/models"), config=S3Config()), str)
    assert_type(Storage.download(uri, dest=PurePosixPath("x"), config=None), str)
    assert_type(Storage.download(uri, unpack=True), str)
    assert_type(Storage.download(uri, unpack=Unpack(entries=10, size=1 << 30, ratio=2.5)), str)
    Storage.download(uri, unpack=3)  # type: ignore[arg-type]
    Storage.download(uri, allow_patterns="*.bin", ignore_patterns=["*.txt"], on_event=told)
    Storage.download(uri, allow_patterns=(each for each in ("*.bin",)), on_event=lambda event: None)
    assert_type(Storage.download(uri, cache=False, offline=True), str)
    fresh: Revalidate = 60.0
    assert_type(Storage.cached(uri, revalidate=fresh), CachedPath)
    with Storage.cached(uri, revalidate="never") as cached:
        assert_type(cached, str)
    assert_type(StorageOperations.list_objects(uri), list[str])
    assert_type(StorageOperations.list_objects(uri, config=S3Config()), list[str])
    objects: ObjectList = StorageOperations.list_objects(uri)
    assert_type(StorageOperations.get_object_metadata(uri), dict[str, Any])
    metadata: StorageMetadata = StorageOperations.get_object_metadata(uri, config=S3Config())
    assert_type(Storage.is_local(path), bool)
    assert_type(Storage.get_storage_spec(objects[0]), dict[str, Any])
    assert_type(metadata["size"], Any)

    Storage.download(3)  # type: ignore[arg-type]
    Storage.download(uri, 3)  # type: ignore[arg-type]
    Storage.download(uri, b"/mnt/models")  # type: ignore[arg-type]
    Storage.download(uri, None, config={"access_key_id": "A"})  # type: ignore[arg-type]
    Storage.download(uri, None, config=None, dest_config="*.bin")  # type: ignore[call-arg]
    Storage.download(uri, on_event=lambda: None)  # type: ignore[misc, arg-type]
    StorageOperations.list_objects()  # type: ignore[call-arg]


async def asynchronous(limits: Limits | None, environ: dict[str, str], patterns: Iterable[str]) -> None:
    storage = AsyncStorage()
    assert_type(await storage.download(uri), str)
    assert_type(await AsyncStorage(limits, environ=environ).download(uri, "/mnt/models", config=S3Config()), str)
    AsyncStorage(environ=os.environ)
    AsyncStorage(Limits(memory=1 << 30))
    assert_type(AsyncStorage(limits=Limits.from_env(os.environ), config=S3Config()), AsyncStorage)
    AsyncStorage(config=[S3Config(), GCSConfig()])
    AsyncStorage(config={"s3://": S3Config(), "https://example.com/": HTTPConfig()})
    by_prefix = {"s3://backup/": S3Config()}
    AsyncStorage(config=by_prefix)
    await storage.aclose()
    async with AsyncStorage() as entered:
        assert_type(entered, AsyncStorage)
        assert_type(await entered.download(uri, allow_patterns=patterns, ignore_patterns=None, on_event=told), str)
        assert_type(await entered.list_objects(uri), list[str])
        assert_type(await entered.get_object_metadata(uri, config=S3Config()), dict[str, Any])
    assert_type(storage.cached(uri), AsyncCachedPath)
    async with storage.cached(uri, revalidate="always") as cached:
        assert_type(cached, str)
    assert_type(storage.is_local(uri), bool)
    assert_type(AsyncStorage.get_storage_spec(uri), dict[str, Any])

    AsyncStorage(environ={"A": 1})  # type: ignore[dict-item]
    AsyncStorage("s3://")  # type: ignore[arg-type]
    AsyncStorage(S3Config())  # type: ignore[arg-type]
    AsyncStorage(config=Limits())  # type: ignore[arg-type]
    AsyncStorage(config={"s3://": "s3"})  # type: ignore[dict-item]
    await storage.read(uri, config=[S3Config()])  # type: ignore[arg-type]
    Storage.is_local(storage.download(uri))  # type: ignore[arg-type]
    with AsyncStorage():  # type: ignore[attr-defined]
        pass


def writing() -> None:
    assert_type(Storage.upload("model", uri), bool)
    assert_type(Storage.upload(Path("model"), uri, config=S3Config(), allow_patterns="*", on_event=told), bool)
    assert_type(
        Storage.copy(uri, "s3://other/", config=S3Config(), dest_config=S3Config(), recursive=False, dry_run=True), str
    )
    assert_type(Storage.sync(uri, "/mnt/models", delete=True, checksum=True, ignore_patterns=["*.tmp"]), Synced)
    assert_type(Storage.delete(uri, recursive=True), int)
    assert_type(StorageOperations.delete_object(uri), bool)
    assert_type(StorageOperations.copy_object(uri, "s3://other/", config=None, dest_config=S3Config()), bool)
    assert_type(Storage.upload_many([("model", uri)]), list[bool])
    assert_type(Storage.upload_many([(Path("model"), uri)], return_exceptions=True), list[bool | StorageError])
    assert_type(Storage.copy_many([(uri, Path("/mnt"))]), list[str])
    assert_type(Storage.delete_many([uri], return_exceptions=True), list[bool | StorageError])
    assert_type(Storage.read_many([uri], config=S3Config()), list[bytes])
    assert_type(Storage.copy(uri, "/mnt", verify="require", timeout=60, durability="fsync"), str)
    assert_type(Storage.upload("model", uri, verify=False, timeout=0.5), bool)
    done = Storage.sync(uri, "/mnt/models")
    assert_type((done.copied, done.kept, done.deleted), tuple[int, int, int])

    verify: Verify = "require"
    durability: Durability = "fsync"
    assert_type(Storage.download(uri, verify=verify, durability=durability), str)
    existing: Existing = "skip"
    on_error: OnError = "continue"
    symlinks: Symlinks = "skip"
    assert_type(Storage.copy(uri, "/mnt", existing=existing, on_error=on_error, symlinks=symlinks), str)
    Storage.download(uri, existing="replace")  # type: ignore[arg-type]
    Storage.upload(3, uri)  # type: ignore[arg-type]
    Storage.upload("model", uri, verify="required")  # type: ignore[arg-type]
    Storage.download(uri, durability="sync")  # type: ignore[arg-type]
    Storage.copy(uri)  # type: ignore[call-arg]
    assert_type(Storage.sync(Path("/mnt/models"), PurePosixPath("x")), Synced)
    assert_type(Storage.copy(Path("/mnt/models"), uri), str)
    Storage.sync(uri, b"/mnt/models")  # type: ignore[arg-type]
    Storage.delete(uri, config=None, dest_config=True)  # type: ignore[call-arg]
    done.copied = 3  # type: ignore[misc]


def typed_verbs(chunks: Iterable[bytes]) -> None:
    assert_type(Storage.list(uri, delimiter="/", max_items=10), list[ObjectInfo])
    assert_type(Storage.stat(uri).is_prefix, bool)
    assert_type(Storage.exists(uri), bool)
    assert_type(Storage.write(uri, chunks), ObjectInfo)
    assert_type(Storage.write(uri, bytearray(8), verify="require", existing="fail"), ObjectInfo)
    assert_type(Storage.read_ranges(uri, ((0, 8), (8, None))), list[bytes])
    assert_type(Storage.move(uri, "s3://other/", config=S3Config(), dest_config=S3Config()), str)
    assert_type(Storage.presign(uri, expires_in=60), str)
    assert_type(Storage.list_buckets("s3://"), list[str])
    Storage.list(uri, delimiter="|")  # type: ignore[arg-type]


def reading(flag: bool) -> None:
    assert_type(Storage.read(uri), bytes)
    assert_type(Storage.read(Path("model")), bytes)
    assert_type(Storage.download_many([Path("model"), (Path("model"), Path("/mnt"))]), list[str])
    assert_type(Storage.read(uri, 10, 20, config=S3Config()), bytes)
    assert_type(Storage.read_into(uri, bytearray(10), 5), int)
    assert_type(Storage.read_into(uri, memoryview(bytearray(10)), config=S3Config()), int)
    for chunk in Storage.stream(uri, 10, length=None):
        assert_type(chunk, bytes)
    with Storage.stream(uri) as chunks:
        assert_type(next(chunks), bytes)
    with Storage.open(uri) as file:
        assert_type(file, ReadableFile)
        assert_type(file.read(), bytes)
        json.load(file)
        zipfile.ZipFile(file)
    with Storage.open(uri, timeout=10, version_id="1") as file:
        assert_type(file, ReadableFile)
    with Storage.open(uri, "wb", config=S3Config(), write_options=WriteOptions(content_type="text/plain")) as out:
        assert_type(out, WritableFile)
        assert_type(out.write(b"x"), int)
        pickle.dump({}, out)
    assert_type(Storage.open(uri, str(flag)), ReadableFile | WritableFile)
    with Storage.tensors(Path("model"), framework="torch", device="cuda", memory=1, verify="require") as tensors:
        assert_type(tensors, Tensors)
        assert_type(tensors.names, tuple[str, ...])
        assert_type(tensors.meta("x"), TensorMeta)
        assert_type(tensors.load(lambda name: name > "x", slices={"x": (0, 1, 2)}), dict[str, Any])
        for name, _ in tensors:
            assert_type(name, str)
        for name, _ in tensors.stream(["x"]):
            assert_type(name, str)
    Storage.tensors(uri, framework="jax")  # type: ignore[arg-type]
    assert_type(Storage.download_many([uri, (uri, "/mnt"), (uri, Path("/mnt")), (uri, None)]), list[str])
    assert_type(Storage.download_many([uri], config=S3Config(), return_exceptions=flag), list[str | StorageError])

    Storage.read(uri, "0-10")  # type: ignore[arg-type]
    Storage.download_many([(uri, "/mnt", 3)])  # type: ignore[list-item]


async def asynchronously(storage: AsyncStorage, flag: bool) -> None:
    assert_type(await storage.upload("model", uri), bool)
    assert_type(await storage.copy(uri, "/mnt"), str)
    assert_type(await storage.copy_object(uri, "/mnt", on_event=told), bool)
    assert_type(await storage.sync(uri, "/mnt"), Synced)
    assert_type(await storage.delete(uri), int)
    assert_type(await storage.delete_object(uri), bool)
    assert_type(await storage.read(uri), bytes)
    assert_type(await storage.read_into(uri, bytearray(10)), int)
    async for chunk in storage.stream(uri):
        assert_type(chunk, bytes)
    async with aclosing(storage.stream(uri, 10, 10)) as chunks:
        assert_type(await anext(chunks), bytes)
    async with storage.open(uri) as file:
        assert_type(file, AsyncReadableFile)
        assert_type(await file.read(10), bytes)
    out = await storage.open(uri, "wb")
    assert_type(out, AsyncWritableFile)
    assert_type(await out.write(b"x"), int)
    async with storage.tensors(uri) as tensors:
        assert_type(tensors, AsyncTensors)
        assert_type(tensors.reads, dict[str, TensorRead])
        assert_type(await tensors.load(), dict[str, Any])
        await tensors.into({"x": bytearray(1)})
        async for name, _ in tensors:
            assert_type(name, str)
    async for obj in storage.list(uri):
        assert_type(obj, ObjectInfo)
        assert_type(obj.properties, Properties | None)
        assert_type(obj.size, int | None)
        assert_type(obj.modified, datetime | None)
    assert_type(await storage.stat(uri), ObjectInfo)
    assert_type(await storage.exists(uri), bool)
    assert_type(await storage.write(uri, b"x", write_options=WriteOptions(content_type="text/plain")), ObjectInfo)
    assert_type(await storage.write(uri, storage.stream(uri)), ObjectInfo)
    assert_type(await storage.read_ranges(uri, [(0, 8), (-8, None)]), list[bytes])
    assert_type(await storage.move(uri, "/mnt", recursive=False), str)
    assert_type(await storage.move(uri, "/mnt", existing="skip", on_error="continue"), str)
    assert_type(await storage.presign(uri, "PUT", 60), str)
    assert_type(await storage.verify_signature("/mnt", Trust("model.sig", key="a.pub", mode="warn")), int)
    assert_type(await storage.list_buckets("s3://"), list[str])
    await storage.presign(uri, "DELETE")  # type: ignore[arg-type]
    await storage.write(uri, 3)  # type: ignore[arg-type]
    assert_type(await storage.download_many([uri]), list[str])
    assert_type(await storage.download_many([uri], return_exceptions=False), list[str])
    assert_type(await storage.upload_many([("model", uri)], return_exceptions=True), list[bool | StorageError])
    assert_type(await storage.copy_many([(uri, "/mnt")]), list[str])
    assert_type(await storage.copy_many([(uri, "/mnt")], return_exceptions=flag), list[str | StorageError])
    assert_type(await storage.delete_many([uri], config=S3Config()), list[bool])
    assert_type(await storage.read_many(iter([uri])), list[bytes])
    assert_type(await storage.read_many([uri], return_exceptions=True), list[bytes | StorageError])

    await storage.stream(uri)  # type: ignore[misc]
    for _ in storage.list(uri):  # type: ignore[attr-defined]
        pass


class Inherited(AsyncStorage):
    async def entered(self) -> None:
        async with self as same:
            assert_type(same, "Inherited")


def configurations() -> list[StorageConfig]:
    s3 = S3Config(os.getenv("AWS_ACCESS_KEY_ID"), os.getenv("AWS_SECRET_ACCESS_KEY"), "eu-west-1", None, True)
    assert_type(s3.region, str | None)
    assert_type(s3.verify_ssl, bool | str | os.PathLike[str])
    assert_type(S3Config.from_env(os.environ), S3Config)
    S3Config(addressing_style="virtual", session_token="t", profile="p", verify_ssl="/ca.pem", anonymous=False)
    S3Config(addressing_style="other")  # type: ignore[arg-type]
    HFConfig(token_file=Path("/token"), verify_ssl=Path("/ca.pem"))
    PVCConfig({"claim": Path("/mnt")})
    s3.region = "us-east-1"  # type: ignore[misc]
    return [
        s3,
        GCSConfig("/key.json", "project"),
        AzureConfig("account", "key", "sas", "connection"),
        AzureConfig(connection_string="c"),
        HTTPConfig({"Authorization": "x"}),
        HFConfig("token", "https://hub.example"),
        sealift.ModelScopeConfig("token", "https://hub.example"),
        sealift.GitConfig("robot", "password", verify_ssl=Path("/ca.pem")),
        sealift.HDFSConfig("http://nn:9870", user="me", keytab=Path("/keytab"), principal="me@EXAMPLE.COM"),
        OCIConfig("user", "password"),
        PVCConfig({"claim": "/mnt/claim"}),
    ]


def settings(config: StorageConfigs) -> None:
    configure(config=config, limits=Limits(connections=3))
    configure()
    configure(config={"s3://": S3Config()})
    configure(S3Config())  # type: ignore[call-arg]
    configure(limits=S3Config())  # type: ignore[arg-type]
    assert_type(sealift.__version__, str)


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
        InvalidURI, InvalidConfig, ModelMissingError, AccessDenied, ArchiveError, TensorFileError, ObjectChanged,
        UnsupportedOperation, ObjectExists, IntegrityError, SignatureError, UnsafeKey, IncompleteError, LocalIOError,
        TransportError,
        ServiceError, ClosedError, DeadlineExceeded,
    )  # fmt: skip
    for skipped in IncompleteError("cause").skipped:
        assert_type(skipped, Skipped)
        reason: SkipReason = skipped.reason
        assert_type(f"{skipped.key}: {reason}: {skipped.cause}", str)
    all_of_one_tree(ModelNotFound, InferenceError)  # type: ignore[arg-type]
    assert_type(ModelMissingError("path").path, str)
    assert_type(InvalidInput("reason").reason, str)
    assert_type(ModelNotFound("name").model_name, str | None)
    assert_type(InferenceError("reason", "500", "details").status, str | None)


def names(handler: OnEvent) -> None:
    handler(Event("progress", "key", 10))
    assert_type(sealift.SUPPORTED_PROTOCOLS, dict[str, str])
    assert_type(sealift.AUTHENTICATION_METHODS, dict[str, list[str]])
    formats: list[str] = [
        sealift.S3_URI_FORMAT,
        sealift.GCS_URI_FORMAT,
        sealift.AZURE_URI_FORMAT,
        sealift.PVC_URI_FORMAT,
        sealift.LOCAL_URI_FORMAT,
        sealift.HTTP_URI_FORMAT,
        sealift.HF_URI_FORMAT,
        sealift.MODELSCOPE_URI_FORMAT,
        sealift.GIT_URI_FORMAT,
        sealift.HDFS_URI_FORMAT,
        sealift.OCI_URI_FORMAT,
    ]
    assert_type(formats, list[str])
