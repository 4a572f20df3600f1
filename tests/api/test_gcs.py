"""gs:// through the API: with Google's client against fake-gcs-server, and a fake for error replies."""

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import anyio
import pytest

from sealift import AccessDenied, AsyncStorage, Event, IntegrityError, InvalidConfig, Limits, S3Config
from sealift.errors import ModelMissingError, ObjectChanged, ServiceError, StorageError
from sealift.integrity import checksums
from sealift.types import KiB
from tests.api.helpers import config_of, files_in
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.stores import LONG_AGO
from tests.services.gcs import GCSService, client, get_objects, new_bucket, put_objects
from tests.services.google import Google, refusal, reply
from tests.services.s3 import MakeBucket, S3Service
from tests.services.s3 import put_objects as put_s3

pytestmark = pytest.mark.anyio

SMALL = {"config.json": b"{}", "empty": b"", "weights/00001": pattern(1000)}
LARGE = pattern(3_000_001)
# 46 parts: more than the service can compose in one request.
PARTS = Limits(part_size=64 * KiB, attempts=2)


@pytest.fixture
def bucket(gcs: GCSService, request: pytest.FixtureRequest) -> str:
    return new_bucket(gcs, request.node.name)


@pytest.fixture
async def storage(gcs: GCSService) -> AsyncStorage:
    return AsyncStorage(PARTS, environ=gcs.environ)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for key, data in (SMALL | {"large.bin": LARGE}).items():
        (tmp_path / "model" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / key).write_bytes(data)
        os.utime(tmp_path / "model" / key, (LONG_AGO, LONG_AGO))
    return tmp_path / "model"


async def test_what_sealift_writes_google_s_client_reads(
    gcs: GCSService, bucket: str, storage: AsyncStorage, model: Path
) -> None:
    events: list[Event] = []
    assert await storage.upload(model, f"gs://{bucket}/m", on_event=events.append)
    assert get_objects(gcs, bucket) == {f"m/{key}": data for key, data in (SMALL | {"large.bin": LARGE}).items()}
    blob = client(gcs).bucket(bucket).get_blob("m/large.bin")
    assert blob.content_type == "application/octet-stream"
    assert {event.verified for event in events if event.kind == "object"} == {"crc32c"}


async def test_what_google_s_client_writes_sealift_reads(
    gcs: GCSService, bucket: str, storage: AsyncStorage, tmp_path: Path
) -> None:
    put_objects(gcs, bucket, {f"m/{key}": data for key, data in SMALL.items()})
    (tmp_path / "large").write_bytes(LARGE)
    blob = client(gcs).bucket(bucket).blob("m/large.bin", chunk_size=256 * KiB)  # chunks make it a resumable upload
    blob.upload_from_filename(str(tmp_path / "large"))
    events: list[Event] = []
    await storage.download(f"gs://{bucket}/m", tmp_path / "there", on_event=events.append)
    assert files_in(tmp_path / "there") == SMALL | {"large.bin": LARGE}
    told = {event.key: event.verified for event in events if event.kind == "object"}
    assert (told["m/large.bin"], told["m/config.json"]) == ("crc32c", "crc32c")
    assert await storage.read(f"gs://{bucket}/m/large.bin", 1_000_000, 1000) == LARGE[1_000_000:1_001_000]
    streamed = bytearray()
    async for piece in storage.stream(f"gs://{bucket}/m/large.bin"):
        streamed += piece
    assert streamed == LARGE


async def test_an_object_that_is_stored_encoded_arrives_as_stored(
    gcs: GCSService, bucket: str, storage: AsyncStorage, tmp_path: Path
) -> None:
    stored = gzip.compress(LARGE, mtime=0)
    blob = client(gcs).bucket(bucket).blob("large.json")
    blob.content_encoding = "gzip"
    blob.upload_from_string(stored, "application/json")
    events: list[Event] = []
    path = await storage.download(f"gs://{bucket}/large.json", tmp_path / "one", on_event=events.append)
    assert Path(path).read_bytes() == stored
    assert [event.verified for event in events if event.kind == "object"] == ["crc32c"]
    many = AsyncStorage(Limits(part_size=4 * KiB), environ=gcs.environ)
    assert len(stored) > 8 * KiB
    assert Path(await many.download(f"gs://{bucket}/large.json", tmp_path / "parts")).read_bytes() == stored
    streamed = bytearray()
    async for piece in storage.stream(f"gs://{bucket}/large.json"):
        streamed += piece
    assert streamed == stored


