"""The environment changes during a call: the call keeps the endpoint and the keys that it started with.

A multi-tenant server may change the variables of one instance for each tenant. Keys of one tenant must never reach the
service of another: not after a redirect, not when credentials expire, not between reading two variables.
"""

import json
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import anyio
import jwt
import pytest

from sealift import AccessDenied, AsyncStorage, S3Config, StorageError
from tests.api.servers import SECRET, Asked, FakeS3, Reply, failure
from tests.api.test_credentials import access_key
from tests.services.google import SUBJECT, Google, reply

pytestmark = pytest.mark.anyio


@pytest.fixture
def one() -> Iterator[FakeS3]:
    with FakeS3({"models": {"m": b"one"}}) as server:
        yield server


@pytest.fixture
def google() -> Iterator[Google]:
    """A fake Google that issues tokens to every account."""
    answer: Callable[[Asked], Reply | None] = lambda asked: reply(server._grant()) if asked.path == "/token" else None  # noqa: E731
    with Google({"m": b"m"}, instead=answer) as server:
        yield server


@pytest.fixture
def two() -> Iterator[FakeS3]:
    with FakeS3({"models": {"m": b"two"}}) as server:
        yield server


def keys(name: str, **others: str) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": f"of {name}", **others}


def switching(
    environ: dict[str, str], changed: dict[str, str], answer: Reply | None
) -> Callable[[Asked], Reply | None]:
    """Change the environment on the first request, and answer it with `answer`. None: the usual reply."""
    pending = [answer]

    def instead(asked: Asked) -> Reply | None:
        if not pending:
            return None
        environ.clear()
        environ.update(changed)
        return pending.pop()

    return instead


