"""Directory buckets (S3 Express One Zone): sessions, and the differences of their objects."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, IntegrityError, Limits, S3Config, StorageError, UnsupportedOperation
from sealift.backends import s3
from sealift.instance import Instance
from sealift.types import MiB
from sealift.uri import Location
from tests.api.directory import BUCKET, IAM, IAM_TOKEN, REGION, DirectoryS3
from tests.api.helpers import files_in, shows
from tests.api.servers import Asked, Reply, failure, pattern
from tests.services.signatures import scope

pytestmark = pytest.mark.anyio

LARGE = pattern(12 * MiB)
OBJECTS = {f"a/{name}": name.encode() for name in "zyxwv"} | {"ab": b"ab", "large": LARGE}


@pytest.fixture
def fake() -> Iterator[DirectoryS3]:
    with DirectoryS3() as server:
        server.objects[BUCKET] = dict(OBJECTS)
        yield server


def is_session(asked: Asked) -> bool:
    return "session" in asked.query


def ends(fake: DirectoryS3, *, before: int) -> None:
    """Expire all sessions before request number `before`, not counting requests for sessions."""
    count = 0

    def instead(asked: Asked) -> Reply | None:
        nonlocal count
        count += not is_session(asked)
        if count == before and not is_session(asked):
            fake.end_sessions()
        return None

    fake._instead = instead


async def test_one_session_serves_all_requests_of_an_instance(fake: DirectoryS3, tmp_path: Path) -> None:
    async with AsyncStorage(Limits(part_size=MiB)) as storage:
        await storage.download(f"s3://{BUCKET}/a/", tmp_path / "a", config=fake.config)
        await storage.download(f"s3://{BUCKET}/large", tmp_path / "large", config=fake.config)
    assert files_in(tmp_path) == {"a/" + name: name.encode() for name in "zyxwv"} | {"large": LARGE}
    assert fake.created == 1
    asked = [asked for asked in fake.asked if is_session(asked)]
    assert [(each.method, each.path) for each in asked] == [("GET", f"/{BUCKET}/")]
    assert len(fake.asked) > 15


async def test_everything_that_a_storage_can_do(fake: DirectoryS3, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE[::-1])
    (tmp_path / "small").write_bytes(b"small")
    storage, uri = AsyncStorage(Limits(part_size=5 * MiB)), f"s3://{BUCKET}"
    async with storage:
        await storage.upload(tmp_path, f"{uri}/new/", config=fake.config)
        await storage.copy(f"{uri}/new/", f"{uri}/copied/", config=fake.config, dest_config=fake.config)
        await storage.delete(f"{uri}/a/", config=fake.config, recursive=True)
        assert await storage.read(f"{uri}/copied/small", config=fake.config) == b"small"
        assert sorted(await storage.list_objects(f"{uri}/new/", config=fake.config)) == ["large", "small"]
    new = {"large": LARGE[::-1], "small": b"small"}
    assert fake.objects[BUCKET] == {"ab": b"ab", "large": LARGE} | {
        f"{place}/{key}": data for place in ("new", "copied") for key, data in new.items()
    }
    assert not fake.uploads
    copies = [asked for asked in fake.asked if "x-amz-copy-source" in asked.headers]
    assert {scope(asked.headers)[0] for asked in copies} == {IAM[0]}
    assert len(copies) == 2
    assert fake.created == 1


@pytest.mark.parametrize("ended", [(400, "ExpiredToken"), (403, "InvalidToken"), (403, "InvalidAccessKeyId")])
@pytest.mark.parametrize("before", [1, 2, 5])
async def test_a_session_that_ends_on_the_way_is_replaced_once(
    fake: DirectoryS3, tmp_path: Path, ended: tuple[int, str], before: int
) -> None:
    """The HEAD, whose reply cannot say why, or any of the parts discovers it."""
    fake.ended = ended
    ends(fake, before=before)
    async with AsyncStorage(Limits(part_size=MiB)) as storage:
        await storage.download(f"s3://{BUCKET}/large", tmp_path / "large", config=fake.config)
    assert files_in(tmp_path) == {"large": LARGE}
    assert fake.created == 2


@pytest.mark.parametrize("before", [1, 3, 5])
async def test_a_session_that_ends_during_an_upload(fake: DirectoryS3, tmp_path: Path, before: int) -> None:
    (tmp_path / "large").write_bytes(LARGE[::-1])
    ends(fake, before=before)
    async with AsyncStorage(Limits(part_size=5 * MiB)) as storage:
        await storage.upload(tmp_path / "large", f"s3://{BUCKET}/new", config=fake.config)
    assert fake.objects[BUCKET]["new"] == LARGE[::-1]
    assert fake.created == 2


async def test_a_session_that_is_short_is_used_while_it_lasts(tmp_path: Path) -> None:
    """A session that has expired on arrival is used for the request that it was created for."""
    with DirectoryS3(lifetime=0) as fake:
        fake.objects[BUCKET] = dict(OBJECTS)
        await AsyncStorage().download(f"s3://{BUCKET}/ab", tmp_path / "ab", config=fake.config)
        assert fake.created == sum(not is_session(asked) for asked in fake.asked) == 2
    assert files_in(tmp_path) == {"ab": b"ab"}


@pytest.mark.parametrize("clock", [timedelta(hours=-9), timedelta(hours=9)])
async def test_a_session_lasts_by_the_clock_of_the_service(tmp_path: Path, clock: timedelta) -> None:
    with DirectoryS3(clock=clock) as fake:
        fake.objects[BUCKET] = dict(OBJECTS)
        await AsyncStorage().download(f"s3://{BUCKET}/a/", tmp_path / "a", config=fake.config)
        assert fake.created == 1


async def test_other_credentials_get_a_session_of_their_own(fake: DirectoryS3, tmp_path: Path) -> None:
    """This holds also if the environment changes while an instance is in use."""
    fake.users["AKIASECOND"] = "another-secret"
    environ = {
        "AWS_ACCESS_KEY_ID": IAM[0],
        "AWS_SECRET_ACCESS_KEY": IAM[1],
        "AWS_SESSION_TOKEN": IAM_TOKEN,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": fake.endpoint,
    }
    async with AsyncStorage(environ=environ) as storage:
        await storage.download(f"s3://{BUCKET}/ab", tmp_path / "first")
        environ |= {"AWS_ACCESS_KEY_ID": "AKIASECOND", "AWS_SECRET_ACCESS_KEY": "another-secret"}
        await storage.download(f"s3://{BUCKET}/ab", tmp_path / "second")
    assert [scope(asked.headers)[0] for asked in fake.asked if is_session(asked)] == [IAM[0], "AKIASECOND"]


async def test_another_endpoint_gets_a_session_of_its_own(fake: DirectoryS3) -> None:
    """This holds also with the same keys: a session token is never sent to another service."""
    environ = {
        "AWS_ACCESS_KEY_ID": IAM[0],
        "AWS_SECRET_ACCESS_KEY": IAM[1],
        "AWS_SESSION_TOKEN": IAM_TOKEN,
        "AWS_REGION": REGION,
    }
    with DirectoryS3() as other:
        other.objects[BUCKET] = {"ab": b"other"}
        async with AsyncStorage(environ=environ) as storage:
            for server, content in ((fake, b"ab"), (other, b"other")):
                environ["AWS_ENDPOINT_URL"] = server.endpoint
                assert await storage.read(f"s3://{BUCKET}/ab") == content
        assert is_session(other.asked[0])
        assert other.created == fake.created == 1


async def test_each_bucket_has_a_session_of_its_own(tmp_path: Path) -> None:
    other = "others--usw2-az1--x-s3"
    with DirectoryS3(BUCKET, other) as fake:
        fake.objects |= {BUCKET: {"a": b"a"}, other: {"a": b"b"}}
        async with AsyncStorage() as storage:
            for bucket in (BUCKET, other):
                await storage.download(f"s3://{bucket}/a", tmp_path / bucket, config=fake.config)
            await storage.copy(f"s3://{BUCKET}/a", f"s3://{other}/c", config=fake.config, dest_config=fake.config)
        assert [asked.path for asked in fake.asked if is_session(asked)] == [f"/{BUCKET}/", f"/{other}/"]
        assert fake.objects[other]["c"] == b"a"
        # The zones of two buckets decide whether the service can copy between them.
        assert not any("x-amz-copy-source" in asked.headers for asked in fake.asked)


async def test_a_session_that_is_refused(fake: DirectoryS3, tmp_path: Path) -> None:
    fake._instead = lambda asked: failure(403, "AccessDenied") if is_session(asked) else None
    with pytest.raises(AccessDenied, match=r"no permission to create a session.*s3express:CreateSession") as caught:
        await AsyncStorage().download(f"s3://{BUCKET}/a/", tmp_path / "a", config=fake.config)
    assert BUCKET in str(caught.value)
    assert [is_session(asked) for asked in fake.asked] == [True]


async def test_a_wrong_secret(fake: DirectoryS3, tmp_path: Path) -> None:
    config = S3Config(IAM[0], "not-the-secret", session_token=IAM_TOKEN, region=REGION, endpoint_url=fake.endpoint)
    with pytest.raises(AccessDenied, match="the secret access key does not belong") as caught:
        await AsyncStorage().download(f"s3://{BUCKET}/ab", tmp_path / "ab", config=config)
    assert not shows(caught.value, "not-the-secret", IAM_TOKEN)
    assert fake.created == 0


_KEYS = "<AccessKeyId>A</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<x",
        "<CreateSessionResult/>",
        f"<R>{_KEYS}<SessionToken>hidden</SessionToken><Expiration>tomorrow</Expiration></R>",
        f"<R>{_KEYS}<SessionToken/><Expiration>2030-01-01T00:00:00Z</Expiration></R>",
        f"<R>{_KEYS}",
    ],
)
async def test_a_reply_without_credentials(fake: DirectoryS3, tmp_path: Path, body: str) -> None:
    fake._instead = lambda asked: Reply(200, body.encode()) if is_session(asked) else None
    with pytest.raises(StorageError, match="CreateSession contains no credentials") as caught:
        await AsyncStorage(Limits(attempts=1)).download(f"s3://{BUCKET}/ab", tmp_path / "ab", config=fake.config)
    assert not shows(caught.value, "hidden", *fake.secrets)


async def test_errors_show_no_session(fake: DirectoryS3, tmp_path: Path) -> None:
    fake._instead = lambda asked: None if is_session(asked) else failure(403, "AccessDenied")
    with pytest.raises(AccessDenied) as caught:
        await AsyncStorage().download(f"s3://{BUCKET}/ab", tmp_path / "ab", config=fake.config)
    assert fake.created > 0
    assert not shows(caught.value, *fake.secrets)


async def test_unsigned_requests_are_not_sent(fake: DirectoryS3, tmp_path: Path) -> None:
    config = S3Config(anonymous=True, region=REGION, endpoint_url=fake.endpoint)
    with pytest.raises(UnsupportedOperation, match=f"accepts no unsigned requests for {BUCKET}"):
        await AsyncStorage().download(f"s3://{BUCKET}/ab", tmp_path / "ab", config=config)
    assert not fake.asked


async def test_keys_may_be_listed_by_any_prefix(fake: DirectoryS3) -> None:
    """The service lists directories only, in unordered pages."""
    async with Instance(Limits()) as instance:
        backend = await s3.open(Location("s3", BUCKET, ""), fake.config, instance)
        for prefix in ("", "a", "a/", "a/z", "ab", "b", "a/z/"):
            found = [obj.key async for obj in backend.list(prefix)]
            assert sorted(found) == sorted(key for key in OBJECTS if key.startswith(prefix))


async def test_a_tag_is_not_taken_for_an_md5(fake: DirectoryS3, tmp_path: Path) -> None:
    """An ETag is not used as an MD5 when an object is read, copied or compared."""
    async with AsyncStorage() as storage:
        await storage.download(f"s3://{BUCKET}/ab", tmp_path / "ab", config=fake.config)
        with pytest.raises(IntegrityError, match="checksum"):
            await storage.download(f"s3://{BUCKET}/ab", tmp_path / "checked", config=fake.config, verify="require")
        metadata = await storage.get_object_metadata(f"s3://{BUCKET}/ab", config=fake.config)
    assert "md5" not in str(metadata)