async def test_the_verbs(gcs: GCSService, bucket: str, storage: AsyncStorage, model: Path, tmp_path: Path) -> None:
    other = new_bucket(gcs)
    uri = f"gs://{bucket}/m"
    recording = AsyncStorage(environ={**gcs.environ, "XDG_STATE_HOME": str(tmp_path / "state")})
    assert (await recording.sync(str(model), uri)).copied == 4
    assert (await recording.sync(str(model), uri)).kept == 4
    assert sorted(await storage.list_objects(uri)) == ["config.json", "empty", "large.bin", "weights/00001"]
    assert await storage.copy_object(f"{uri}/large.bin", f"gs://{other}/copy.bin")
    assert get_objects(gcs, other) == {"copy.bin": LARGE}
    assert await storage.delete_object(f"{uri}/empty") is True
    assert await storage.delete_object(f"{uri}/empty") is False
    assert await storage.delete(uri, recursive=True) == 3
    assert get_objects(gcs, bucket) == {}


async def test_metadata(gcs: GCSService, bucket: str, storage: AsyncStorage) -> None:
    blob = client(gcs).bucket(bucket).blob("m")
    blob.metadata = {"owner": "me"}
    blob.upload_from_string(b"model", "application/x-model")
    told = await storage.get_object_metadata(f"gs://{bucket}/m")
    assert (told["type"], told["size"], told["content_type"]) == ("object", 5, "application/x-model")
    assert (told["version"], told["metadata"]) == (str(blob.generation), {"owner": "me"})
    assert told["checksums"] == {name: checksums.digest(name, b"model") for name in ("crc32c", "md5")}
    assert told["modified_time"].tzinfo is not None


async def test_between_two_clouds(
    gcs: GCSService, bucket: str, seaweedfs: S3Service, make_bucket: MakeBucket, storage: AsyncStorage
) -> None:
    s3 = make_bucket(seaweedfs)
    put_s3(seaweedfs, s3, {"m/large.bin": LARGE, "m/small": b"x"}, checksum="CRC64NVME")
    config = config_of(seaweedfs)
    await storage.copy(f"s3://{s3}/m", f"gs://{bucket}/m", config=config)
    assert get_objects(gcs, bucket) == {"m/large.bin": LARGE, "m/small": b"x"}
    default = AsyncStorage(environ=gcs.environ)  # S3 has a minimum part size
    await default.copy(f"gs://{bucket}/m", f"s3://{s3}/back", dest_config=config)
    assert await default.read(f"s3://{s3}/back/large.bin", config=config) == LARGE


async def test_what_is_missing(gcs: GCSService, bucket: str, storage: AsyncStorage, tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="there is no object 'm'"):
        await storage.download(f"gs://{bucket}/m", tmp_path / "m")
    with pytest.raises(ModelMissingError, match="there is no bucket 'no-such-bucket'"):
        await storage.download("gs://no-such-bucket/m", tmp_path / "m")


async def test_a_configuration_of_another_service(bucket: str, storage: AsyncStorage, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="S3Config is not for gs://"):
        await storage.download(f"gs://{bucket}/m", tmp_path / "m", config=S3Config(anonymous=True))


async def test_nothing_stays_of_an_upload_that_fails(gcs: GCSService, bucket: str, storage: AsyncStorage) -> None:
    """The source fails midway."""

    def instead(asked: Asked) -> Reply | None:
        first = asked.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0]
        return Reply(403) if int(first) > len(LARGE) // 2 else None

    with FakeS3({"b": {"large": LARGE}}, instead=instead) as source:
        with pytest.raises(AccessDenied):
            await storage.copy("s3://b/large", f"gs://{bucket}/large", config=source.config)
    assert get_objects(gcs, bucket) == {}


