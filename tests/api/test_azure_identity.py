"""Azure identities: the real azure-identity against fake token services, and Azurite over TLS."""

import os
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from blockbuster import BlockBuster

from sealift import AccessDenied, AsyncStorage, AzureConfig, InvalidConfig, Limits, TransportError
from sealift.config.user_agent import OWN_USER_AGENT
from sealift.types import MiB
from tests.api.entra import TokenGiver, answer, app_service, entra, imds, token
from tests.api.helpers import shows
from tests.api.servers import Asked, Reply, pattern
from tests.services.azurite import AzureService, get_object, new_container, put_objects
from tests.wire.servers import server_tls

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def sdk_reads_files(no_blocking_calls: BlockBuster) -> None:
    """Allow the blocking file reads of the SDKs, which read files on the event loop."""
    for function in no_blocking_calls.functions.values():
        function.can_block_in("azure/identity/_credentials/workload_identity.py", {"_get_service_account_token"})
        function.can_block_in("azure/identity/aio/_credentials/azure_cli.py", {"_run_command"})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def container(azurite_tls: AzureService) -> str:
    container = new_container(azurite_tls)
    put_objects(azurite_tls, container, {"m": b"real"})
    return container


@pytest.fixture
def trusted(azurite_tls: AzureService, authority: trustme.CA, tmp_path: Path) -> str:
    """A CA bundle for the certificates of Azurite and the token endpoint."""
    assert azurite_tls.ca_file is not None
    path = tmp_path / "authorities.pem"
    path.write_bytes(Path(azurite_tls.ca_file).read_bytes() + authority.cert_pem.bytes())
    return str(path)


@pytest.fixture
def config(azurite_tls: AzureService, trusted: str) -> AzureConfig:
    """A configuration with Azurite's endpoint and no credentials."""
    return AzureConfig("models", endpoint_url=azurite_tls.endpoint(), verify_ssl=trusted)


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenGiver]:
    with TokenGiver(imds) as giver:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", giver.endpoint)
        yield giver


def entra_over_tls(authority: trustme.CA, *first: Reply) -> TokenGiver:
    return TokenGiver(entra, tls=server_tls(authority, "127.0.0.1"), first=first)


async def test_a_managed_identity(
    azurite_tls: AzureService, container: str, config: AzureConfig, metadata: TokenGiver, tmp_path: Path
) -> None:
    """One token serves all operations of an instance: read, write, list and copy."""
    uri = f"azure://{container}"
    async with AsyncStorage() as storage:
        for name in ("first", "second"):
            path = await storage.download(f"{uri}/m", str(tmp_path / name), config=config)
            assert Path(path).read_bytes() == b"real"
        assert await storage.upload(path, f"{uri}/up", config=config)
        assert await storage.copy_object(f"{uri}/up", f"{uri}/copy", config=config)
        assert await storage.list_objects(uri, config=config) == ["copy", "m", "up"]
        assert await storage.delete_object(f"{uri}/up", config=config)
    assert get_object(azurite_tls, container, "copy") == b"real"
    assert len(metadata.given) == 1


async def test_a_user_assigned_managed_identity(container: str, config: AzureConfig, metadata: TokenGiver) -> None:
    storage = AsyncStorage(environ={**os.environ, "AZURE_CLIENT_ID": "one-of-many"})
    assert await storage.read(f"azure://{container}/m", config=config) == b"real"
    assert {asked.query["client_id"] for asked in metadata.asked} == {"one-of-many"}
    assert all(asked.headers["user-agent"].startswith(OWN_USER_AGENT) for asked in metadata.asked)


async def test_a_managed_identity_of_app_service(
    container: str, config: AzureConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TokenGiver(app_service) as giver:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{giver.endpoint}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "the-header")
        assert await AsyncStorage().read(f"azure://{container}/m", config=config) == b"real"
        assert len(giver.given) == 1


