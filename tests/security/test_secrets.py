"""No secret leaks into logs, errors, events, files, output, or arguments and variables of child processes.

Runs all verbs against each service, with valid and invalid credentials, and searches everything that they leave behind.
"""

import asyncio
import base64
import gc
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import anyio
import pytest

from sealift import (
    AsyncStorage,
    Event,
    GitConfig,
    HDFSConfig,
    HFConfig,
    HTTPConfig,
    Limits,
    ModelScopeConfig,
    OCIConfig,
    S3Config,
    StorageError,
)
from sealift.types import MiB
from tests.api.directory import BUCKET, DirectoryS3
from tests.api.helpers import config_of, texts_of
from tests.api.servers import pattern
from tests.api.writable import WritableS3
from tests.cli.program import environ_for, run
from tests.security.listening import Heard, listening
from tests.services.azurite import ACCOUNT, AzureService, new_container, signature
from tests.services.git_server import Repository
from tests.services.git_server import running as git_server
from tests.services.google import Google
from tests.services.http_server import OddServer, Reply, good
from tests.services.hub import GRANTED, FakeHub
from tests.services.modelscope import TOKEN
from tests.services.modelscope import running as modelscope_hub
from tests.services.registry import PASSWORD, USER, FakeRegistry
from tests.services.s3 import S3Service, new_bucket
from tests.services.webhdfs import running as namenode

pytestmark = pytest.mark.anyio

LARGE = pattern(12 * MiB + 7)
CANARY = f"canary-{secrets.token_hex(12)}"
WRONG_KEY = base64.b64encode(f"wrong-{CANARY}-".encode() * 2).decode()


# --- services


@dataclass(frozen=True)
class Place:
    """A service to run all verbs against.

    Attributes:
        uri: A prefix, or a file if the scheme has no prefixes.
        config: Valid credentials.
        wrong: Invalid credentials, also secret.
        secrets: Secrets that must not appear.
        writable: Whether the service accepts writes.
        later: Returns secrets created during the round.
    """

    uri: str
    config: Any
    wrong: Any
    secrets: list[str]
    writable: bool
    later: Callable[[], Sequence[str]] = tuple


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def s3(seaweedfs: S3Service) -> Place:
    bucket = new_bucket(seaweedfs, "secrets")
    wrong = S3Config(seaweedfs.access_key, CANARY, endpoint_url=seaweedfs.endpoint, session_token=f"token-{CANARY}")
    return Place(f"s3://{bucket}/p/", config_of(seaweedfs), wrong, [seaweedfs.secret_key, CANARY], writable=True)