async def test_nothing_stays_of_an_upload_that_is_cancelled(
    gcs: GCSService, bucket: str, storage: AsyncStorage
) -> None:
    """The source stalls after some parts have been stored."""
    stored = anyio.Event()

    def told(event: Event) -> None:
        if event.kind == "progress":
            stored.set()

    with FakeS3({"b": {"large": LARGE}}, stall={"large": len(LARGE) // 2}) as source:
        async with anyio.create_task_group() as group:

            async def copy() -> None:
                await storage.copy("s3://b/large", f"gs://{bucket}/large", config=source.config, on_event=told)

            group.start_soon(copy)
            await stored.wait()
            while not source.stalled.is_set():
                await anyio.sleep(0.005)
            assert any(key.startswith(".sealift/parts/") for key in get_objects(gcs, bucket))
            group.cancel_scope.cancel()
    assert get_objects(gcs, bucket) == {}


async def test_pages(tmp_path: Path) -> None:
    """Each page has the token of the next one."""
    objects = {f"m/{number:03}": b"%d" % number for number in range(25)}

    def instead(asked: Asked) -> Reply | None:
        if asked.path != "/storage/v1/b/models/o":
            return None
        assert asked.query["prefix"] == "m/"
        start = int(asked.query.get("pageToken", "0"))
        items = [google.resource(key) for key in sorted(objects)[start : start + 10]]
        token = {"nextPageToken": str(start + 10)} if start + 10 < len(objects) else {}
        return reply({"items": items, **token})

    with Google(objects, instead=instead, public=True) as google:
        config = google.config(anonymous=True)
        assert len(await AsyncStorage().list_objects("gs://models/m", config=config)) == 25
        await AsyncStorage().download("gs://models/m", tmp_path / "m", config=config)
        assert files_in(tmp_path / "m") == {key.removeprefix("m/"): data for key, data in objects.items()}


async def test_a_page_that_fails_for_a_moment() -> None:
    failures = [refusal(503, "backendError", "try again"), refusal(429, "rateLimitExceeded", "slow down")]
    with Google(
        {"m/a": b"x"},
        public=True,
        instead=lambda asked: failures.pop() if asked.path.endswith("/o") and failures else None,
    ) as google:
        assert await AsyncStorage().list_objects("gs://models/m", config=google.config(anonymous=True)) == ["a"]


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (503, "backendError", True),
        (500, "internalError", True),
        (408, "requestTimeout", True),
        (429, "rateLimitExceeded", True),
        (403, "userRateLimitExceeded", True),
        (400, "invalid", False),
    ],
)
async def test_what_may_be_tried_again(status: int, reason: str, retryable: bool) -> None:
    with Google(instead=lambda asked: refusal(status, reason, "so it is")) as google:
        with pytest.raises(ServiceError, match=f"answered {status} {reason}: so it is") as caught:
            await AsyncStorage(Limits(attempts=1)).read("gs://models/m", config=google.config(anonymous=True))
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (status, reason, retryable)


async def test_the_service_says_how_long_to_wait() -> None:
    slow = refusal(429, "rateLimitExceeded", "slow down")
    slow.headers["Retry-After"] = "121"  # longer than the patience
    with Google(instead=lambda asked: slow) as google:
        with pytest.raises(ServiceError) as caught:
            await AsyncStorage(Limits(patience=60)).read("gs://models/m", config=google.config(anonymous=True))
        assert len(google.asked) == 1
    assert caught.value.retry_after == 121


async def test_a_missing_permission_is_told_with_the_service_s_reason() -> None:
    message = "reader@project.iam.gserviceaccount.com does not have storage.objects.get access"
    with Google(instead=lambda asked: refusal(403, "forbidden", message)) as google:
        with pytest.raises(AccessDenied, match=message):
            await AsyncStorage().read("gs://models/m", config=google.config(anonymous=True))


async def test_a_bucket_whose_requester_pays() -> None:
    def instead(asked: Asked) -> Reply | None:
        if "userProject" in asked.query:
            return None
        return refusal(400, "required", "Bucket is a requester pays bucket but no user project provided.")

    with Google({"m": b"paid"}, instead=instead, public=True) as google:
        config = google.config(anonymous=True, project_id="my-project")
        assert await AsyncStorage().read("gs://models/m", config=config) == b"paid"
        assert [asked.query.get("userProject") for asked in google.asked] == [None, "my-project"]
        with pytest.raises(ServiceError, match="no user project provided"):
            await AsyncStorage().read("gs://models/m", config=google.config(anonymous=True))


async def test_a_project_pays_for_nothing_that_is_free() -> None:
    with Google({"m": b"free"}, public=True) as google:
        config = google.config(anonymous=True, project_id="my-project")
        assert await AsyncStorage().read("gs://models/m", config=config) == b"free"
        assert all("userProject" not in asked.query for asked in google.asked)