async def test_a_token_that_ends_is_renewed(
    container: str, config: AzureConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TokenGiver(imds, seconds=-10) as giver:  # tokens reported as expired
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", giver.endpoint)
        async with AsyncStorage() as storage:
            for _ in range(2):
                assert await storage.read(f"azure://{container}/m", config=config) == b"real"
        assert len(giver.given) > 1


@pytest.mark.parametrize("verb", ["download", "upload"])
async def test_tokens_that_end_in_the_middle_of_a_transfer(
    azurite_tls: AzureService,
    container: str,
    config: AzureConfig,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    verb: str,
) -> None:
    """The first three tokens are reported as expired. Parts that need the next one at the same time request it once."""
    data = pattern(20 * MiB)
    (tmp_path / "here").write_bytes(data)

    def give(asked: Asked, fresh: str, seconds: int) -> Reply:
        return imds(asked, fresh, -10 if len(giver.given) < 3 else seconds)

    with TokenGiver(give) as giver:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", giver.endpoint)
        async with AsyncStorage(Limits(part_size=5 * MiB, attempts=1)) as storage:
            if verb == "download":
                put_objects(azurite_tls, container, {"large": data})
                await storage.download(f"azure://{container}/large", tmp_path / "there", config=config)
            else:
                await storage.upload(tmp_path / "here", f"azure://{container}/there", config=config)
        assert len(giver.given) == 4
    there = tmp_path / "there"
    assert (there.read_bytes() if verb == "download" else get_object(azurite_tls, container, "there")) == data


@pytest.mark.parametrize("status", [404, 408, 410, 429, 500, 503])
async def test_a_metadata_service_that_is_busy_is_asked_again(
    container: str, config: AzureConfig, monkeypatch: pytest.MonkeyPatch, status: int, tmp_path: Path
) -> None:
    with TokenGiver(imds, first=(answer(status, {"error": "busy"}),)) as giver:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", giver.endpoint)
        assert await AsyncStorage().download(f"azure://{container}/m", str(tmp_path / "m"), config=config)
        assert len(giver.asked) == 2


async def test_an_identity_that_is_not_assigned(container: str, config: AzureConfig, metadata: TokenGiver) -> None:
    storage = AsyncStorage(environ={**os.environ, "AZURE_CLIENT_ID": "nobody"})
    with pytest.raises(AccessDenied, match="no credentials for Azure were found"):
        await storage.read(f"azure://{container}/m", config=config)


async def test_a_workload_identity(container: str, config: AzureConfig, authority: trustme.CA, tmp_path: Path) -> None:
    """Sign in as a Kubernetes service account does, with the variables set by its webhook."""
    (tmp_path / "token").write_text("a.kubernetes.token")
    with entra_over_tls(authority) as giver:
        environ = {
            "AZURE_CLIENT_ID": "client",
            "AZURE_TENANT_ID": "tenant",
            "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
            "AZURE_AUTHORITY_HOST": f"{giver.endpoint}/",
        }
        async with AsyncStorage(environ=environ) as storage:
            for _ in range(2):
                assert await storage.read(f"azure://{container}/m", config=config) == b"real"
        assert len(giver.given) == 1


async def test_a_workload_identity_without_its_file(container: str, config: AzureConfig, tmp_path: Path) -> None:
    environ = {
        "AZURE_CLIENT_ID": "client",
        "AZURE_TENANT_ID": "tenant",
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "nothing"),
        "AZURE_AUTHORITY_HOST": "https://127.0.0.1:1",
    }
    with pytest.raises(AccessDenied, match="token file cannot be read: No such file"):
        await AsyncStorage(environ=environ).read(f"azure://{container}/m", config=config)


@pytest.mark.parametrize("names", ["AZURE", "AZ"], ids=["as the SDKs name it", "as KServe named it"])
async def test_a_service_principal(container: str, config: AzureConfig, authority: trustme.CA, names: str) -> None:
    with entra_over_tls(authority) as giver:
        environ = {
            f"{names}_CLIENT_ID": "client",
            f"{names}_TENANT_ID": "tenant",
            f"{names}_CLIENT_SECRET": "the-client-secret",
            "AZURE_AUTHORITY_HOST": giver.endpoint,
        }
        assert await AsyncStorage(environ=environ).read(f"azure://{container}/m", config=config) == b"real"


async def test_a_service_principal_in_the_configuration(
    azurite_tls: AzureService, container: str, trusted: str, authority: trustme.CA
) -> None:
    with entra_over_tls(authority) as giver:
        config = AzureConfig(
            "models",
            endpoint_url=azurite_tls.endpoint(),
            verify_ssl=trusted,
            tenant_id="tenant",
            client_id="client",
            client_secret="the-client-secret",
            authority=giver.endpoint,
        )
        # The identity in the configuration takes precedence over the account key in the environment.
        storage = AsyncStorage(environ={"AZURE_STORAGE_ACCOUNT": "models", "AZURE_STORAGE_KEY": "d3Jvbmc="})
        assert await storage.read(f"azure://{container}/m", config=config) == b"real"
        assert len(giver.given) == 1


async def test_a_wrong_secret(container: str, config: AzureConfig, authority: trustme.CA) -> None:
    with entra_over_tls(authority) as giver:
        environ = {
            "AZURE_CLIENT_ID": "client",
            "AZURE_TENANT_ID": "tenant",
            "AZURE_CLIENT_SECRET": "not-the-client-secret",
            "AZURE_AUTHORITY_HOST": giver.endpoint,
        }
        with pytest.raises(AccessDenied, match="AADSTS7000215: Invalid client secret provided") as caught:
            await AsyncStorage(environ=environ).read(f"azure://{container}/m", config=config)
    assert "Trace ID" not in str(caught.value)
    assert shows(caught.value, "not-the-client-secret") == []


