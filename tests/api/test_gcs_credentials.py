"""Credentials: every way to sign in that the Google Cloud Storage backend supports."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import anyio
import jwt
import pytest
from google.auth import compute_engine, identity_pool
from google.auth.transport.requests import Request
from google.oauth2 import credentials as user
from google.oauth2 import service_account

from sealift import AccessDenied, AsyncStorage, GCSConfig, InvalidConfig, Limits, StorageError
from sealift.config.user_agent import OWN_USER_AGENT
from sealift.types import MiB
from tests.api.helpers import shows
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.test_gcs import Writable
from tests.services.google import (
    ACCOUNT,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    SUBJECT,
    Google,
    refusal,
    reply,
)

pytestmark = pytest.mark.anyio

BRIEFLY = Limits(patience=0.5)  # for a metadata server that does not answer
METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"


@pytest.fixture
def fake() -> Iterator[Google]:
    with Google({"m": b"fake"}) as google:
        yield google


@pytest.fixture(autouse=True)
def nowhere(bare_environment: Path) -> dict[str, str]:
    """An environment without a metadata service and without credentials from this machine's files."""
    return {"GCE_METADATA_HOST": "127.0.0.1:1", "CLOUDSDK_CONFIG": str(bare_environment / "gcloud")}


async def fetch(
    environ: dict[str, str],
    config: GCSConfig | None,
    dest: Path,
    limits: Limits = Limits(),  # noqa: B008
) -> bytes:
    async with AsyncStorage(limits, environ=environ) as storage:
        return Path(await storage.download("gs://models/m", dest / "m", config=config)).read_bytes()


def form(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}


def paths(google: Google) -> list[str]:
    return [asked.path for asked in google.asked]