@pytest.fixture
def s3_by_the_sdk(seaweedfs: S3Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A profile in the shared files: aiobotocore resolves the keys."""
    bucket = new_bucket(seaweedfs, "secrets")
    for name, secret in {"good": seaweedfs.secret_key, "wrong": CANARY}.items():
        with (tmp_path / "credentials").open("a") as file:
            file.write(f"[{name}]\naws_access_key_id={seaweedfs.access_key}\naws_secret_access_key={secret}\n")
            file.write(f"aws_session_token=token-{CANARY}\n" if name == "wrong" else "")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    good, wrong = (S3Config(profile=name, endpoint_url=seaweedfs.endpoint) for name in ("good", "wrong"))
    return Place(f"s3://{bucket}/p/", good, wrong, [seaweedfs.secret_key, CANARY], writable=True)


@pytest.fixture
def s3_directory(stack: ExitStack) -> Place:
    """Each session has its own secret key."""
    fake = stack.enter_context(DirectoryS3())
    fake.objects[BUCKET] = {}
    wrong = replace(fake.config, secret_access_key=CANARY, session_token=f"token-{CANARY}")
    return Place(f"s3://{BUCKET}/p/", fake.config, wrong, [CANARY], writable=True, later=lambda: fake.secrets)


@pytest.fixture
def s3_customer_key(stack: ExitStack) -> Place:
    """Requests carry an encryption key of the caller, once as bytes and once as text."""
    fake = stack.enter_context(WritableS3())
    key, text = secrets.token_bytes(32), base64.b64encode(secrets.token_bytes(32)).decode()
    right, wrong = (replace(fake.config, customer_key=each, customer_key_over_http=True) for each in (key, text))
    return Place("s3://b/p/", right, wrong, [base64.b64encode(key).decode(), repr(key), text], writable=True)


@pytest.fixture
def s3_multi_region(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Requests are signed by another library."""
    alias = "mfzwi23gnjvgw"
    fake = stack.enter_context(WritableS3(alias))
    monkeypatch.setenv("HTTP_PROXY", fake.endpoint)
    right, wrong = (S3Config("AKIA", f"{word}-{CANARY}", use_ssl=False, session_token=WRONG_KEY) for word in "ab")
    uri = f"s3://arn:aws:s3::123456789012:accesspoint/{alias}.mrap/p/"
    return Place(uri, right, wrong, [CANARY, WRONG_KEY], writable=True)


@pytest.fixture
def s3_role(stack: ExitStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A token service exchanges a token file for keys."""
    keys = f"<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret-{CANARY}</SecretAccessKey>"
    until = f"<SessionToken>token-{CANARY}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
    action = "AssumeRoleWithWebIdentity"
    body = f"<R><{action}Result><Credentials>{keys}{until}</Credentials></{action}Result></R>"
    sts = stack.enter_context(OddServer(lambda asked: Reply(200, body.encode())))
    fake = stack.enter_context(WritableS3())
    (tmp_path / "token").write_text(WRONG_KEY)
    variables = {
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ENDPOINT_URL_STS": sts.url,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    right = S3Config(endpoint_url=fake.endpoint)
    wrong = S3Config("AKIA", f"wrong-{CANARY}", endpoint_url=fake.endpoint)
    return Place("s3://b/p/", right, wrong, [CANARY, WRONG_KEY], writable=True)


@pytest.fixture
def azure(azurite: AzureService) -> Place:
    container, key = new_container(azurite), azurite.keys[ACCOUNT]
    wrong = azurite.config(account_key=WRONG_KEY)
    return Place(f"azure://{container}/p/", azurite.config(), wrong, [key, WRONG_KEY], writable=True)


@pytest.fixture
def azure_signature(azurite: AzureService) -> Place:
    container = new_container(azurite)
    query = signature(azurite, container, "rwdlc")
    (signed,) = parse_qs(query)["sig"]
    config = azurite.config(sas_token=query)
    wrong = azurite.config(sas_token=query.replace(quote(signed, safe=""), WRONG_KEY.replace("=", "%3D")))
    return Place(f"azure://{container}/p/", config, wrong, [signed, WRONG_KEY], writable=True)


@pytest.fixture
def gs(stack: ExitStack, tmp_path: Path) -> Place:
    google = stack.enter_context(Google({"p/small": b"small", "p/large": LARGE}))
    other = stack.enter_context(Google())
    good = google.service_account(tmp_path / "keys" / "good.json")
    wrong = google.service_account(tmp_path / "keys" / "wrong.json", private_key=other.private_key())
    lines = [line for key in (google.private_key(), other.private_key()) for line in key.splitlines()[1:3]]
    configs = (google.config(service_account_key=path) for path in (good, wrong))
    return Place("gs://models/p/", *configs, lines, writable=False, later=lambda: google.issued)


@pytest.fixture
def hf(stack: ExitStack) -> Place:
    hub = stack.enter_context(FakeHub())
    hub.repo("owner/name", {"p/small.json": b"{}", "p/large.bin": LARGE}, access="gated")
    signed = lambda: [asked.target.partition("Signature=")[2] for asked in hub.requests("storage")]  # noqa: E731
    wrong = HFConfig(f"hf_{CANARY}", hub.endpoint)
    return Place("hf://owner/name/p/", hub.signed_in(), wrong, [GRANTED, CANARY], writable=False, later=signed)


@pytest.fixture
def modelscope(stack: ExitStack) -> Place:
    hub = stack.enter_context(modelscope_hub())
    hub.repo("owner/name", {"p/small.json": b"{}", "p/large.bin": LARGE}, private=True)
    wrong = ModelScopeConfig(f"ms-{CANARY}", hub.url)
    return Place("modelscope://owner/name/p/", hub.signed_in, wrong, [TOKEN, CANARY], writable=False)


@pytest.fixture
def git(stack: ExitStack, tmp_path: Path) -> Place:
    directory = tmp_path / "repositories"
    directory.mkdir()
    server = stack.enter_context(git_server(directory))
    repository = Repository(server, "owner/name")
    repository.put({"p/small": b"small"})
    repository.put_lfs({"p/large": LARGE})
    server.password = CANARY
    pairs = [base64.b64encode(f"robot:{word}".encode()).decode() for word in (CANARY, WRONG_KEY)]
    wrong = GitConfig("robot", WRONG_KEY)
    return Place(f"{repository.uri}/p/", server.config, wrong, [CANARY, WRONG_KEY, *pairs], writable=False)


@pytest.fixture
def webhdfs(stack: ExitStack) -> Place:
    """The token is in the query of each request, and in the URL of the redirect."""
    fake = stack.enter_context(namenode())
    fake.put({"p/small": b"small", "p/large": LARGE})
    fake.token = CANARY
    right, wrong = (
        HDFSConfig(fake.url, delegation_token=token, headers={"X-Gateway": f"key-{CANARY}"})
        for token in (CANARY, WRONG_KEY)
    )
    return Place("hdfs://p/", right, wrong, [CANARY, WRONG_KEY, quote(WRONG_KEY, safe="")], writable=False)


@pytest.fixture
def oci(stack: ExitStack) -> Place:
    """A registry with a token service, and a storage with signed URLs."""
    registry = stack.enter_context(FakeRegistry("token", storage=True))
    registry.repository("owner/name").put_model({"p/small.json": b"{}", "p/large": LARGE})
    given = lambda: [registry.token, registry.signature]  # noqa: E731
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    good, wrong = OCIConfig(USER, PASSWORD), OCIConfig(USER, CANARY)
    uri = registry.uri("owner/name:latest/p/")
    return Place(uri, good, wrong, [PASSWORD, basic, CANARY], writable=False, later=given)


@pytest.fixture
def http(stack: ExitStack) -> Place:
    """A server that requires a header and redirects to a signed URL."""
    cdn = stack.enter_context(
        OddServer(lambda asked: good(asked, LARGE) if CANARY in asked.target else Reply(403, asked.target.encode()))
    )
    to = {"Location": f"{cdn.url}/large?X-Amz-Signature={CANARY}"}
    hub = stack.enter_context(
        OddServer(
            lambda asked: (
                Reply(302, b"", to)
                if CANARY in asked.headers.get("x-api-key", "")
                else Reply(401, repr(asked.headers).encode())
            )
        )
    )
    wrong = HTTPConfig({"X-Api-Key": f"wrong-{WRONG_KEY}"})
    uri = f"{hub.url}/large?sig={CANARY}"
    return Place(uri, HTTPConfig({"X-Api-Key": CANARY}), wrong, [CANARY, WRONG_KEY], writable=False)


@pytest.fixture(
    params=[
        "s3", "s3_by_the_sdk", "s3_customer_key", "s3_directory", "s3_multi_region", "s3_role", "azure",
        "azure_signature", "gs", "hf", "modelscope", "git", "webhdfs", "oci", "http",
    ]
)  # fmt: skip
def place(request: pytest.FixtureRequest) -> Place:
    chosen: Place = request.getfixturevalue(request.param)
    return chosen


# --- the calls


async def attempt(heard: Heard, call: Any) -> None:
    try:
        heard.add("result", await call)
    except StorageError as error:
        heard.add("error", *texts_of(error))
        logging.getLogger("a.program").exception("it failed")


async def make_round(place: Place, model: Path, dest: Path, heard: Heard) -> None:
    uri, config = place.uri, place.config
    one = uri if uri.startswith("http") else f"{uri}{'large.bin' if uri.startswith(('hf', 'modelscope')) else 'large'}"

    def told(event: Event) -> None:
        heard.add("event", event, str(event.error))

    heard.add("config", place.config, str(place.config), place.wrong)
    async with AsyncStorage(Limits(part_size=5 * MiB, attempts=2), environ=dict(os.environ)) as storage:
        heard.add("storage", storage)
        if place.writable:
            await attempt(heard, storage.upload(model, uri, config=config, on_event=told))
        for chosen in (config, place.wrong):
            await attempt(heard, storage.list_objects(uri, config=chosen))
            await attempt(heard, storage.get_object_metadata(one, config=chosen))
            await attempt(heard, storage.download(one, dest / "one", config=chosen, on_event=told))
            await attempt(heard, storage.download(uri, dest / "all", config=chosen, on_event=told))
            await attempt(heard, storage.read(one, 5, 10, config=chosen))
            await attempt(heard, storage.read(f"{one}-none", config=chosen))
            await attempt(heard, storage.download(one, dest / "all" / "small" / "no", config=chosen))
            await attempt(
                heard,
                storage.download_many([(one, dest / "many"), f"{one}-none"], config=chosen, return_exceptions=True),
            )
            await attempt(heard, storage.copy_object(one, f"{uri}copy", config=chosen))
            await attempt(heard, storage.sync(str(model), uri, dest_config=chosen, on_event=told))
            await attempt(heard, storage.upload(model / "large", f"{uri}again", config=chosen, on_event=told))
            await attempt(heard, storage.delete(f"{uri}again", config=chosen))
        await cut_short(storage.download(one, dest / "cut", config=config, on_event=told), heard, dest)
        if place.writable:
            await cut_short(storage.upload(model / "large", f"{uri}cut", config=config, on_event=told), heard, dest)
        await attempt(heard, storage.delete(uri, config=config, recursive=True, on_event=told))


async def cut_short(call: Any, heard: Heard, dest: Path) -> None:
    """Cancel a call while it runs, and record the files that exist then."""
    async with anyio.create_task_group() as group:
        group.start_soon(attempt, heard, call)
        for _ in range(20):
            await anyio.sleep(0)
        keep(heard, dest)
        group.cancel_scope.cancel()


def keep(heard: Heard, *directories: Path) -> None:
    """Record all file names, and the contents of small files: state, not object bodies."""
    for directory in directories:
        for path in directory.rglob("*"):
            heard.add("file name", str(path))
            if path.is_file() and path.stat().st_size < MiB:
                heard.add(f"file {path}", path.read_bytes().decode("latin-1"))


async def test_a_round_shows_no_secret(
    place: Place, bare_environment: Path, cache_directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model, dest, state = tmp_path / "model", tmp_path / "dest", tmp_path / "state"
    for path in (model, dest, state):
        path.mkdir()
    (model / "small").write_bytes(b"small")
    (model / "large").write_bytes(LARGE)
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.setattr("tempfile.tempdir", str(dest))  # for a download without a destination
    environ = dict(os.environ)
    loop = asyncio.get_running_loop()
    with listening() as heard:
        loop.set_debug(True)
        loop.slow_callback_duration = 0.0  # log each callback with its arguments
        try:
            await make_round(place, model, dest, heard)
        finally:
            loop.set_debug(False)
        keep(heard, dest, state, bare_environment, cache_directory)
    gc.collect()
    assert dict(os.environ) == environ
    kinds = {where.partition(" ")[0] for where, _ in heard.texts}
    assert {"log", "error", "event", "result"} <= kinds, "the round heard nothing"
    known = [*place.secrets, *place.later()]
    assert len(known) > 1
    assert heard.shown(known) == []


@pytest.mark.parametrize("form", [["-v"], ["-v", "--json"]], ids=" ".join)
def test_the_command_line_shows_no_secret(seaweedfs: S3Service, tmp_path: Path, form: list[str]) -> None:
    bucket = new_bucket(seaweedfs, "secrets")
    (tmp_path / "model").write_bytes(b"model")
    good = environ_for(seaweedfs)
    bad = good | {"AWS_SECRET_ACCESS_KEY": CANARY, "AWS_SESSION_TOKEN": f"token-{CANARY}"}
    quiet = [option for option in form if option != "--json"]
    heard = Heard()
    for environ in (good, bad):
        for arguments in (
            ["cp", *form, tmp_path / "model", f"s3://{bucket}/a"],
            ["cp", *form, f"s3://{bucket}/a", tmp_path / "copy"],
            ["cp", *form, f"s3://{bucket}/none", tmp_path / "none"],
            ["ls", *form, f"s3://{bucket}/"],
            ["stat", *form, f"s3://{bucket}/a"],
            ["cat", *quiet, f"s3://{bucket}/a"],
            ["sync", *form, tmp_path, f"s3://{bucket}/all"],
            ["rm", *form, f"s3://{bucket}/a"],
        ):
            done = run(*arguments, environ=environ | {"PYTHONASYNCIODEBUG": "1"})
            heard.add(" ".join(map(str, arguments)), done.stdout, done.stderr)
    assert any("AccessDenied" in text or "permission" in text or "secret" in text for _, text in heard.texts)
    assert heard.shown([seaweedfs.secret_key, CANARY]) == []


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["ls", "hf://owner/name"], {"HF_TOKEN": CANARY}),
        (["ls", "azure://container/"], {"AZURE_STORAGE_ACCOUNT": "models", "AZURE_STORAGE_KEY": WRONG_KEY}),
        (["ls", "azure://container/"], {"AZURE_STORAGE_ACCOUNT": "models", "AZURE_STORAGE_SAS_TOKEN": f"sig={CANARY}"}),
        (["ls", "azure://container/"], {"AZURE_STORAGE_CONNECTION_STRING": f"AccountKey={CANARY}"}),
        (["ls", "gs://bucket/"], {"GOOGLE_APPLICATION_CREDENTIALS": "KEYFILE"}),
        (["cat", f"http://127.0.0.1:1/m?sig={CANARY}"], {}),
        (["cat", f"http://user:{CANARY}@127.0.0.1:1/m"], {}),
        (["cat", f"s3://user:{CANARY}@bucket/m"], {}),
        (["cat", "http://127.0.0.1:9/m"], {"HTTP_PROXY": f"http://user:{CANARY}@127.0.0.1:1"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_a_failing_command_shows_no_secret(tmp_path: Path, arguments: list[str], environ: dict[str, str]) -> None:
    """No service is reachable."""
    (tmp_path / "key.json").write_text(f'{{"type": "service_account", "private_key": "{CANARY}"}}')
    told = {name: str(tmp_path / "key.json") if value == "KEYFILE" else value for name, value in environ.items()}
    nowhere = {
        "HF_ENDPOINT": "http://127.0.0.1:1",
        "AZURE_STORAGE_SERVICE_ENDPOINT": "http://127.0.0.1:1/models",
        "STORAGE_EMULATOR_HOST": "" if "gs://bucket/" in arguments else "http://127.0.0.1:1",
        "GCE_METADATA_HOST": "127.0.0.1:1",
    }
    done = run("-v", arguments[0], "--patience", "1", *arguments[1:], environ=nowhere | told)
    assert done.returncode
    heard = Heard()
    heard.add("output", done.stdout, done.stderr)
    assert heard.shown([CANARY, WRONG_KEY]) == []
