"""Resume an upload that could be neither completed nor aborted."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, Event, Limits, Properties
from sealift.backends import open_backend
from sealift.backends.local import LocalBackend
from sealift.engine import resume_upload
from sealift.errors import StorageError
from sealift.instance import Instance
from sealift.types import MiB
from sealift.uri import Location
from tests.api.helpers import config_of
from tests.api.servers import SECRET, Asked, Reply, failure, pattern
from tests.api.writable import WritableS3, is_begin
from tests.services.s3 import MakeBucket, S3Service, get_object, unfinished_uploads

pytestmark = pytest.mark.anyio

PART = 5 * MiB
LARGE = pattern(6 * PART + 1)
# One part at a time, so that the parts before a failure are stored.
LIMITS = Limits(part_size=PART, memory=PART, attempts=2)


@dataclass
class Outage:
    """Deny the fourth part and the abort while on; replace the next listings of parts with `lists`.

    Attributes:
        lists: Replies to the next listings of parts.
    """

    on: bool = True
    lists: list[Reply] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply | None:
        if self.on and (asked.method == "DELETE" or asked.query.get("partNumber") == "4"):
            return failure(403, "AccessDenied")
        if asked.method == "GET" and "uploadId" in asked.query and self.lists:
            return self.lists.pop(0)
        return None


class Ill(WritableS3):
    def __init__(self) -> None:
        self.outage = Outage()
        super().__init__(instead=self.outage)

    @property
    def parts(self) -> list[str]:
        """Numbers of the parts sent since the outage ended."""
        return [asked.query["partNumber"] for asked in self.asked if "partNumber" in asked.query]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(LARGE)
    return tmp_path / "large"


def records(home: Path) -> list[Path]:
    return list((home / ".local/state/sealift/uploads").glob("*"))


async def left(server: Ill, src: Path, limits: Limits = LIMITS) -> None:
    """Leave an unfinished upload with three stored parts."""
    with pytest.raises(AccessDenied):
        await AsyncStorage(limits).upload(src, "s3://b/k", config=server.config)
    assert [sorted(parts) for parts in server.uploads.values()] == [[1, 2, 3]]
    server.outage.on = False
    server.asked.clear()


async def upload(server: Ill, src: Path, limits: Limits = LIMITS) -> dict[str, int]:
    """Complete the upload, and return the bytes of each event kind."""
    told: dict[str, int] = {}

    def count(event: Event) -> None:
        told[event.kind] = told.get(event.kind, 0) + event.size

    await AsyncStorage(limits).upload(src, "s3://b/k", config=server.config, on_event=count)
    assert server.objects["b"] == {"k": src.read_bytes()}
    assert server.uploads == {}
    return told


async def test_the_next_call_goes_on(large: Path, bare_environment: Path) -> None:
    with Ill() as server:
        await left(server, large)
        (record,) = records(bare_environment)
        assert SECRET not in record.read_text()
        told = await upload(server, large)
        assert server.parts == ["4", "5", "6", "7"]
        assert (told["resumed"], told["progress"]) == (3 * PART, len(LARGE))
        assert not any(is_begin(asked) for asked in server.asked)
    assert records(bare_environment) == []


async def test_what_ended_leaves_no_record(large: Path, bare_environment: Path) -> None:
    with WritableS3() as server:
        for storage in (AsyncStorage(LIMITS), AsyncStorage(LIMITS)):
            await storage.upload(large, "s3://b/k", config=server.config)
            assert records(bare_environment) == []
        small = large.with_name("small")
        small.write_bytes(b"small")
        await AsyncStorage(LIMITS).upload(small, "s3://b/small", config=server.config)
    with WritableS3(instead=lambda asked: failure(403, "AccessDenied") if "partNumber" in asked.query else None) as ill:
        with pytest.raises(AccessDenied):
            await AsyncStorage(LIMITS).upload(large, "s3://b/k", config=ill.config)
        assert ill.uploads == {}
    assert records(bare_environment) == []


async def test_an_upload_that_the_service_has_forgotten(large: Path, bare_environment: Path) -> None:
    with Ill() as server:
        await left(server, large)
        server.uploads.clear()
        assert "resumed" not in await upload(server, large)
        assert len(server.parts) == 7
    assert records(bare_environment) == []


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (501, "NotImplemented"), (405, "MethodNotAllowed")]
)
async def test_a_service_that_does_not_list_parts(large: Path, status: int, code: str) -> None:
    """The old upload is aborted, and all parts are sent again."""
    with Ill() as server:
        await left(server, large)
        server.outage.lists = [failure(status, code)]
        assert "resumed" not in await upload(server, large)


async def test_a_listing_that_fails_is_asked_for_again(large: Path) -> None:
    with Ill() as server:
        await left(server, large)
        server.outage.lists = [failure(503, "SlowDown")]
        assert (await upload(server, large))["resumed"] == 3 * PART


async def test_a_service_that_is_ill_keeps_what_it_has(large: Path, bare_environment: Path) -> None:
    with Ill() as server:
        await left(server, large)
        server.outage.lists = [failure(503, "SlowDown") for _ in range(2)]
        with pytest.raises(StorageError, match="503 SlowDown"):
            await AsyncStorage(LIMITS).upload(large, "s3://b/k", config=server.config)
        assert len(records(bare_environment)) == 1
        assert (await upload(server, large))["resumed"] == 3 * PART


@pytest.mark.parametrize("other", [b"\0" * PART, LARGE[: PART - 1]], ids=["bytes", "length"])
async def test_a_part_that_is_not_what_it_should_be_is_sent_again(large: Path, other: bytes) -> None:
    with Ill() as server:
        await left(server, large)
        next(iter(server.uploads.values()))[2] = other
        assert (await upload(server, large))["resumed"] == 2 * PART
        assert server.parts == ["2", "4", "5", "6", "7"]


async def test_other_parts_begin_anew(large: Path) -> None:
    with Ill() as server:
        await left(server, large)
        other = replace(LIMITS, part_size=PART + 1, memory=2 * PART)
        assert "resumed" not in await upload(server, large, other)


async def test_another_checksum_begins_anew(large: Path) -> None:
    with Ill() as server:
        await left(server, large)
        config = replace(server.config, checksum="crc32c")
        await AsyncStorage(LIMITS).upload(large, "s3://b/k", config=config)
        assert server.objects["b"] == {"k": LARGE}
        assert server.uploads == {}


async def test_a_changed_file_begins_anew(large: Path) -> None:
    with Ill() as server:
        await left(server, large)
        large.write_bytes(LARGE[::-1])
        assert "resumed" not in await upload(server, large)


async def test_another_service_knows_nothing_of_it(large: Path, bare_environment: Path) -> None:
    with Ill() as server, Ill() as other:
        await left(server, large)
        other.outage.on = False
        assert "resumed" not in await upload(other, large)
        assert len(records(bare_environment)) == 1
        assert (await upload(server, large))["resumed"] == 3 * PART


@pytest.mark.parametrize("how", ["a file", "open to others", "no home"])
async def test_where_no_record_can_be_kept(tmp_path: Path, large: Path, how: str) -> None:
    state = tmp_path / "state"
    if how == "a file":
        state.write_bytes(b"")
    elif how == "open to others":
        (state / "sealift" / "uploads").mkdir(parents=True)
        (state / "sealift" / "uploads").chmod(0o777)
    environ = {} if how == "no home" else {"XDG_STATE_HOME": str(state)}
    with WritableS3() as server:
        await AsyncStorage(LIMITS, environ=environ).upload(large, "s3://b/k", config=server.config)
        assert server.objects["b"] == {"k": LARGE}
        assert server.uploads == {}
    assert [path for path in state.rglob("*") if path.is_file()] == []


async def test_a_full_disk_costs_the_record_only(
    large: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, *rest: object) -> None:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr("sealift.persist.unfinished_uploads.os.replace", full)
    with WritableS3() as server:
        await AsyncStorage(LIMITS).upload(large, "s3://b/k", config=server.config)
        assert server.objects["b"] == {"k": LARGE}
    assert records(bare_environment) == []


async def test_the_same_upload_twice_at_once(
    seaweedfs: S3Service, make_bucket: MakeBucket, large: Path, bare_environment: Path
) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    async with AsyncStorage(Limits(part_size=PART, memory=4 * PART)) as storage:
        await asyncio.gather(*(storage.upload(large, f"s3://{bucket}/k", config=config) for _ in range(3)))
    assert get_object(seaweedfs, bucket, "k") == LARGE
    assert records(bare_environment) == []


async def test_a_record_that_somebody_has_written_harms_nothing(large: Path, bare_environment: Path) -> None:
    with Ill() as server:
        await left(server, large)
        (record,) = records(bare_environment)
        record.write_text(record.read_text().replace("upload-1", "../../other?x=y"))
        server.uploads.clear()
        await upload(server, large)
        assert {asked.path for asked in server.asked} == {"/b/k"}
    assert records(bare_environment) == []


async def test_an_upload_with_other_properties_begins_anew(
    seaweedfs: S3Service, make_bucket: MakeBucket, large: Path, bare_environment: Path
) -> None:
    """Properties are sent when an upload is created, and cannot change later."""
    bucket = make_bucket(seaweedfs)

    async def token(properties: Properties) -> str:
        async with Instance(Limits(), {"HOME": str(bare_environment)}) as instance:
            source = LocalBackend(str(large.parent), instance.disk)
            target = await open_backend(Location("s3", bucket), config_of(seaweedfs), instance)
            obj = await source.stat("large")
            upload = await resume_upload.open_upload(source, obj, target, "k", PART, instance, properties)
            upload._record.release()  # type: ignore[attr-defined]  # as if the process had been killed
            return upload.token

    described, other = Properties("text/csv", metadata={"a": "b"}), Properties("text/csv", metadata={"a": "c"})
    found = [await token(each) for each in (Properties(), Properties(), described, described, other)]
    assert found[0] == found[1] != found[2] == found[3] != found[4]
    assert len(unfinished_uploads(seaweedfs, bucket)) == 1
