"""Credentials: every way to sign in that the S3 backend supports."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sealift import AccessDenied, AsyncStorage, InvalidConfig, S3Config, StorageError
from sealift.backends.s3.access import BucketAccess, resolve_access
from sealift.backends.s3.bucket import Bucket
from sealift.config.user_agent import OWN_USER_AGENT
from sealift.instance import Instance
from sealift.types import Limits, MiB
from sealift.uri import Location
from sealift.wire import Response
from tests.api.helpers import config_of, shows
from tests.api.servers import SECRET, Asked, FakeS3, Reply, pattern
from tests.api.writable import WritableS3
from tests.services.s3 import PUBLIC_BUCKET, MakeBucket, S3Service, put_objects

pytestmark = pytest.mark.anyio


@pytest.fixture
def fake() -> Iterator[FakeS3]:
    with FakeS3({"models": {"m": b"fake"}}) as server:
        yield server


@pytest.fixture
def uri(seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"m": b"real"})
    return f"s3://{bucket}/m"


async def fetch(storage: AsyncStorage, uri: str, dest: Path, config: S3Config | None = None) -> bytes:
    return Path(await storage.download(uri, dest / "m", config=config)).read_bytes()


def access_key(asked: Asked) -> str | None:
    found = re.search(r"Credential=([^/]+)/", asked.headers.get("authorization", ""))
    return found[1] if found else None


def files(
    home: Path, monkeypatch: pytest.MonkeyPatch, *, credentials: str | None = None, config: str | None = None
) -> None:
    """Write the SDK's shared files outside their default location, and point its variables at them."""
    for variable, text in (("AWS_SHARED_CREDENTIALS_FILE", credentials), ("AWS_CONFIG_FILE", config)):
        if text is not None:
            (home / variable).write_text(text)
            monkeypatch.setenv(variable, str(home / variable))


def role(home: Path, monkeypatch: pytest.MonkeyPatch, sts: str, more: str = "") -> None:
    """Write a profile that assumes a role with the keys of another profile."""
    files(
        home,
        monkeypatch,
        credentials="[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = base-secret\n",
        config="[profile role]\nrole_arn = arn:aws:iam::123456789012:role/reader\nsource_profile = base\n"
        f"region = us-east-1\n{more}",
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)


async def test_a_key_pair(seaweedfs: S3Service, uri: str, tmp_path: Path) -> None:
    assert await fetch(AsyncStorage(environ={}), uri, tmp_path, config_of(seaweedfs)) == b"real"
    assert seaweedfs.read_only is not None
    assert await fetch(AsyncStorage(environ={}), uri, tmp_path, config_of(seaweedfs, seaweedfs.read_only)) == b"real"


async def test_a_session_token_goes_along(fake: FakeS3, tmp_path: Path) -> None:
    config = S3Config("ASIATEMP", SECRET, endpoint_url=fake.endpoint, session_token="a/session+token==")
    assert await fetch(AsyncStorage(), "s3://models/m", tmp_path, config) == b"fake"
    assert {asked.method for asked in fake.asked} == {"HEAD", "GET"}
    for asked in fake.asked:
        assert asked.headers["x-amz-security-token"] == "a/session+token=="
        assert "x-amz-security-token" in asked.headers["authorization"]
        assert access_key(asked) == "ASIATEMP"