async def test_a_service_account_s_key(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    key = fake.service_account(tmp_path / "key.json")
    assert await fetch(nowhere, fake.config(service_account_key=key), tmp_path) == b"fake"
    assert paths(fake)[0] == "/token"
    claims = jwt.decode(form(fake.asked[0])["assertion"], options={"verify_signature": False})
    assert claims["scope"] == "https://www.googleapis.com/auth/devstorage.read_write"
    assert {asked.headers["authorization"] for asked in fake.of_bucket()} == {f"Bearer {fake.issued[0]}"}
    assert {asked.headers["user-agent"] for asked in fake.asked} == {OWN_USER_AGENT}


async def test_the_default_credentials_of_the_environment(
    fake: Google, nowhere: dict[str, str], tmp_path: Path
) -> None:
    environ = nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": fake.service_account(tmp_path / "key.json")}
    assert await fetch(environ, fake.config(), tmp_path) == b"fake"


async def test_the_configuration_s_key_comes_first(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    environ = nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent"}
    key = fake.service_account(tmp_path / "key.json")
    assert await fetch(environ, fake.config(service_account_key=key), tmp_path) == b"fake"


@pytest.mark.parametrize("home", [True, False], ids=["at its place", "CLOUDSDK_CONFIG"])
async def test_the_file_of_gcloud(
    fake: Google, nowhere: dict[str, str], tmp_path: Path, bare_environment: Path, home: bool
) -> None:
    directory = bare_environment / ".config" / "gcloud" if home else Path(nowhere["CLOUDSDK_CONFIG"])
    fake.authorized_user(directory / "application_default_credentials.json")
    environ = {"GCE_METADATA_HOST": "127.0.0.1:1", "HOME": str(bare_environment)} if home else nowhere
    assert await fetch(environ, fake.config(), tmp_path) == b"fake"
    assert form(fake.asked[0])["grant_type"] == "refresh_token"


async def test_nothing_of_this_process_s_environment_is_used(
    fake: Google, tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its variables nor its home directory are used."""
    fake.authorized_user(bare_environment / ".config" / "gcloud" / "application_default_credentials.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", fake.service_account(tmp_path / "key.json"))
    with pytest.raises(AccessDenied, match="no credentials"):
        await fetch({"GCE_METADATA_HOST": "127.0.0.1:1", "HOME": str(tmp_path)}, fake.config(), tmp_path, BRIEFLY)
    assert fake.asked == []


async def test_variables_are_read_at_each_call(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    keys = [fake.service_account(tmp_path / name) for name in ("first.json", "second.json")]
    environ = dict(nowhere)
    async with AsyncStorage(environ=environ) as storage:
        for key in keys:
            environ["GOOGLE_APPLICATION_CREDENTIALS"] = key
            assert await storage.read("gs://models/m", config=fake.config()) == b"fake"
    assert paths(fake).count("/token") == 2


async def test_workload_identity_by_a_token_in_a_variable(
    fake: Google, nowhere: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBJECT", "of-this-process")
    source: dict[str, object] = {"type": "environment", "environment_id": "SUBJECT"}
    external = fake.external_account(tmp_path / "external.json", source)
    environ = nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": external, "SUBJECT": SUBJECT}
    assert await fetch(environ, fake.config(), tmp_path) == b"fake"
    assert form(fake.asked[0])["subject_token"] == SUBJECT


@pytest.mark.parametrize("kind", ["text", "json"])
async def test_workload_identity_by_a_token_in_a_file(
    fake: Google, nowhere: dict[str, str], tmp_path: Path, kind: str
) -> None:
    """Sign in as a pod in another cloud's Kubernetes does."""
    (tmp_path / "token").write_text(f"{SUBJECT}\n" if kind == "text" else json.dumps({"id_token": SUBJECT}))
    source: dict[str, object] = {"file": str(tmp_path / "token")}
    if kind == "json":
        source["format"] = {"type": "json", "subject_token_field_name": "id_token"}
    environ = nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": fake.external_account(tmp_path / "external.json", source)}
    assert await fetch(environ, fake.config(), tmp_path) == b"fake"
    assert form(fake.asked[0])["subject_token"] == SUBJECT


async def test_workload_identity_by_a_token_from_a_url(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    source = {
        "url": f"{fake.endpoint}/subject?resource=x",
        "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "access_token"},
    }
    environ = nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": fake.external_account(tmp_path / "external.json", source)}
    assert await fetch(environ, fake.config(), tmp_path) == b"fake"
    assert (fake.asked[0].target, fake.asked[0].headers["metadata"]) == ("/subject?resource=x", "True")


async def test_workload_identity_that_acts_as_a_service_account(
    fake: Google, nowhere: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(SUBJECT)
    url = f"{fake.endpoint}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    file = fake.external_account(
        tmp_path / "external.json", {"file": str(tmp_path / "token")}, service_account_impersonation_url=url
    )
    assert await fetch(nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": file}, fake.config(), tmp_path) == b"fake"
    assert {asked.headers["authorization"] for asked in fake.of_bucket()} == {f"Bearer {fake.issued[1]}"}


async def test_workload_identity_of_a_pod(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    """The metadata service of GKE works like that of a virtual machine."""
    environ = nowhere | {"GCE_METADATA_HOST": fake.host}
    assert await fetch(environ, fake.config(), tmp_path) == b"fake"
    assert paths(fake)[0] == METADATA
    assert {asked.headers["authorization"] for asked in fake.of_bucket()} == {f"Bearer {fake.issued[0]}"}
    assert {asked.headers["user-agent"] for asked in fake.asked} == {OWN_USER_AGENT}


async def test_a_pod_that_is_there_before_its_metadata_service(nowhere: dict[str, str], tmp_path: Path) -> None:
    late = [Reply(503, b"not yet"), Reply(500, b"not yet")]

    def instead(asked: Asked) -> Reply | None:
        return late.pop() if asked.path == METADATA and late else None

    with Google({"m": b"fake"}, instead=instead) as google:
        environ = nowhere | {"GCE_METADATA_HOST": google.host, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
        assert await fetch(environ, google.config(), tmp_path) == b"fake"


async def test_no_proxy_leads_to_the_metadata_service(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    config = GCSConfig(endpoint_url=fake.endpoint.replace("127.0.0.1", "localhost"))
    proxied = {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "localhost"}
    assert await fetch(nowhere | proxied | {"GCE_METADATA_HOST": fake.host}, config, tmp_path) == b"fake"


@pytest.mark.parametrize("kind", ["service account", "user", "external", "metadata"])
def test_the_fakes_are_what_google_s_own_library_takes_for_the_services(
    fake: Google, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(SUBJECT)
    scopes = ["https://www.googleapis.com/auth/devstorage.read_only"]
    made: Any
    match kind:
        case "service account":
            key = fake.service_account(tmp_path / "key.json")
            made = service_account.Credentials.from_service_account_file(key, scopes=scopes)
        case "user":
            made = user.Credentials.from_authorized_user_file(fake.authorized_user(tmp_path / "user.json"))
            made = made.with_token_uri(f"{fake.endpoint}/token")
        case "external":
            external = fake.external_account(tmp_path / "external.json", {"file": str(tmp_path / "token")})
            made = identity_pool.Credentials.from_file(external, scopes=scopes)
        case _:
            monkeypatch.setattr(compute_engine._metadata, "_GCE_METADATA_HOST", fake.host)
            made = None
    request = Request()
    if made is None:
        token, _ = compute_engine._metadata.get_service_account_token(request)
    else:
        made.refresh(request)
        token = made.token
    request.session.close()
    assert token == fake.issued[0]


async def test_all_verbs_of_an_instance_sign_in_once(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    config = fake.config(service_account_key=fake.service_account(tmp_path / "key.json"))
    async with AsyncStorage(environ=nowhere) as storage, anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(partial(storage.download, "gs://models/m", tmp_path / f"m{number}", config=config))
    assert len(fake.issued) == 1
    assert paths(fake).count("/token") == 1


async def test_a_token_that_is_not_taken_any_more_is_replaced(
    fake: Google, nowhere: dict[str, str], tmp_path: Path
) -> None:
    config = fake.config(service_account_key=fake.service_account(tmp_path / "key.json"))
    async with AsyncStorage(environ=nowhere) as storage:
        assert await storage.read("gs://models/m", config=config) == b"fake"
        fake.revoked.update(fake.issued)
        assert await storage.read("gs://models/m", config=config) == b"fake"
    assert len(fake.issued) == 2


class Revoking(Writable):
    """A service that accepts the first token for `good` requests only."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self._good = good

    def _answer(self, asked: Asked) -> Reply:
        if "/storage/v1/" not in unquote(asked.path):
            return super()._answer(asked)
        if len(self.of_bucket()) > self._good:
            self.revoked.add(self.issued[0])
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.issued or token in self.revoked:
            return refusal(401, "authError", "Invalid Credentials")
        return super()._answer(asked)


@pytest.mark.parametrize("good", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("verb", ["download", "upload"])
async def test_a_token_that_ends_in_the_middle_of_a_transfer(
    nowhere: dict[str, str], tmp_path: Path, verb: str, good: int
) -> None:
    """Parts refused at the same time get one new token, without using up an attempt."""
    data = pattern(20 * MiB)
    (tmp_path / "here").write_bytes(data)
    with Revoking(good) as google:
        google.objects["m"] = data
        config = google.config(service_account_key=google.service_account(tmp_path / "key.json"))
        async with AsyncStorage(Limits(part_size=5 * MiB, attempts=1), environ=nowhere) as storage:
            if verb == "download":
                await storage.download("gs://models/m", tmp_path / "there", config=config)
            else:
                await storage.upload(tmp_path / "here", "gs://models/there", config=config)
        assert len(google.issued) == 2
        assert set(google.objects) == {"m"} | ({"there"} if verb == "upload" else set())
        found = google.objects["there"] if verb == "upload" else (tmp_path / "there").read_bytes()
    assert found == data


async def test_a_token_near_its_end_is_replaced(nowhere: dict[str, str]) -> None:
    """The token expires immediately, so each request gets another one."""
    with Google({"m": b"fake"}, seconds=0) as google:
        async with AsyncStorage(environ=nowhere | {"GCE_METADATA_HOST": google.host}) as storage:
            for _ in range(2):
                assert await storage.read("gs://models/m", config=google.config()) == b"fake"
        used = [asked.headers["authorization"] for asked in google.of_bucket()]
    assert len(set(used)) == len(used) == 2


async def test_a_token_that_is_never_taken(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    class All(set[str]):
        def __contains__(self, token: object) -> bool:
            return True

    fake.revoked = All()
    config = fake.config(service_account_key=fake.service_account(tmp_path / "key.json"))
    with pytest.raises(AccessDenied, match="Invalid Credentials") as caught:
        await fetch(nowhere, config, tmp_path)
    assert shows(caught.value, *fake.issued) == []
    assert len(fake.issued) <= 4


async def test_a_public_bucket_without_credentials(tmp_path: Path) -> None:
    with Google({"m": b"public"}, public=True) as google:
        assert await fetch({}, google.config(anonymous=True), tmp_path) == b"public"
        assert all("authorization" not in asked.headers for asked in google.asked)


async def test_a_private_bucket_without_credentials(fake: Google, tmp_path: Path) -> None:
    with pytest.raises(AccessDenied, match="it is not public: sign in") as caught:
        await fetch({}, fake.config(anonymous=True), tmp_path)
    assert "Anonymous caller does not have storage.objects.get access" in str(caught.value)


@pytest.mark.parametrize("config", [None, GCSConfig(), GCSConfig(project_id="project")])
@pytest.mark.parametrize("more", [{}, {"NO_GCE_CHECK": "true", "GCE_METADATA_HOST": "metadata.google.internal"}])
async def test_no_credentials(
    nowhere: dict[str, str], tmp_path: Path, config: GCSConfig | None, more: dict[str, str]
) -> None:
    with pytest.raises(AccessDenied) as caught:
        await fetch(nowhere | more, config, tmp_path, BRIEFLY)
    text = str(caught.value)
    assert text.startswith("download gs://models/m: no credentials for Google Cloud Storage were found (")
    for way in ("GOOGLE_APPLICATION_CREDENTIALS", "gcloud auth application-default login", "anonymous=True"):
        assert way in text


@pytest.mark.parametrize("stall", [True, False], ids=["silent", "another server"])
async def test_something_else_in_place_of_the_metadata_service(
    nowhere: dict[str, str], tmp_path: Path, stall: bool
) -> None:
    """It has a short timeout, and a reply that is not from Google is not trusted."""
    token = reply({"access_token": "ya29.other", "expires_in": 3600})
    token.stall_at = 0 if stall else None
    with FakeS3({}, instead=lambda asked: token) as other, anyio.fail_after(20):
        with pytest.raises(AccessDenied, match="no credentials for Google Cloud Storage were found"):
            await fetch(nowhere | {"GCE_METADATA_HOST": f"127.0.0.1:{other.port}"}, None, tmp_path, BRIEFLY)
        assert len(other.asked) == 1


async def test_a_machine_without_an_account(nowhere: dict[str, str], tmp_path: Path) -> None:
    def instead(asked: Asked) -> Reply | None:
        return Reply(404, b"<html>", {"Metadata-Flavor": "Google"}) if asked.path == METADATA else None

    with Google(instead=instead) as google:
        with pytest.raises(AccessDenied, match="the metadata server did not issue a token: 404") as caught:
            await fetch(nowhere | {"GCE_METADATA_HOST": google.host}, google.config(), tmp_path)
    assert "service account" in str(caught.value)


async def test_a_key_that_is_refused(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    with Google() as other:
        key = fake.service_account(tmp_path / "key.json", private_key=other.private_key())
    with pytest.raises(
        AccessDenied, match=r"did not issue a token: 400: invalid_grant: Invalid JWT Signature\."
    ) as caught:
        await fetch(nowhere, fake.config(service_account_key=key), tmp_path)
    assert shows(caught.value, "BEGIN PRIVATE KEY", form(fake.asked[0])["assertion"]) == []
    assert len(fake.asked) == 1


async def test_a_login_that_has_expired(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    file = fake.authorized_user(tmp_path / "user.json", refresh_token="an-old-refresh-token")
    with pytest.raises(AccessDenied, match="Token has been expired or revoked") as caught:
        await fetch(nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": file}, fake.config(), tmp_path)
    assert shows(caught.value, "an-old-refresh-token", CLIENT_SECRET) == []


async def test_a_token_service_that_fails_for_a_moment(nowhere: dict[str, str], tmp_path: Path) -> None:
    failures = [refusal(503, "backendError", "try again")]
    with Google(
        {"m": b"fake"}, instead=lambda asked: failures.pop() if asked.path == "/token" and failures else None
    ) as google:
        key = google.service_account(tmp_path / "key.json")
        assert await fetch(nowhere, google.config(service_account_key=key), tmp_path) == b"fake"
        assert paths(google).count("/token") == 2


BROKEN = [
    ("not JSON: the-secret", "the file is not JSON"),
    ("[]", "the file is not a JSON object"),
    ('{"private_key": "the-secret"}', "'type' is missing"),
    ('{"type": "gdch_service_account", "private_key": "the-secret"}', "gdch_service_account"),
    ('{"type": "external_account", "subject_token_type": "the-secret"}', "missing required fields"),
]


@pytest.mark.parametrize(("text", "reason"), BROKEN)
async def test_a_file_that_holds_no_credentials(
    nowhere: dict[str, str], tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "key.json").write_text(text)
    config = GCSConfig(service_account_key=str(tmp_path / "key.json"))
    with pytest.raises(InvalidConfig, match=re.escape(reason)) as caught:
        await fetch(nowhere, config, tmp_path)
    assert str(tmp_path / "key.json") in str(caught.value)
    assert shows(caught.value, "the-secret") == []


async def test_a_file_that_is_not_there(nowhere: dict[str, str], tmp_path: Path) -> None:
    environ = nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent/key.json"}
    with pytest.raises(InvalidConfig, match=r"/nonexistent/key\.json cannot be used: No such file"):
        await fetch(environ, None, tmp_path)


@pytest.mark.parametrize("change", [{"private_key": "no key, but the-secret"}, {"client_email": None}])
async def test_a_file_that_cannot_be_signed_with(
    fake: Google, nowhere: dict[str, str], tmp_path: Path, change: dict[str, str | None]
) -> None:
    key = fake.service_account(tmp_path / "key.json", **change)
    with pytest.raises(StorageError) as caught:
        await fetch(nowhere, fake.config(service_account_key=key), tmp_path)
    assert isinstance(caught.value, AccessDenied)
    assert shows(caught.value, "the-secret", "BEGIN PRIVATE KEY") == []


async def test_a_subject_token_that_is_not_there(fake: Google, nowhere: dict[str, str], tmp_path: Path) -> None:
    file = fake.external_account(tmp_path / "external.json", {"file": "/nonexistent/token"})
    with pytest.raises(AccessDenied, match=r"the token in /nonexistent/token cannot be read: No such file"):
        await fetch(nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": file}, fake.config(), tmp_path)


UNSUPPORTED = [
    (
        {
            "environment_id": "aws1",
            "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
            "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
            "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity",
        },
        "AWS credentials",
    ),
    ({"executable": {"command": "/bin/token --secret=the-secret"}}, "an executable"),
    ({"certificate": {"use_default_certificate_config": True}}, "an X.509 certificate"),
    ({"saml": "the-secret"}, "an unknown credential_source"),
]


@pytest.mark.parametrize(("source", "kind"), UNSUPPORTED, ids=[kind for _, kind in UNSUPPORTED])
async def test_workload_identity_that_is_not_supported(
    fake: Google, nowhere: dict[str, str], tmp_path: Path, source: dict[str, object], kind: str
) -> None:
    file = fake.external_account(tmp_path / "external.json", source)
    cause = f"{file} cannot be used: they federate the identity of {kind}, which is not supported (supported are"
    with pytest.raises(InvalidConfig, match=re.escape(cause)) as caught:
        await fetch(nowhere | {"GOOGLE_APPLICATION_CREDENTIALS": file}, fake.config(), tmp_path)
    assert shows(caught.value, "the-secret") == []
    assert fake.asked == []


def test_what_a_configuration_refuses() -> None:
    with pytest.raises(InvalidConfig, match="choose one"):
        GCSConfig("/key.json", anonymous=True)
    with pytest.raises(InvalidConfig, match="pass the path") as caught:
        GCSConfig('{"private_key": "the-secret"}')
    assert "the-secret" not in str(caught.value)
    with pytest.raises(InvalidConfig, match="http://"):
        GCSConfig(endpoint_url="127.0.0.1:4443")
    assert REFRESH_TOKEN not in repr(GCSConfig("/key.json"))
