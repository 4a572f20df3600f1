"""Two tenants in a process that has a third identity: each tenant's requests use the keys of its own environment."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from sealift import AccessDenied, AsyncStorage, InvalidConfig, S3Config, TransportError
from tests.api.servers import SECRET, Asked, FakeS3, Reply
from tests.api.test_credentials import access_key, temporary_keys
from tests.wire.servers import server_tls

pytestmark = pytest.mark.anyio

START = "https://login.example.com/start"
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(autouse=True)
def poison(monkeypatch: pytest.MonkeyPatch, bare_environment: Path) -> Iterator[FakeS3]:
    """A third identity in the process environment; any code that uses it sends its requests to this server."""
    with FakeS3({}, instead=lambda asked: Reply(200, temporary_keys("ASIAPOISON"))) as server:
        home = bare_environment / "poison"
        keys = f"aws_access_key_id = AKIAPOISON\naws_secret_access_key = {SECRET}\n"
        role = f"[default]\nregion = xx-poison-1\nendpoint_url = {server.endpoint}\n{keys}"
        for name, text in {"config": role, "credentials": f"[default]\n{keys}"}.items():
            (home / ".aws").mkdir(parents=True, exist_ok=True)
            (home / ".aws" / name).write_text(text)
        (home / "token").write_text("of-the-process")
        (home / ".boto").write_text(f"[Credentials]\n{keys}")
        (home / "legacy").write_text(f"AWSAccessKeyId=AKIAPOISON\nAWSSecretKey={SECRET}\n")
        variables = {
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": "AKIAPOISON",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": "of-the-process",
            "AWS_PROFILE": "default",
            "AWS_REGION": "xx-poison-1",
            "AWS_DEFAULT_REGION": "xx-poison-1",
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_CA_BUNDLE": "/poison.pem",
            "REQUESTS_CA_BUNDLE": "/poison.pem",
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/poison",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token"),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.endpoint}/poison",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "of-the-process",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.endpoint,
            "AWS_CREDENTIAL_FILE": str(home / "legacy"),
            "BOTO_CONFIG": str(home / ".boto"),
            "AWS_LOGIN_CACHE_DIRECTORY": str(home),
            "AWS_DEFAULTS_MODE": "auto",
            "AWS_EXECUTION_ENV": "poison",
            "HTTP_PROXY": server.endpoint,
            "HTTPS_PROXY": server.endpoint,
            "http_proxy": server.endpoint,
            "KEY": "AKIAPOISON",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
        yield server
        assert [(asked.method, asked.target) for asked in server.asked] == []


class Tenant:
    """A tenant's home directory and server: a bucket, and fake STS, SSO and metadata services."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.key = f"ASIA{name.upper()}"
        self.home = home
        self.server = FakeS3({"models": {"m": name.encode()}}, instead=self._answer)
        (home / ".aws").mkdir(parents=True)

    def file(self, name: str, text: str) -> str:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def _answer(self, asked: Asked) -> Reply | None:
        if asked.path.startswith("/models"):
            return None
        temporary = json.loads(temporary_keys(self.key))
        if asked.path == "/federation/credentials":
            assert asked.headers["x-amz-sso_bearer_token"] == f"token-of-{self.name}"
            keys = {"accessKeyId": self.key, "secretAccessKey": "s", "sessionToken": "t"}
            return Reply(200, json.dumps({"roleCredentials": keys | {"expiration": LATER.timestamp() * 1000}}).encode())
        if asked.path == "/container":
            assert asked.headers["authorization"] == f"token-of-{self.name}"
            return Reply(200, json.dumps(temporary).encode())
        if asked.path == "/latest/api/token":
            return Reply(200, b"session")
        if asked.path.startswith("/latest/"):
            named = asked.path.endswith("/server")
            return Reply(200, json.dumps(temporary).encode() if named else b"server")
        if asked.method == "POST":
            assert b"role%2F" + self.name.encode() in asked.body
            action = "AssumeRoleWithWebIdentity" if b"WebIdentityToken" in asked.body else "AssumeRole"
            if action == "AssumeRole":
                assert access_key(asked) == f"AKIASOURCE{self.name}"
            else:
                assert f"token-of-{self.name}".encode() in asked.body
            keys = f"<AccessKeyId>{self.key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            until = f"<SessionToken>t</SessionToken><Expiration>{LATER:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            body = f"<Credentials>{keys}{until}</Credentials>"
            return Reply(200, f"<{action}Response><{action}Result>{body}</{action}Result></{action}Response>".encode())
        return Reply(404)


def pair(name: str) -> str:
    return f"aws_access_key_id = {name}\naws_secret_access_key = {SECRET}\n"


def variables(tenant: Tenant) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": tenant.key, "AWS_SECRET_ACCESS_KEY": SECRET}


def variables_beside_a_file(tenant: Tenant) -> dict[str, str]:
    tenant.file(".aws/config", "[default]\nregion = eu-x-1\n")
    return variables(tenant)


def variables_that_expire(tenant: Tenant) -> dict[str, str]:
    return variables(tenant) | {"AWS_CREDENTIAL_EXPIRATION": LATER.isoformat(), "AWS_SESSION_TOKEN": "t"}


def credentials_file(tenant: Tenant) -> dict[str, str]:
    tenant.file(".aws/credentials", f"[default]\n{pair(tenant.key)}")
    return {}


def named_credentials_file(tenant: Tenant) -> dict[str, str]:
    tenant.file("own/keys", f"[lab]\n{pair(tenant.key)}")
    return {"AWS_SHARED_CREDENTIALS_FILE": "$WHERE/keys", "WHERE": str(tenant.home / "own"), "AWS_PROFILE": "lab"}


def configuration_file(tenant: Tenant) -> dict[str, str]:
    return {"AWS_CONFIG_FILE": tenant.file("own/config", f"[profile lab]\n{pair(tenant.key)}"), "AWS_PROFILE": "lab"}


def assumed_role(tenant: Tenant) -> dict[str, str]:
    role = f"[default]\nrole_arn = arn:aws:iam::123456789012:role/{tenant.name}\n"
    tenant.file(".aws/config", f"{role}source_profile = base\n[profile base]\n{pair(f'AKIASOURCE{tenant.name}')}")
    return {}


def role_of_the_environment_s_keys(tenant: Tenant) -> dict[str, str]:
    role = f"[profile r]\nrole_arn = arn:aws:iam::123456789012:role/{tenant.name}\n"
    tenant.file(".aws/config", f"{role}credential_source = Environment\n")
    return {"AWS_ACCESS_KEY_ID": f"AKIASOURCE{tenant.name}", "AWS_SECRET_ACCESS_KEY": "s", "PROFILE_OF_TEST": "r"}


def web_identity(tenant: Tenant) -> dict[str, str]:
    token = tenant.file("token", f"token-of-{tenant.name}")
    return {
        "AWS_ROLE_ARN": f"arn:aws:iam::123456789012:role/{tenant.name}",
        "AWS_WEB_IDENTITY_TOKEN_FILE": token,
    }


def sso(tenant: Tenant) -> dict[str, str]:
    account = "sso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n"
    session = f"[sso-session s]\nsso_start_url = {START}\nsso_region = us-east-1\n"
    tenant.file(".aws/config", f"[default]\n{account}{session}")
    token = {"accessToken": f"token-of-{tenant.name}", "expiresAt": f"{LATER:%Y-%m-%dT%H:%M:%SZ}", "startUrl": START}
    name = hashlib.sha1(b"s", usedforsecurity=False).hexdigest()
    tenant.file(f".aws/sso/cache/{name}.json", json.dumps(token))
    return {}


def process(tenant: Tenant) -> dict[str, str]:
    answer = json.dumps({"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "s"}).replace('"', '\\"')
    tenant.file("program", f'printf "{answer}" "$KEY"')
    tenant.file(".aws/config", f"[default]\ncredential_process = sh {tenant.home}/program\n")
    return {"KEY": tenant.key, "PATH": os.environ["PATH"]}


def container(tenant: Tenant) -> dict[str, str]:
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{tenant.server.endpoint}/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"token-of-{tenant.name}",
    }


def instance(tenant: Tenant) -> dict[str, str]:
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": tenant.server.endpoint, "AWS_EC2_METADATA_DISABLED": "false"}


def boto_file(tenant: Tenant) -> dict[str, str]:
    tenant.file(".boto", f"[Credentials]\n{pair(tenant.key)}")
    return {}


def legacy_file(tenant: Tenant) -> dict[str, str]:
    tenant.file("legacy", f"AWSAccessKeyId={tenant.key}\nAWSSecretKey={SECRET}\n")
    return {"AWS_CREDENTIAL_FILE": "~/legacy"}


@pytest.fixture
def tenants(tmp_path: Path) -> Iterator[list[Tenant]]:
    first, second = (Tenant(name, tmp_path / name) for name in ("one", "two"))
    with first.server, second.server:
        yield [first, second]


@pytest.mark.parametrize(
    "provider",
    [
        variables, variables_beside_a_file, variables_that_expire, credentials_file, named_credentials_file,
        configuration_file, assumed_role, role_of_the_environment_s_keys, web_identity, sso, process, container,
        instance, boto_file, legacy_file,
    ],
    ids=lambda provider: provider.__name__,
)  # fmt: skip
async def test_each_is_who_its_environment_says(
    tenants: list[Tenant], provider: Callable[[Tenant], dict[str, str]]
) -> None:
    storages = []
    for tenant in tenants:
        own = {"HOME": str(tenant.home), "AWS_ENDPOINT_URL": tenant.server.endpoint}
        environ = {**own, "AWS_EC2_METADATA_DISABLED": "true", **provider(tenant)}
        storages.append((tenant, AsyncStorage(environ=environ), S3Config(profile=environ.get("PROFILE_OF_TEST"))))
    for tenant, storage, config in storages:
        async with storage:
            assert await storage.read("s3://models/m", config=config) == tenant.name.encode()
        asked = [asked for asked in tenant.server.asked if asked.path.startswith("/models")]
        assert {access_key(asked) for asked in asked} == {tenant.key}
        assert all("poison" not in str(asked.region) for asked in asked)


async def test_a_bare_environment_finds_nobody(tenants: list[Tenant]) -> None:
    """Neither the variables nor the files of the process are used as a fallback."""
    for environ in ({}, {"HOME": str(tenants[0].home)}):
        storage = AsyncStorage(environ={**environ, "AWS_EC2_METADATA_DISABLED": "true"})
        with pytest.raises(AccessDenied, match="no credentials for S3 were found"):
            await storage.read("s3://models/m")


async def test_variables_are_read_at_each_call(tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
    """One instance rereads keys, endpoint and region, with the SDK (for a configuration file) and without it."""
    tenants[1].file(".aws/config", "[default]\nregion = eu-x-1\n")
    environ: dict[str, str] = {}
    async with AsyncStorage(environ=environ) as storage:
        for tenant in [*tenants, *tenants]:
            environ.clear()
            environ.update(variables(tenant) | {"HOME": str(tenant.home), "AWS_ENDPOINT_URL": tenant.server.endpoint})
            tenant.server.asked.clear()
            assert await storage.read("s3://models/m") == tenant.name.encode()
            assert {access_key(asked) for asked in tenant.server.asked} == {tenant.key}
            region = "eu-x-1" if tenant is tenants[1] else "us-east-1"
            assert {asked.region for asked in tenant.server.asked} == {region}


async def test_a_role_belongs_to_its_environment(tenants: list[Tenant]) -> None:
    """Credentials that an instance caches for one environment are not used for the next."""
    environ: dict[str, str] = {}
    async with AsyncStorage(environ=environ) as storage:
        for tenant in [*tenants, *tenants]:
            environ.clear()
            environ.update(web_identity(tenant) | {"AWS_ENDPOINT_URL": tenant.server.endpoint})
            assert await storage.read("s3://models/m") == tenant.name.encode()
    for tenant in tenants:
        asked = [asked for asked in tenant.server.asked if asked.path.startswith("/models")]
        assert {access_key(asked) for asked in asked} == {tenant.key}


async def test_proxies_for_amazon_s_token_service(tenants: list[Tenant]) -> None:
    """The SDK's own requests go through the given environment's proxy, unless that environment exempts the host."""
    tenant, proxy = tenants
    environ = web_identity(tenant) | {
        "AWS_ENDPOINT_URL_S3": tenant.server.endpoint,
        "AWS_ENDPOINT_URL_STS": "http://sts.test",
        "HTTP_PROXY": proxy.server.endpoint,
        "NO_PROXY": "127.0.0.1",
    }
    proxy.server._instead = tenant._answer
    assert await AsyncStorage(environ=environ).read("s3://models/m") == b"one"
    assert [asked.host for asked in proxy.server.asked] == ["sts.test"]
    environ |= {"AWS_ENDPOINT_URL_STS": tenant.server.endpoint}
    assert await AsyncStorage(environ=environ).read("s3://models/m") == b"one"
    assert len(proxy.server.asked) == 1


async def test_trusted_authorities_are_those_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default, OpenSSL reads `SSL_CERT_FILE` from the process environment."""
    monkeypatch.setenv("NO_PROXY", "*")
    ours, others = trustme.CA(), trustme.CA()
    for name, authority in {"ours": ours, "others": others}.items():
        authority.cert_pem.write_to_path(str(tmp_path / name))
    with FakeS3({"models": {"m": b"m"}}, tls=server_tls(ours, "127.0.0.1")) as server:
        uri = f"{server.endpoint}/models/m"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "others"))
        assert await AsyncStorage(environ={"SSL_CERT_FILE": str(tmp_path / "ours")}).read(uri) == b"m"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours"))
        assert await AsyncStorage().read(uri) == b"m"
        for environ in ({}, {"SSL_CERT_FILE": str(tmp_path / "others")}):
            with pytest.raises(TransportError, match="is not trusted"):
                await AsyncStorage(environ=environ).read(uri)


async def test_an_unknown_profile_names_the_files(tenants: list[Tenant]) -> None:
    home = tenants[0].home
    with pytest.raises(InvalidConfig) as caught:
        await AsyncStorage(environ={"HOME": str(home)}).read("s3://models/m", config=S3Config(profile="nobody"))
    assert f"the profile 'nobody' is not in {home}/.aws/config or {home}/.aws/credentials" in str(caught.value)
    assert "SDK" not in str(caught.value)


@pytest.mark.parametrize("file", [False, True], ids=["without the SDK", "with it"])
async def test_anonymous_requests_carry_no_keys_of_the_environment(tenants: list[Tenant], file: bool) -> None:
    tenant = tenants[0]
    environ = (variables_beside_a_file if file else variables)(tenant)
    environ |= {"HOME": str(tenant.home), "AWS_ENDPOINT_URL": tenant.server.endpoint}
    assert await AsyncStorage(environ=environ).read("s3://models/m", config=S3Config(anonymous=True)) == b"one"
    assert {access_key(asked) for asked in tenant.server.asked} == {None}