@pytest.mark.parametrize(
    "endpoint", [{"AWS_ENDPOINT_URL": "{}"}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": "{}"}]
)
async def test_the_environment(seaweedfs: S3Service, uri: str, tmp_path: Path, endpoint: dict[str, str]) -> None:
    environ = {name: value.format(seaweedfs.endpoint) for name, value in endpoint.items()}
    environ |= {"AWS_ACCESS_KEY_ID": seaweedfs.access_key, "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key}
    assert await fetch(AsyncStorage(environ=environ), uri, tmp_path) == b"real"


async def test_this_process_s_environment(
    seaweedfs: S3Service, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = AsyncStorage()
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweedfs.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    assert await fetch(storage, uri, tmp_path) == b"real"


async def test_a_session_token_and_a_region_in_the_environment(fake: FakeS3, tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "ASIATEMP", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": fake.endpoint}
    regions = [({}, "us-east-1"), ({"AWS_DEFAULT_REGION": "a-1"}, "a-1"), ({"AWS_REGION": "b-2"}, "b-2")]
    for more, region in regions:
        fake.asked.clear()
        environ = {**keys, **more, "AWS_SESSION_TOKEN": "the token"}
        assert await fetch(AsyncStorage(environ=environ), "s3://models/m", tmp_path) == b"fake"
        assert {asked.region for asked in fake.asked} == {region}
        assert {asked.headers["x-amz-security-token"] for asked in fake.asked} == {"the token"}


async def test_the_environment_of_a_kserve_pod(seaweedfs: S3Service, uri: str, tmp_path: Path) -> None:
    environ = {
        "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
        "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
        "S3_ENDPOINT": seaweedfs.endpoint.removeprefix("http://"),
        "S3_USE_HTTPS": "0",
        "S3_VERIFY_SSL": "0",
    }
    assert await fetch(AsyncStorage(environ=environ), uri, tmp_path) == b"real"


async def test_no_half_of_a_pair_from_elsewhere(seaweedfs: S3Service, uri: str, tmp_path: Path) -> None:
    """The key pair of the configuration is not mixed with the session token of the environment."""
    environ = {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other", "AWS_SESSION_TOKEN": "of the other"}
    assert await fetch(AsyncStorage(environ=environ), uri, tmp_path, config_of(seaweedfs)) == b"real"


@pytest.mark.parametrize("given", ["config", "AWS_ANONYMOUS_CREDENTIAL", "awsAnonymousCredential"])
async def test_anonymous(seaweedfs: S3Service, uri: str, tmp_path: Path, given: str) -> None:
    put_objects(seaweedfs, PUBLIC_BUCKET, {"anonymous/m": b"public"})
    environ = {"AWS_ENDPOINT_URL": seaweedfs.endpoint}
    config = S3Config(anonymous=True) if given == "config" else None
    async with AsyncStorage(environ=environ if config else {**environ, given: "true"}) as storage:
        assert await fetch(storage, f"s3://{PUBLIC_BUCKET}/anonymous/m", tmp_path, config) == b"public"
        assert await storage.list_objects(f"s3://{PUBLIC_BUCKET}/anonymous", config=config) == ["m"]
        with pytest.raises(AccessDenied):
            await fetch(storage, uri, tmp_path, config)


async def test_unset_variables_as_a_key_pair_fall_to_the_environment(
    seaweedfs: S3Service, uri: str, tmp_path: Path
) -> None:
    config = S3Config(None, None, endpoint_url=seaweedfs.endpoint)
    environ = {"AWS_ACCESS_KEY_ID": seaweedfs.access_key, "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key}
    assert await fetch(AsyncStorage(environ=environ), uri, tmp_path, config) == b"real"


async def test_unset_variables_as_a_key_pair_fall_to_the_chain(
    seaweedfs: S3Service, uri: str, tmp_path: Path, bare_environment: Path
) -> None:
    """The chain finds the shared file in its default location."""
    (bare_environment / ".aws").mkdir()
    (bare_environment / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id = {seaweedfs.access_key}\naws_secret_access_key = {seaweedfs.secret_key}\n"
    )
    config = S3Config(None, None, endpoint_url=seaweedfs.endpoint)
    assert await fetch(AsyncStorage(), uri, tmp_path, config) == b"real"


@pytest.mark.parametrize("chosen", ["config", "AWS_PROFILE"])
async def test_a_profile_of_the_shared_file(
    seaweedfs: S3Service,
    uri: str,
    tmp_path: Path,
    bare_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    chosen: str,
) -> None:
    lab = f"[lab]\naws_access_key_id = {seaweedfs.access_key}\naws_secret_access_key = {seaweedfs.secret_key}\n"
    other = "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n"
    files(bare_environment, monkeypatch, credentials=other + lab)
    if chosen == "AWS_PROFILE":
        monkeypatch.setenv("AWS_PROFILE", "lab")
    config = S3Config(endpoint_url=seaweedfs.endpoint, profile="lab" if chosen == "config" else None)
    async with AsyncStorage() as storage:
        assert await fetch(storage, uri, tmp_path, config) == b"real"
        assert await storage.list_objects(uri, config=config) == ["m"]


@pytest.mark.parametrize(
    "endpoint", ["endpoint_url = {}", "services = local\n[services local]\ns3 =\n  endpoint_url = {}"]
)
async def test_an_endpoint_in_the_configuration_file(
    seaweedfs: S3Service,
    uri: str,
    tmp_path: Path,
    bare_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
) -> None:
    files(bare_environment, monkeypatch, config=f"[default]\nregion = eu-x-1\n{endpoint.format(seaweedfs.endpoint)}\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    assert await fetch(AsyncStorage(), uri, tmp_path) == b"real"
    assert await fetch(AsyncStorage(), uri, tmp_path, S3Config(seaweedfs.access_key, seaweedfs.secret_key)) == b"real"


async def test_the_region_of_the_configuration_file(
    fake: FakeS3, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"[default]\nregion = eu-x-1\nendpoint_url = {fake.endpoint}\n"
    files(bare_environment, monkeypatch, config=text)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert await fetch(AsyncStorage(), "s3://models/m", tmp_path) == b"fake"
    assert {asked.region for asked in fake.asked} == {"eu-x-1"}


async def test_an_assumed_role(
    moto: S3Service, fake: FakeS3, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STS issues temporary credentials, and requests to S3 use them."""
    role(bare_environment, monkeypatch, moto.endpoint)
    config = S3Config(endpoint_url=fake.endpoint, profile="role")
    assert await fetch(AsyncStorage(), "s3://models/m", tmp_path, config) == b"fake"
    assert len(fake.asked) == 2
    for asked in fake.asked:
        assert str(access_key(asked)).startswith("ASIA")
        assert asked.headers["x-amz-security-token"]


async def test_a_web_identity(
    moto: S3Service, fake: FakeS3, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sign in as a Kubernetes service account does."""
    (bare_environment / "token").write_text("a.web.token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(bare_environment / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.endpoint)
    config = S3Config(endpoint_url=fake.endpoint)
    assert await fetch(AsyncStorage(), "s3://models/m", tmp_path, config) == b"fake"
    assert {str(access_key(asked))[:4] for asked in fake.asked} == {"ASIA"}


def temporary_keys(name: str, seconds: int = 3600) -> bytes:
    """Temporary keys as the metadata services of machines and containers report them."""
    expires = f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
    keys = {"AccessKeyId": name, "SecretAccessKey": "one", "Token": "a-token", "Expiration": expires}
    return json.dumps({"Code": "Success", "Type": "AWS-HMAC", **keys}).encode()


async def test_an_instance_profile(fake: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 of the EC2 metadata service (IMDSv2), where each request carries a session token."""

    def metadata(asked: Asked) -> Reply:
        if (asked.method, asked.path) == ("PUT", "/latest/api/token"):
            return Reply(200, b"a-session")
        if asked.headers.get("x-aws-ec2-metadata-token") != "a-session":
            return Reply(401)
        role = asked.path.removeprefix("/latest/meta-data/iam/security-credentials/")
        return Reply(200, temporary_keys("ASIAEC2") if role == "server" else b"server")

    with FakeS3({}, instead=metadata) as service:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.endpoint)
        config = S3Config(endpoint_url=fake.endpoint)
        assert await fetch(AsyncStorage(), "s3://models/m", tmp_path, config) == b"fake"
    assert {access_key(asked) for asked in fake.asked} == {"ASIAEC2"}
    assert all(OWN_USER_AGENT in asked.headers["user-agent"] for asked in (*service.asked, *fake.asked))
    assert {asked.headers["x-amz-security-token"] for asked in fake.asked} == {"a-token"}


async def test_the_role_of_a_container(fake: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials endpoint of ECS and EKS Pod Identity."""

    def metadata(asked: Asked) -> Reply:
        if (asked.path, asked.headers.get("authorization")) != ("/v2/credentials", "a-pod"):
            return Reply(401)
        return Reply(200, temporary_keys("ASIAECS"))

    with FakeS3({}, instead=metadata) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/v2/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-pod")
        config = S3Config(endpoint_url=fake.endpoint)
        assert await fetch(AsyncStorage(), "s3://models/m", tmp_path, config) == b"fake"
    assert {access_key(asked) for asked in fake.asked} == {"ASIAECS"}
    assert all(OWN_USER_AGENT in asked.headers["user-agent"] for asked in (*service.asked, *fake.asked))


async def move(verb: str, server: WritableS3, config: S3Config, here: Path) -> None:
    """Transfer an object of four parts, without retries."""
    data = pattern(20 * MiB)
    async with AsyncStorage(Limits(part_size=5 * MiB, attempts=1)) as storage:
        if verb == "download":
            server.replace("b", "large", data)
            there = Path(await storage.download("s3://b/large", here / "there", config=config))
            assert there.read_bytes() == data
        else:
            (here / "here").write_bytes(data)
            await storage.upload(here / "here", "s3://b/there", config=config)
            assert server.objects["b"]["there"] == data
            assert not server.uploads


@pytest.mark.parametrize("verb", ["download", "upload"])
async def test_a_container_s_keys_that_end_in_the_middle_of_a_transfer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Until three requests have arrived, each key pair is about to expire, so the next request uses another one."""
    given: list[str] = []

    def metadata(asked: Asked) -> Reply:
        given.append(f"ASIA{len(given)}")
        return Reply(200, temporary_keys(given[-1], 60 if len(server.asked) < 3 else 3600))

    with WritableS3() as server, FakeS3({}, instead=metadata) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/v2/credentials")
        await move(verb, server, S3Config(endpoint_url=server.endpoint), tmp_path)
        used = [str(access_key(asked)) for asked in server.asked]
    assert len(set(used)) >= 3
    assert set(used) <= set(given)
    assert used[0] != given[-1]


@pytest.mark.parametrize("verb", ["download", "upload"])
async def test_a_role_that_is_assumed_again_in_the_middle_of_a_transfer(
    moto: S3Service, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """The keys last for 15 minutes, the remaining lifetime at which the SDK begins to renew them."""
    role(bare_environment, monkeypatch, moto.endpoint, "duration_seconds = 900\n")
    with WritableS3() as server:
        await move(verb, server, S3Config(endpoint_url=server.endpoint, profile="role"), tmp_path)
        used = [(access_key(asked), asked.headers["x-amz-security-token"]) for asked in server.asked]
    assert {str(name)[:4] for name, _ in used} == {"ASIA"}
    assert len(set(used)) >= 2


async def test_a_role_is_assumed_once_for_all_verbs_of_an_instance(
    fake: FakeS3, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential process stands in for a token service, since it can count its calls."""
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = {"Version": 1, "AccessKeyId": "ASIAONE", "SecretAccessKey": "one", "Expiration": expires}
    (bare_environment / "answer").write_text(json.dumps(answer))
    script = f"sh -c 'echo asked >> {bare_environment}/asked; cat {bare_environment}/answer'"
    files(bare_environment, monkeypatch, config=f"[default]\ncredential_process = {script}\nregion = us-east-1\n")
    config = S3Config(endpoint_url=fake.endpoint)
    async with AsyncStorage() as storage:
        for _ in range(3):
            assert await fetch(storage, "s3://models/m", tmp_path, config) == b"fake"
        assert await storage.list_objects("s3://models/", config=config) == ["m"]
    assert {access_key(asked) for asked in fake.asked} == {"ASIAONE"}
    assert (bare_environment / "asked").read_text() == "asked\n"


async def test_keys_of_a_file_that_changes_meanwhile(
    fake: FakeS3, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = S3Config(endpoint_url=fake.endpoint)
    async with AsyncStorage() as storage:
        for name in ("AKIAFIRST", "AKIASECOND"):
            text = f"[default]\naws_access_key_id = {name}\naws_secret_access_key = {SECRET}\n"
            files(bare_environment, monkeypatch, credentials=text)
            fake.asked.clear()
            assert await fetch(storage, "s3://models/m", tmp_path, config) == b"fake"
            assert {access_key(asked) for asked in fake.asked} == {name}


def temporary(name: str) -> str:
    """A credentials file as written by tools that issue temporary keys."""
    pair = f"aws_access_key_id = {name}\naws_secret_access_key = {SECRET}\n"
    return f"[default]\n{pair}aws_session_token = of {name}\n"


@pytest.mark.parametrize("good", [0, 1, 2, 3])
@pytest.mark.parametrize("ended", ["ExpiredToken", "InvalidAccessKeyId"])
async def test_keys_of_a_file_that_end_in_the_middle_of_a_call(
    tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch, ended: str, good: int
) -> None:
    """The keys expire after `good` requests, and the file then holds new ones. The reply to a HEAD does not say why."""

    def instead(asked: Asked) -> Reply | None:
        if len(fake.asked) <= good or access_key(asked) != "ASIAFIRST":
            return None
        files(bare_environment, monkeypatch, credentials=temporary("ASIASECOND"))
        refusal = f"<Error><Code>{ended}</Code></Error>".encode()
        return Reply(400, b"" if asked.method == "HEAD" else refusal)

    files(bare_environment, monkeypatch, credentials=temporary("ASIAFIRST"))
    objects = {"p/large": pattern(20 * MiB), "p/small": b"small"}
    with FakeS3({"models": objects}, instead=instead) as fake:
        async with AsyncStorage() as storage:
            config = S3Config(endpoint_url=fake.endpoint)
            there = Path(await storage.download("s3://models/p", tmp_path / "p", config=config))
        assert {f"p/{path.name}": path.read_bytes() for path in there.iterdir()} == objects
        assert {access_key(asked) for asked in fake.asked[good + 1 :]} >= {"ASIASECOND"}


EXPIRED = Response(400, [], b"<Error><Code>ExpiredToken</Code></Error>")


async def test_requests_that_are_refused_together_look_once(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests continue with the same endpoint, even where the SDK would resolve the signing region to another one."""
    config, instance = S3Config(region="fips-us-east-1"), Instance(Limits(), os.environ)
    looks: list[str] = []

    async def look(root: str, *more: Any) -> BucketAccess:
        looks.append(root)
        return await resolve_access(root, *more)

    monkeypatch.setattr("sealift.backends.s3.current_access.resolve_access", look)
    files(bare_environment, monkeypatch, credentials=temporary("ASIAFIRST"))
    asked = await resolve_access("models", config, instance)
    bucket = Bucket(Location("s3", "models", ""), config, asked, instance)
    address = bucket.address
    assert "fips" in address
    files(bare_environment, monkeypatch, credentials=temporary("ASIASECOND"))
    assert await asyncio.gather(*(bucket._current.refresh(EXPIRED, asked) for _ in range(20))) == [True] * 20
    assert (looks, bucket.address) == (["models"], address)
    signed = dict((await bucket.signed_request("GET", "m")).headers)
    assert (signed["x-amz-security-token"], "/us-east-1/s3/" in signed["authorization"]) == ("of ASIASECOND", True)
    await instance.aclose()


@pytest.mark.parametrize("half", ["", "[default]\naws_access_key_id = AKIA\n", "[default"])
async def test_a_file_of_which_only_half_is_written(
    tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    """The error reports the service's reply, not the temporary problem with the file."""

    def instead(asked: Asked) -> Reply | None:
        files(bare_environment, monkeypatch, credentials=half)
        return Reply(400, EXPIRED.body)

    files(bare_environment, monkeypatch, credentials=temporary("ASIAFIRST"))
    with FakeS3({"models": {"m": b"m"}}, instead=instead) as fake:
        with pytest.raises(AccessDenied, match="the session token has expired"):
            await AsyncStorage().list_objects("s3://models/p/", config=S3Config(endpoint_url=fake.endpoint))
        assert len(fake.asked) == 1


@pytest.mark.parametrize("ended", ["ExpiredToken", "InvalidAccessKeyId"])
async def test_keys_that_end_and_that_nobody_has_renewed(
    tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    def instead(asked: Asked) -> Reply | None:
        return Reply(400, f"<Error><Code>{ended}</Code></Error>".encode())

    files(bare_environment, monkeypatch, credentials=temporary("ASIAFIRST"))
    with FakeS3({"models": {"m": b"m"}}, instead=instead) as fake:
        for call, requests in (
            (AsyncStorage().get_object_metadata, 3),  # the reply to a HEAD has no body: a GET tells the reason
            (AsyncStorage().list_objects, 6),
        ):
            with pytest.raises(AccessDenied, match="the session token has expired|the access key does not exist"):
                await call("s3://models/m", config=S3Config(endpoint_url=fake.endpoint))
            assert len(fake.asked) == requests


async def test_a_role_that_cannot_be_assumed(
    fake: FakeS3, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role(bare_environment, monkeypatch, fake.endpoint)  # which is not an STS
    config = S3Config(endpoint_url=fake.endpoint, profile="role")
    with pytest.raises(StorageError) as caught:
        await fetch(AsyncStorage(), "s3://models/m", tmp_path, config)
    assert isinstance(caught.value, AccessDenied | InvalidConfig)
    assert "download s3://models/m: " in str(caught.value)
    assert shows(caught.value, "base-secret") == []


@pytest.mark.parametrize("config", [None, S3Config(), S3Config(endpoint_url="http://127.0.0.1:1")])
async def test_no_credentials(tmp_path: Path, config: S3Config | None) -> None:
    with pytest.raises(AccessDenied) as caught:
        await fetch(AsyncStorage(), "s3://models/m", tmp_path, config)
    text = str(caught.value)
    assert text.startswith("download s3://models/m: no credentials for S3 were found (")
    assert "AWS_ACCESS_KEY_ID" in text
    assert "S3Config(anonymous=True)" in text


async def test_an_unknown_profile(
    fake: FakeS3, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(bare_environment, monkeypatch, credentials="[a]\naws_access_key_id = A\naws_secret_access_key = the-secret\n")
    with pytest.raises(InvalidConfig, match="nobody") as caught:
        await fetch(AsyncStorage(), "s3://models/m", tmp_path, S3Config(endpoint_url=fake.endpoint, profile="nobody"))
    assert shows(caught.value, "the-secret") == []


async def test_a_broken_configuration_file(
    fake: FakeS3, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(bare_environment, monkeypatch, config="aws_secret_access_key = the-secret\n")
    with pytest.raises(InvalidConfig, match="AWS_CONFIG_FILE") as caught:
        await fetch(AsyncStorage(), "s3://models/m", tmp_path, S3Config(endpoint_url=fake.endpoint))
    assert shows(caught.value, "the-secret") == []