async def test_an_object_that_arrives_with_another_generation() -> None:
    """The reply carries the generation."""

    def instead(asked: Asked) -> Reply | None:
        return Reply(200, b"other", {"X-Goog-Generation": "2"}) if asked.query.get("alt") == "media" else None

    with Google({"m": b"bytes"}, instead=instead, public=True) as google:
        with pytest.raises(ObjectChanged):
            await AsyncStorage().read("gs://models/m", 1, 2, config=google.config(anonymous=True))


async def test_bytes_that_are_damaged_on_the_way(tmp_path: Path) -> None:
    damaged = [True]

    def instead(asked: Asked) -> Reply | None:
        return Reply(200, b"bites") if asked.query.get("alt") == "media" and damaged.pop() else None

    damaged[:] = [False, True]
    with Google({"m": b"bytes"}, instead=instead, public=True) as google:
        await AsyncStorage().download("gs://models/m", tmp_path / "m", config=google.config(anonymous=True))
    assert (tmp_path / "m").read_bytes() == b"bytes"


class Writable(Google):
    """A service that stores and composes objects, copies in steps, and reports a wrong CRC32C as `lies` decides."""

    def __init__(self, *, refuse_delete: bool = False, **lies: Callable[[str], bool]) -> None:
        super().__init__(instead=self._write, public=True)
        self.deleted: list[tuple[str, str | None]] = []
        self.steps: list[str | None] = []
        self._refuse_delete = refuse_delete
        self._lies = lies

    def _write(self, asked: Asked) -> Reply | None:
        path, query = unquote(asked.path), asked.query
        if path == "/upload/storage/v1/b/models/o":
            return self._stored(asked)
        key = path.removeprefix("/storage/v1/b/models/o/")
        if asked.method == "DELETE":
            if self._refuse_delete:
                return refusal(403, "forbidden", "does not have storage.objects.delete access")
            self.deleted.append((key, query.get("generation")))
            return refusal(404, "notFound", "gone") if self.objects.pop(key, None) is None else Reply(204)
        if key.endswith("/compose"):
            key = key.removesuffix("/compose")
            sources = json.loads(asked.body)["sourceObjects"]
            assert len(sources) <= 32
            self.objects[key] = b"".join(self.objects[source["name"]] for source in sources)
            return self._told(key)
        if "/rewriteTo/" in key:
            source, _, target = key.partition("/rewriteTo/b/models/o/")
            self.steps.append(query.get("rewriteToken"))
            assert query["sourceGeneration"] == self.resource(source)["generation"]
            if len(self.steps) < 3:
                copied = str(100 * len(self.steps))
                return reply({"done": False, "rewriteToken": f"step/{copied[0]}", "totalBytesRewritten": copied})
            self.objects[target] = self.objects[source]
            return reply({"done": True, "resource": self.resource(target)})
        return None

    def _stored(self, asked: Asked) -> Reply:
        if asked.query["uploadType"] == "media":
            self.objects[asked.query["name"]] = asked.body
            return self._told(asked.query["name"])
        boundary = asked.headers["content-type"].partition("boundary=")[2].encode()
        _, head, body, end = asked.body.split(b"--" + boundary)
        told = json.loads(head.partition(b"\r\n\r\n")[2])
        data = body.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        assert end == b"--\r\n"
        self.objects[told["name"]] = data
        assert told["crc32c"] == self.resource(told["name"])["crc32c"]
        return self._told(told["name"])

    def _told(self, key: str) -> Reply:
        told = self.resource(key)
        if any(lie(key) for lie in self._lies.values()):
            told["crc32c"] = "AAAAAA=="
        return reply(told)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(LARGE)
    return tmp_path / "large"


async def test_what_is_sent_along_with_a_body(tmp_path: Path, large: Path) -> None:
    """The fake verifies the checksum."""
    (tmp_path / "small").write_bytes(b"small\r\n")
    with Writable() as google:
        storage, config = AsyncStorage(PARTS), google.config(anonymous=True)
        await storage.upload(tmp_path / "small", "gs://models/small", config=config)
        await storage.upload(large, "gs://models/large", config=config)
        assert google.objects == {"small": b"small\r\n", "large": LARGE}