@pytest.mark.parametrize(
    "others",
    [
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"},
        {"S3_ENDPOINT": "http://127.0.0.1:1"},
        {"AWS_PROFILE": "lab"},
        {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/other"},
        {"HOME": "/elsewhere"},
    ],
    ids=lambda others: next(iter(others)),
)
async def test_credentials_that_end_are_not_replaced_by_those_of_another_tenant(
    one: FakeS3, others: dict[str, str]
) -> None:
    own = {"S3_ENDPOINT" if "S3_ENDPOINT" in others else "AWS_ENDPOINT_URL": one.endpoint}
    environ = keys("ASIAONE", **own)
    one._instead = switching(environ, keys("ASIATWO", **{**own, **others}), failure(400, "ExpiredToken"))
    with pytest.raises(AccessDenied, match="the session token has expired"):
        await AsyncStorage(environ=environ).list_objects("s3://models/")
    assert {access_key(asked) for asked in one.asked} == {"ASIAONE"}


async def test_an_endpoint_in_the_file_that_changes_with_the_keys(one: FakeS3, two: FakeS3, tmp_path: Path) -> None:
    def write(server: FakeS3, name: str) -> None:
        pair = f"aws_access_key_id = {name}\naws_secret_access_key = {SECRET}\n"
        (tmp_path / "config").write_text(f"[default]\nendpoint_url = {server.endpoint}\n{pair}")

    def instead(asked: Asked) -> Reply:
        write(two, "ASIATWO")
        return failure(400, "ExpiredToken")

    one._instead = instead
    write(one, "ASIAONE")
    with pytest.raises(AccessDenied, match="the session token has expired"):
        await AsyncStorage(environ={"AWS_CONFIG_FILE": str(tmp_path / "config")}).list_objects("s3://models/")
    assert {access_key(asked) for asked in one.asked} == {"ASIAONE"}


async def test_variables_that_are_rotated_are_used(one: FakeS3) -> None:
    environ = keys("ASIAONE", AWS_ENDPOINT_URL=one.endpoint)
    rotated = keys("ASIATWO", AWS_ENDPOINT_URL=one.endpoint, AN_UNRELATED_VARIABLE="x")
    one._instead = switching(environ, rotated, failure(400, "ExpiredToken"))
    assert await AsyncStorage(environ=environ).list_objects("s3://models/") == ["m"]
    assert [access_key(asked) for asked in one.asked] == ["ASIAONE", "ASIATWO"]


@pytest.mark.parametrize("moved", [301, 400])
@pytest.mark.parametrize("rules", [False, True], ids=["given endpoint", "endpoint rules"])
async def test_a_redirect_leads_to_no_other_tenant(two: FakeS3, tmp_path: Path, moved: int, rules: bool) -> None:
    (tmp_path / "config").write_text("[default]\ns3 =\n  use_dualstack_endpoint = true\n" if rules else "")
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    with FakeS3({"models": {"m": b"one"}}, region="eu-west-1", moved=moved) as one:
        environ = keys("ASIAONE", AWS_ENDPOINT_URL=one.endpoint, **files)
        one._instead = switching(environ, keys("ASIATWO", AWS_ENDPOINT_URL=two.endpoint, **files), None)
        assert await AsyncStorage(environ=environ).read("s3://models/m") == b"one"
        assert {access_key(asked) for asked in one.asked} == {"ASIAONE"}
    assert two.asked == []


@pytest.mark.parametrize("file", [False, True], ids=["variables", "beside a file"])
async def test_a_call_reads_all_variables_at_once(one: FakeS3, two: FakeS3, tmp_path: Path, file: bool) -> None:
    """The variables change after a varying number of steps of a call."""
    (tmp_path / "config").write_text("[default]\n")
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config")} if file else {}
    tenants = [
        keys(name, AWS_ENDPOINT_URL=server.endpoint, **files) for name, server in (("ASIAONE", one), ("ASIATWO", two))
    ]
    environ: dict[str, str] = {}
    async with AsyncStorage(environ=environ) as storage, anyio.create_task_group() as group:
        for steps in range(40):
            environ.clear()
            environ.update(tenants[steps % 2])
            group.start_soon(storage.read, "s3://models/m")
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
    assert {access_key(asked) for asked in one.asked} == {"ASIAONE"}
    assert {access_key(asked) for asked in two.asked} == {"ASIATWO"}


async def test_a_call_to_google_uses_the_file_that_was_named_when_it_began(google: Google, tmp_path: Path) -> None:
    """Otherwise the token of one tenant would be cached and reused as that of another."""
    files = [google.service_account(tmp_path / name, client_email=name) for name in ("one", "two")]
    for steps in range(20):
        environ = {"GOOGLE_APPLICATION_CREDENTIALS": files[0]}
        google.asked.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(partial(AsyncStorage(environ=environ).read, "gs://models/m", config=google.config()))
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            if steps:
                environ["GOOGLE_APPLICATION_CREDENTIALS"] = files[1]
        assert [account(asked) for asked in google.asked if asked.path == "/token"] == ["one"]


async def test_google_s_credentials_in_a_file_that_is_replaced(google: Google, tmp_path: Path) -> None:
    """Kubernetes replaces the file when a secret is rotated."""
    file = google.service_account(tmp_path / "key", client_email="one")
    async with AsyncStorage(environ={"GOOGLE_APPLICATION_CREDENTIALS": file}) as storage:
        for name in ("one", "one", "two"):
            google.service_account(tmp_path / "key", client_email=name)
            await storage.read("gs://models/m", config=google.config())
    assert [account(asked) for asked in google.asked if asked.path == "/token"] == ["one", "two"]


async def test_a_subject_token_in_a_variable_that_changes(google: Google, tmp_path: Path) -> None:
    source = {"type": "environment", "environment_id": "SUBJECT"}
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": google.external_account(tmp_path / "external.json", source)}
    async with AsyncStorage(environ=environ) as storage:
        environ["SUBJECT"] = SUBJECT
        await storage.read("gs://models/m", config=google.config())
        environ["SUBJECT"] = "of-another-tenant"
        with pytest.raises(AccessDenied):
            await storage.read("gs://models/m", config=google.config())


def account(asked: Asked) -> str:
    """The account whose token is requested."""
    (assertion,) = parse_qs(asked.body.decode())["assertion"]
    claims: dict[str, str] = jwt.decode(assertion, options={"verify_signature": False})
    return claims["iss"]


async def test_a_variable_of_a_credential_process(one: FakeS3, tmp_path: Path) -> None:
    """Temporary keys are cached only while all variables that the program may read stay the same."""
    answer = {"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "s", "Expiration": "2099-01-01T00:00:00Z"}
    program = json.dumps(answer).replace('"', '\\"')
    (tmp_path / "program").write_text(f'/usr/bin/printf "{program}" "$TENANT"')
    (tmp_path / "config").write_text(f"[default]\ncredential_process = /bin/sh {tmp_path}/program\n")
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_ENDPOINT_URL": one.endpoint}
    async with AsyncStorage(environ=environ) as storage:
        for tenant in ("ASIAONE", "ASIATWO"):
            environ["TENANT"] = tenant
            one.asked.clear()
            assert await storage.read("s3://models/m") == b"one"
            assert {access_key(asked) for asked in one.asked} == {tenant}


async def test_a_token_file_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    """The error names the file; the SDK's own traceback is not logged."""
    environ = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/token"}
    with pytest.raises(AccessDenied, match="/nonexistent/token: No such file or directory"):
        await AsyncStorage(environ=environ).read("s3://models/m", config=S3Config(endpoint_url="http://127.0.0.1:1"))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("answer", ['["hidden"]', '"hidden"', "hidden", '{"Version": 1, "SecretAccessKey": "hidden"}'])
async def test_a_credential_process_that_prints_something_else(tmp_path: Path, answer: str) -> None:
    (tmp_path / "answer").write_text(answer)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = /bin/cat {tmp_path}/answer\n")
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with pytest.raises(StorageError) as caught:
        await AsyncStorage(environ=environ).read("s3://models/m", config=S3Config())
    assert "hidden" not in str(caught.value)
