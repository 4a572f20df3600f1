"""Uploads to buckets that keep all objects, so that parts could not be deleted: one resumable session for each."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from sealift import AsyncStorage, Event, IntegrityError, Limits, ServiceError, WriteOptions
from sealift.types import KiB, MiB
from tests.api.helpers import config_of
from tests.api.servers import Asked, Reply, pattern
from tests.api.test_gcs import Writable
from tests.services.gcs import GCSService, client, get_objects, new_bucket
from tests.services.google import refusal, reply
from tests.services.s3 import MakeBucket, S3Service, put_objects

pytestmark = pytest.mark.anyio

LARGE = pattern(3_000_001)
UNIT = 256 * KiB
# Lengths of parts: shorter than a chunk, equal, longer, and not a multiple of one.
PART_SIZES = [64 * KiB, 100_000, UNIT, MiB, 1_000_000]


class Retaining(Writable):
    """A bucket with a retention policy.

    Args:
        visible: Whether the credentials may see the bucket's policy.
        hold: Whether the bucket holds its objects, instead.
        failures: Called with each request of a session; may answer in place of the service, or None.
    """

    def __init__(self, *, visible: bool = True, hold: bool = False, failures: object = None) -> None:
        super().__init__(refuse_delete=True)
        self.sessions: dict[str, bytearray] = {}
        self.names: dict[str, str] = {}
        self.ranges: list[str] = []
        self.lies = False
        self._visible = visible
        self._hold = hold
        self._failures = failures

    @property
    def _mark(self) -> dict[str, object]:
        return {"eventBasedHold": True} if self._hold else {"retentionExpirationTime": "2030-01-01T00:00:00Z"}

    def _write(self, asked: Asked) -> Reply | None:
        path, query = unquote(asked.path), asked.query
        if path == "/storage/v1/b/models":
            if not self._visible:
                return refusal(403, "forbidden", "does not have storage.buckets.get access")
            policy = {"retentionPolicy": {"retentionPeriod": "9"}}
            return reply({"defaultEventBasedHold": True} if self._hold else policy)
        if path == "/upload/storage/v1/b/models/o" and query["uploadType"] == "resumable":
            return self._session(asked)
        found = super()._write(asked)
        if found is not None and found.status == 200 and "retentionExpirationTime" in query.get("fields", ""):
            return reply(json.loads(found.body) | self._mark)
        if path.startswith("/storage/v1/b/models/o/.sealift/") and "retentionExpirationTime" in query.get("fields", ""):
            return reply(self._mark)
        return found

    def _session(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            token = f"session/{len(self.sessions)}"
            self.sessions[token] = bytearray()
            self.names[token] = asked.query["name"]
            location = f"https://other.example{asked.path}?uploadType=resumable&upload_id={token}"
            return Reply(200, b"", {"Location": location})
        token = asked.query["upload_id"]
        if asked.method == "DELETE":
            return Reply(499) if self.sessions.pop(token, None) is not None else Reply(404)
        if token not in self.sessions:
            return Reply(404)
        return self._chunk(asked, token, self.sessions[token])

    def _chunk(self, asked: Asked, token: str, data: bytearray) -> Reply:
        text = asked.headers["content-range"]
        self.ranges.append(text)
        span, _, total = text.removeprefix("bytes ").partition("/")
        if callable(self._failures) and (failure := self._failures(self, asked)) is not None:
            assert isinstance(failure, Reply)
            return failure
        if span != "*":
            start, end = map(int, span.split("-"))
            assert start == len(data), (start, len(data))
            assert len(asked.body) == end + 1 - start
            assert total != "*" or len(asked.body) % UNIT == 0
            data += asked.body
        if total != "*" and len(data) == int(total):
            self.objects[self.names[token]] = bytes(data)
            told = self.resource(self.names[token])
            return reply(told | ({"crc32c": "AAAAAA=="} if self.lies else {}))
        return Reply(308, b"", {"Range": f"bytes=0-{len(data) - 1}"} if data else {})


def parts_in(google: Retaining) -> list[str]:
    return [key for key in google.objects if key.startswith(".sealift/")]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(LARGE)
    return tmp_path / "large"


@pytest.mark.parametrize("part_size", PART_SIZES)
@pytest.mark.parametrize("hold", [False, True])
async def test_a_file(large: Path, part_size: int, *, hold: bool) -> None:
    events: list[Event] = []
    with Retaining(hold=hold) as google:
        storage, config = AsyncStorage(Limits(part_size=part_size)), google.config(anonymous=True)
        await storage.upload(large, "gs://models/large", config=config, on_event=events.append)
        assert google.objects == {"large": LARGE}
        assert len(google.sessions) == 1
        assert sum(event.size for event in events if event.kind == "progress") == len(LARGE)
        assert next(event.verified for event in events if event.kind == "object") == "crc32c"


@pytest.mark.parametrize("hold", [False, True])
async def test_without_the_permission_to_see_the_policy_one_part_stays(
    large: Path, caplog: pytest.LogCaptureFixture, *, hold: bool
) -> None:
    with Retaining(visible=False, hold=hold) as google:
        storage, config = AsyncStorage(Limits(part_size=100_000)), google.config(anonymous=True)
        await storage.upload(large, "gs://models/large", config=config)
        (part,) = parts_in(google)
        assert google.objects["large"] == LARGE
        assert f"gs://models/{part} stays until the bucket allows to delete it" in caplog.text


@pytest.mark.parametrize("visible", [True, False])
async def test_options_of_the_call(large: Path, *, visible: bool) -> None:
    options = WriteOptions(acl="bucketOwnerFullControl", kms_key_id="projects/p/cryptoKeys/k")
    with Retaining(visible=visible) as google:
        storage, config = AsyncStorage(Limits(part_size=MiB)), google.config(anonymous=True)
        await storage.upload(large, "gs://models/large", config=config, existing="skip", write_options=options)
        (begun,) = [
            asked.query
            for asked in google.asked
            if asked.method == "POST" and asked.query.get("uploadType") == "resumable"
        ]
        assert (begun["predefinedAcl"], begun["kmsKeyName"]) == (options.acl, options.kms_key_id)
        assert begun["ifGenerationMatch"] == "0"


async def test_many_files(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    files = {f"{number}": pattern(700_000 + number) for number in range(6)} | {"small": b"small"}
    for name, data in files.items():
        (tmp_path / "model" / name).write_bytes(data)
    for visible in (True, False):
        with Retaining(visible=visible) as google:
            storage, config = AsyncStorage(Limits(part_size=200_000)), google.config(anonymous=True)
            await storage.upload(tmp_path / "model", "gs://models/m", config=config)
            kept = parts_in(google)
            assert {key: data for key, data in google.objects.items() if key not in kept} == {
                f"m/{name}": data for name, data in files.items()
            }
            assert len(kept) <= (0 if visible else 6)


async def test_replies_that_are_lost(large: Path) -> None:
    """The service has received each chunk once; sealift asks how much has arrived."""
    lost: set[str] = set()

    def failures(google: Retaining, asked: Asked) -> Reply | None:
        text = asked.headers["content-range"]
        if text.startswith("bytes *") or text in lost:
            return None
        lost.add(text)
        google._failures = None
        google._chunk(asked, asked.query["upload_id"], google.sessions[asked.query["upload_id"]])
        google._failures = failures
        return Reply(503)

    with Retaining(failures=failures) as google:
        storage = AsyncStorage(Limits(part_size=MiB, backoff_initial=0.01))
        await storage.upload(large, "gs://models/large", config=google.config(anonymous=True))
        assert google.objects == {"large": LARGE}
        spans = [text for text in google.ranges if not text.startswith("bytes *")]
        assert len(spans) == 2 * len(set(spans))  # counted once more by the line above
    assert any(text.startswith("bytes */") for text in google.ranges)


async def test_chunks_of_which_a_part_arrives(large: Path) -> None:
    cut: set[str] = set()

    def failures(google: Retaining, asked: Asked) -> Reply | None:
        text, data = asked.headers["content-range"], google.sessions[asked.query["upload_id"]]
        if text in cut or len(asked.body) <= UNIT:
            return None
        cut.add(text)
        data += asked.body[:UNIT]
        return Reply(308, b"", {"Range": f"bytes=0-{len(data) - 1}"})

    with Retaining(failures=failures) as google:
        storage = AsyncStorage(Limits(part_size=MiB))
        await storage.upload(large, "gs://models/large", config=google.config(anonymous=True))
        assert google.objects == {"large": LARGE}
    assert cut


async def test_a_session_that_has_ended(large: Path) -> None:
    def failures(google: Retaining, asked: Asked) -> Reply | None:
        return Reply(410) if google.ranges[1:] else None

    with Retaining(failures=failures) as google:
        with pytest.raises(ServiceError, match="the session of the upload of 'large' has ended"):
            await AsyncStorage(Limits(part_size=MiB)).upload(
                large, "gs://models/large", config=google.config(anonymous=True)
            )
        assert google.objects == {}


async def test_an_upload_that_fails_leaves_no_session(large: Path) -> None:
    def failures(google: Retaining, asked: Asked) -> Reply | None:
        return refusal(403, "forbidden", "no more") if google.ranges[1:] else None

    for visible in (True, False):
        with Retaining(failures=failures, visible=visible) as google:
            with pytest.raises(PermissionError) as caught:
                await AsyncStorage(Limits(part_size=MiB)).upload(
                    large, "gs://models/large", config=google.config(anonymous=True)
                )
            assert "resume" not in str(caught.value)
            assert google.sessions == {}
            assert "large" not in google.objects


async def test_an_object_that_is_stored_wrongly(large: Path) -> None:
    with Retaining() as google:
        google.lies = True
        with pytest.raises(IntegrityError):
            await AsyncStorage(Limits(part_size=MiB, attempts=1)).upload(
                large, "gs://models/large", config=google.config(anonymous=True)
            )


@pytest.mark.parametrize("part_size", PART_SIZES)
async def test_sessions_of_a_server(
    gcs: GCSService,
    request: pytest.FixtureRequest,
    seaweedfs: S3Service,
    make_bucket: MakeBucket,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
    part_size: int,
) -> None:
    """fake-gcs-server has sessions, but no policies. From a file, and from another service with properties."""

    async def find_out(bucket: object) -> None:
        bucket.keeps_objects = True  # type: ignore[attr-defined]

    monkeypatch.setattr("sealift.backends.gcs.backend.find_out", find_out)
    bucket, source = new_bucket(gcs, "sessions"), make_bucket(seaweedfs)
    put_objects(seaweedfs, source, {"copied": LARGE})
    storage = AsyncStorage(Limits(part_size=part_size), environ=gcs.environ)
    await storage.upload(large, f"gs://{bucket}/large")
    await storage.copy(f"s3://{source}/copied", f"gs://{bucket}/copied", config=config_of(seaweedfs))
    assert get_objects(gcs, bucket) == {"large": LARGE, "copied": LARGE}
    blob = client(gcs).bucket(bucket).get_blob("large")
    assert re.fullmatch("application/octet-stream", blob.content_type)