async def test_a_copy_in_steps(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.engine.progress._INTERVAL", 0)
    events: list[Event] = []
    with Writable() as google:
        google.objects["large"] = LARGE
        config = google.config(anonymous=True)
        await AsyncStorage().copy_object("gs://models/large", "gs://models/copy", config=config, on_event=events.append)
        assert [event.size for event in events if event.kind == "progress"] == [100, 100, len(LARGE) - 200]
        assert google.objects["copy"] == LARGE
        assert google.steps == [None, "step/1", "step/2"]
        assert all(asked.query.get("alt") != "media" for asked in google.asked)
        assert config.anonymous


@pytest.mark.parametrize("status", [503, 429, 500])
async def test_a_copy_that_is_interrupted_continues_with_its_token(large: Path, status: int) -> None:
    class Interrupting(Writable):
        def _write(self, asked: Asked) -> Reply | None:
            if "/rewriteTo/" in asked.path and not failed:
                failed.append(asked.query.get("rewriteToken"))
                if failed == ["step/1"]:
                    return refusal(status, "backendError", "try again")
                failed.clear()
            return super()._write(asked)

    failed: list[str | None] = []
    with Interrupting() as google:
        google.objects["large"] = LARGE
        config, storage = google.config(anonymous=True), AsyncStorage(Limits(backoff_initial=0.01))
        await storage.copy_object("gs://models/large", "gs://models/copy", config=config)
        assert google.objects["copy"] == LARGE
        assert google.steps == [None, "step/1", "step/2"]
    assert failed == ["step/1"]


async def test_a_copy_whose_token_is_refused_begins_anew_once(large: Path) -> None:
    class Forgetting(Writable):
        def _write(self, asked: Asked) -> Reply | None:
            if "/rewriteTo/" in asked.path and asked.query.get("rewriteToken") == refused[-1]:
                self.steps.append(refused.pop())
                return refusal(400, "invalid", "Invalid rewrite token.")
            return super()._write(asked)

    refused: list[str | None] = ["never", "step/1"]
    with Forgetting() as google:
        google.objects["large"] = LARGE
        config, storage = google.config(anonymous=True), AsyncStorage()
        await storage.copy_object("gs://models/large", "gs://models/copy", config=config)
        assert google.objects["copy"] == LARGE
        assert google.steps == [None, "step/1", None]


async def test_a_part_that_was_damaged_on_the_way_is_sent_again(large: Path) -> None:
    first = [True]

    def lie(key: str) -> bool:
        return key.endswith("/00007") and bool(first) and first.pop()

    with Writable(lie=lie) as google:
        await AsyncStorage(PARTS).upload(large, "gs://models/large", config=google.config(anonymous=True))
        assert google.objects == {"large": LARGE}
    assert not first


async def test_an_object_whose_name_was_damaged_on_the_way_is_stored_again(tmp_path: Path) -> None:
    """The name is in the request body, which no checksum covers."""
    (tmp_path / "model").write_bytes(b"m")

    class Misheard(Writable):
        def _stored(self, asked: Asked) -> Reply:
            first = not self.objects
            return super()._stored(replace(asked, body=asked.body.replace(b'"model"', b'"modem"')) if first else asked)

    with Misheard() as google:
        await AsyncStorage(PARTS).upload(tmp_path / "model", "gs://models/model", config=google.config(anonymous=True))
        assert google.objects == {"modem": b"m", "model": b"m"}


async def test_an_object_that_is_joined_wrongly_does_not_stay(large: Path) -> None:
    with Writable(lie=lambda key: key == "large") as google:
        with pytest.raises(IntegrityError):
            await AsyncStorage(Limits(part_size=64 * KiB, attempts=1)).upload(
                large, "gs://models/large", config=google.config(anonymous=True)
            )
        assert google.objects == {}
        assert ("large", google.deleted[0][1]) in google.deleted
        assert next(generation for key, generation in google.deleted if key == "large") is not None


async def test_parts_that_may_not_be_removed_are_told_of(large: Path) -> None:
    with Writable(refuse_delete=True) as google:
        with pytest.raises(AccessDenied, match=r"'large' is stored, but its parts under gs://models/\.sealift/parts/"):
            await AsyncStorage(PARTS).upload(large, "gs://models/large", config=google.config(anonymous=True))
        assert google.objects["large"] == LARGE


async def test_a_reply_that_is_no_json() -> None:
    with Google(instead=lambda asked: Reply(200, b"<html>captive portal")) as google:
        with pytest.raises(StorageError, match="is not JSON"):
            await AsyncStorage(Limits(attempts=1)).read("gs://models/m", config=google.config(anonymous=True))