@pytest.mark.parametrize("status", [408, 429, 503])
async def test_a_token_endpoint_that_is_busy_is_asked_again(
    container: str, config: AzureConfig, authority: trustme.CA, status: int
) -> None:
    busy = answer(status, {"error": "temporarily_unavailable", "error_description": "AADSTS90033: wait"})
    with entra_over_tls(authority, busy) as giver:
        environ = {
            "AZURE_CLIENT_ID": "client",
            "AZURE_TENANT_ID": "tenant",
            "AZURE_CLIENT_SECRET": "the-client-secret",
            "AZURE_AUTHORITY_HOST": giver.endpoint,
        }
        assert await AsyncStorage(environ=environ).read(f"azure://{container}/m", config=config) == b"real"
        assert len(giver.asked) == 2


async def test_a_token_endpoint_that_nobody_listens_at(container: str, config: AzureConfig) -> None:
    environ = {
        "AZURE_CLIENT_ID": "client",
        "AZURE_TENANT_ID": "tenant",
        "AZURE_CLIENT_SECRET": "the-client-secret",
        "AZURE_AUTHORITY_HOST": "https://127.0.0.1:1",
    }
    with pytest.raises(TransportError, match="no token for Azure") as caught:
        await AsyncStorage(Limits(attempts=1), environ=environ).read(f"azure://{container}/m", config=config)
    assert shows(caught.value, "the-client-secret") == []


async def test_no_credentials(container: str, config: AzureConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")  # hides an installed az
    with pytest.raises(AccessDenied) as caught:
        await AsyncStorage().read(f"azure://{container}/m", config=config)
    text = str(caught.value)
    assert text.startswith(f"read azure://{container}/m: no credentials for Azure were found (")
    assert "AZURE_STORAGE_KEY" in text
    assert "AzureConfig(anonymous=True)" in text


async def test_who_has_logged_in_with_az(
    container: str, config: AzureConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A script stands in for az and prints what it would."""
    program = tmp_path / "az"
    program.write_text(f"""#!/bin/sh
echo '{{"accessToken": "{token()}", "expiresOn": "2100-01-01 00:00:00.000000", "expires_on": 4102444800}}'
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert await AsyncStorage().read(f"azure://{container}/m", config=config) == b"real"


async def test_tokens_are_sent_over_https_only(azurite: AzureService, metadata: TokenGiver) -> None:
    with pytest.raises(InvalidConfig, match="over https only"):
        await AsyncStorage().read("azure://box/m", config=AzureConfig("models", endpoint_url=azurite.endpoint()))
    assert metadata.asked == []


async def test_a_token_that_the_service_does_not_take(
    container: str, config: AzureConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TokenGiver(_other_audience) as giver:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", giver.endpoint)
        with pytest.raises(AccessDenied) as caught:
            await AsyncStorage().read(f"azure://{container}/m", config=config)
        assert shows(caught.value, *giver.given, "not.a.token") == []


def _other_audience(asked: object, fresh: str, seconds: int) -> Reply:
    return answer(200, {"access_token": "not.a.token", "expires_in": "3600", "resource": "x", "token_type": "Bearer"})


async def test_an_identity_of_this_process_is_not_another_environment_s(
    container: str, config: AzureConfig, metadata: TokenGiver
) -> None:
    """The SDK would use the endpoint from this process's variables."""
    with pytest.raises(AccessDenied, match="AZURE_POD_IDENTITY_AUTHORITY_HOST"):
        await AsyncStorage(environ={}).read(f"azure://{container}/m", config=config)
    assert metadata.asked == []


async def test_a_token_service_is_not_reached_through_this_process_s_proxy(
    container: str, config: AzureConfig, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # closed port
    with entra_over_tls(authority) as giver:
        environ = {
            "AZURE_CLIENT_ID": "client",
            "AZURE_TENANT_ID": "tenant",
            "AZURE_CLIENT_SECRET": "the-client-secret",
            "AZURE_AUTHORITY_HOST": giver.endpoint,
        }
        assert await AsyncStorage(environ=environ).read(f"azure://{container}/m", config=config) == b"real"
        with pytest.raises(TransportError, match="no token for Azure"):
            environ["HTTPS_PROXY"] = "http://127.0.0.1:1"
            environ["NO_PROXY"] = urlsplit(config.endpoint_url or "").netloc
            await AsyncStorage(Limits(attempts=1), environ=environ).read(f"azure://{container}/m", config=config)


async def test_an_identity_signs_urls(container: str, config: AzureConfig, metadata: TokenGiver, trusted: str) -> None:
    """With a user delegation key, which the service issues for its token."""
    url = await AsyncStorage(Limits(attempts=1)).presign(f"azure://{container}/m", config=config)
    assert "skoid=" in url
    with urllib.request.urlopen(url, context=ssl.create_default_context(cafile=trusted), timeout=30) as reply:
        assert reply.read() == b"real"
    with pytest.raises(InvalidConfig, match="more than Azure allows for an identity"):
        await AsyncStorage().presign(f"azure://{container}/m", expires_in=604_801, config=config)
