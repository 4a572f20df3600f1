"""Signing in leaks no secret: neither what a token service receives nor what it issues, whatever the SDKs log."""

import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from blockbuster import BlockBuster

from sealift import AsyncStorage, AzureConfig, GCSConfig, S3Config, StorageError
from tests.api.entra import TokenGiver, entra, imds
from tests.api.helpers import texts_of
from tests.api.servers import Asked, FakeS3, Reply
from tests.security.listening import Heard, listening
from tests.services.google import CLIENT_SECRET, REFRESH_TOKEN, SUBJECT, Google

pytestmark = pytest.mark.anyio

KEY, TOKEN, ASSERTION, SESSION = "c4nary-secret-key", "c4nary-session-token", "c4nary-assertion", "c4nary-imds"


def until() -> str:
    return f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"


def sts(asked: Asked) -> Reply:
    verb = (
        "AssumeRoleWithWebIdentity" if b"WebIdentity" in asked.body or "WebIdentity" in asked.target else "AssumeRole"
    )
    keys = (
        f"<AccessKeyId>ASIAONE</AccessKeyId><SecretAccessKey>{KEY}</SecretAccessKey>"
        f"<SessionToken>{TOKEN}</SessionToken><Expiration>{until()}</Expiration>"
    )
    body = (
        f'<{verb}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{verb}Result><Credentials>{keys}</Credentials>'
        f"</{verb}Result></{verb}Response>"
    )
    return Reply(200, body.encode(), {"Content-Type": "text/xml"})


def metadata(asked: Asked) -> Reply:
    if asked.method == "PUT":
        return Reply(200, SESSION.encode())
    if asked.path == "/latest/meta-data/iam/security-credentials/":
        return Reply(200, b"server")
    keys = {"AccessKeyId": "ASIAONE", "SecretAccessKey": KEY, "Token": TOKEN, "Expiration": until()}
    return Reply(200, json.dumps({"Code": "Success", "Type": "AWS-HMAC", **keys}).encode())


async def try_it(heard: Heard, uri: str, config: object) -> None:
    """Read an object, and then one that does not exist."""
    async with AsyncStorage() as storage:
        for each in (uri, f"{uri}-none"):
            try:
                heard.add("result", await storage.read(each, config=config))  # type: ignore[arg-type]
            except StorageError as error:
                heard.add("error", *texts_of(error))


Environment = Callable[[str, Path], dict[str, str]]
WAYS: dict[str, tuple[Callable[[Asked], Reply], Environment, str | None]] = {
    "an assumed role": (
        sts,
        lambda url, home: {
            "AWS_ENDPOINT_URL_STS": url,
            "AWS_SHARED_CREDENTIALS_FILE": written(
                home / "keys", f"[base]\naws_access_key_id = AKIA\naws_secret_access_key = {KEY}0\n"
            ),
            "AWS_CONFIG_FILE": written(
                home / "config",
                "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nregion = us-east-1\n",
            ),
        },
        "role",
    ),
    "a web identity": (
        sts,
        lambda url, home: {
            "AWS_ENDPOINT_URL_STS": url,
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pod",
            "AWS_WEB_IDENTITY_TOKEN_FILE": written(home / "token", ASSERTION),
        },
        None,
    ),
    "a container": (
        metadata,
        lambda url, home: {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/v2/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": ASSERTION,
        },
        None,
    ),
    "an instance": (
        metadata,
        lambda url, home: {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url, "AWS_EC2_METADATA_DISABLED": "false"},
        None,
    ),
}


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("way", WAYS)
async def test_amazon(way: str, bare_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, environment, profile = WAYS[way]
    with FakeS3({"b": {"m": b"m"}}) as service, FakeS3({}, instead=answer) as giver:
        for name, value in environment(giver.endpoint, bare_environment).items():
            monkeypatch.setenv(name, value)
        with listening() as heard:
            await try_it(heard, "s3://b/m", S3Config(endpoint_url=service.endpoint, profile=profile))
        assert giver.asked
        assert any(asked.headers.get("x-amz-security-token") == TOKEN for asked in service.asked)
    assert heard.shown([KEY, TOKEN, ASSERTION, SESSION]) == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


@pytest.fixture(autouse=True)
def sdk_reads_files(no_blocking_calls: BlockBuster) -> None:
    """Allow the SDK to read its token file in the event loop."""
    for function in no_blocking_calls.functions.values():
        function.can_block_in("azure/identity/_credentials/workload_identity.py", {"_get_service_account_token"})


async def test_a_machine_s_identity_at_microsoft(
    certificate: ssl.SSLContext, trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeS3({"container": {"m": b"m"}}, tls=certificate) as service, TokenGiver(imds) as giver:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", giver.endpoint)
        config = AzureConfig("models", endpoint_url=service.endpoint, verify_ssl=trusted)
        with listening() as heard:
            await try_it(heard, "azure://container/m", config)
        assert giver.given
    assert heard.shown(giver.given) == []


@pytest.mark.parametrize("kind", ["secret", "token"])
async def test_a_service_principal(kind: str, certificate: ssl.SSLContext, trusted: str, tmp_path: Path) -> None:
    with FakeS3({"container": {"m": b"m"}}, tls=certificate) as service, TokenGiver(entra, tls=certificate) as giver:
        options = (
            {"client_secret": "the-client-secret"}
            if kind == "secret"
            else {"token_file": written(tmp_path / "token", "a.kubernetes.token")}
        )
        config = AzureConfig(
            "models",
            endpoint_url=service.endpoint,
            verify_ssl=trusted,
            tenant_id="tenant",
            client_id="client",
            authority=giver.endpoint,
            **options,  # type: ignore[arg-type]
        )
        with listening() as heard:
            await try_it(heard, "azure://container/m", config)
        assert giver.given
    assert heard.shown([*giver.given, "the-client-secret", "a.kubernetes.token"]) == []


@pytest.mark.parametrize("kind", ["a user", "workload identity", "the metadata service"])
async def test_google(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Google({"m": b"m"}) as google:
        file = None
        if kind == "a user":
            file = google.authorized_user(tmp_path / "user.json")
        elif kind == "workload identity":
            source = {"file": written(tmp_path / "token", SUBJECT)}
            file = google.external_account(tmp_path / "account.json", source)
        else:
            monkeypatch.setenv("GCE_METADATA_HOST", google.host)
        with listening() as heard:
            await try_it(heard, "gs://models/m", GCSConfig(endpoint_url=google.endpoint, service_account_key=file))
        assert google.issued
    assert heard.shown([*google.issued, CLIENT_SECRET, REFRESH_TOKEN, SUBJECT]) == []
