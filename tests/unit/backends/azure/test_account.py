"""The storage account and credentials from a URI, a configuration and an environment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from sealift.backends.azure.account import Account, account_of
from sealift.backends.azure.authorization import AccountKeyAuthorizer, Authorization
from sealift.backends.azure.token import _authority
from sealift.config import AzureConfig
from sealift.errors import InvalidConfig, InvalidURI
from sealift.instance import Instance
from sealift.types import Limits
from sealift.uri import parse

KEY = "c2VjcmV0"
SAS = "sv=2024-11-04&sp=rl&sig=abc%3D"
URL = "https://models.blob.core.windows.net/box/k"


def account(
    uri: str = "azure://box/k", config: AzureConfig | None = None, environ: dict[str, str] | None = None
) -> Account:
    return account_of(parse(uri), config, environ or {})


@pytest.mark.parametrize("uri", ["azure://box/k", "az://box/k"])
def test_the_account_of_the_configuration(uri: str) -> None:
    found = account(uri, AzureConfig("models", KEY))
    assert (found.name, found.endpoint, found.key) == ("models", "https://models.blob.core.windows.net", KEY)
    assert found.identity is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("models.blob.core.windows.net", "models"),
        ("models-secondary.blob.core.windows.net", "models"),
        ("models.blob.core.chinacloudapi.cn", "models"),
        ("models.blob.core.usgovcloudapi.net", "models"),
        ("models.z12.blob.storage.azure.net", "models"),
        ("models-ipv6.blob.core.windows.net", "models"),
        ("models-secondary-dualstack.blob.core.windows.net", "models"),
    ],
)
def test_the_account_of_the_uri(host: str, name: str) -> None:
    found = account(f"https://{host}/box/k", AzureConfig(account_key=KEY))
    assert (found.name, found.endpoint, found.key) == (name, f"https://{host}", KEY)


@pytest.mark.parametrize(
    ("environ", "secret"),
    [
        ({"AZURE_STORAGE_ACCOUNT": "models", "AZURE_STORAGE_KEY": KEY}, KEY),
        ({"AZURE_STORAGE_ACCOUNT_NAME": "models", "AZURE_STORAGE_ACCESS_KEY": KEY}, KEY),
        ({"AZURE_STORAGE_ACCOUNT": "models", "AZURE_STORAGE_ACCOUNT_KEY": KEY}, KEY),
        ({"AZURE_STORAGE_ACCOUNT": "models", "AZURE_STORAGE_SAS_TOKEN": f"?{SAS}"}, SAS),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=models;AccountKey={KEY};EndpointSuffix=core.windows.net"},
            KEY,
        ),
    ],
)
def test_the_account_of_the_environment(environ: dict[str, str], secret: str) -> None:
    for config in (None, AzureConfig(), AzureConfig("models")):
        found = account("azure://box/k", config, environ)
        assert (found.name, found.endpoint) == ("models", "https://models.blob.core.windows.net")
        assert (found.key or found.sas) == secret
        assert found.identity is None


def test_a_key_of_the_environment_that_names_no_account_is_for_the_one_of_the_uri() -> None:
    """KServe sets the variable so."""
    assert account(URL, None, {"AZURE_STORAGE_ACCESS_KEY": KEY}).key == KEY


@pytest.mark.parametrize("config", [None, AzureConfig(), AzureConfig("models")])
def test_secrets_of_another_account_are_not_sent(config: AzureConfig | None) -> None:
    connection = f"AccountName=other;AccountKey={KEY};BlobEndpoint=https://other.example"
    for environ in (
        {
            "AZURE_STORAGE_ACCOUNT": "other",
            "AZURE_STORAGE_KEY": KEY,
            "AZURE_STORAGE_SERVICE_ENDPOINT": "https://o.example",
        },
        {"AZURE_STORAGE_ACCOUNT": "other", "AZURE_STORAGE_SAS_TOKEN": SAS},
        {"AZURE_STORAGE_CONNECTION_STRING": connection},
    ):
        found = account(URL, config, environ)
        assert (found.key, found.sas, found.endpoint) == (None, None, "https://models.blob.core.windows.net")
        assert found.identity is not None


# All forms of URI for a container of the account "models".
FORMS = [
    "abfss://box@models.dfs.core.windows.net/k",
    "wasbs://box@models.blob.core.windows.net/k",
    "az://box@models-ipv6.blob.core.windows.net/k",
    "https://models.dfs.core.windows.net/box/k",
    "https://models.privatelink.blob.core.windows.net/box/k",
    "https://models-secondary.blob.core.windows.net/box/k",
    "https://models-secondary-dualstack.blob.core.windows.net/box/k",
    "https://models.z12.blob.storage.azure.net/box/k",
]
OTHERS = [
    {"AZURE_STORAGE_ACCOUNT": "other", "AZURE_STORAGE_KEY": KEY},
    {"AZURE_STORAGE_ACCOUNT": "other", "AZURE_STORAGE_SAS_TOKEN": SAS},
    {"AZURE_STORAGE_SERVICE_ENDPOINT": "https://other.privatelink.blob.core.windows.net", "AZURE_STORAGE_KEY": KEY},
    {"AZURE_STORAGE_SERVICE_ENDPOINT": "https://other.dfs.core.windows.net", "AZURE_STORAGE_KEY": KEY},
    {"AZURE_STORAGE_SERVICE_ENDPOINT": "https://other-ipv6.blob.core.windows.net", "AZURE_STORAGE_KEY": KEY},
    {"AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint=https://other.blob.core.windows.net;SharedAccessSignature={SAS}"},
]  # fmt: skip
SAME = [
    {"AZURE_STORAGE_ACCOUNT": "models", "AZURE_STORAGE_KEY": KEY},
    {"AZURE_STORAGE_KEY": KEY},
    {"AZURE_STORAGE_SERVICE_ENDPOINT": "https://models.privatelink.blob.core.windows.net", "AZURE_STORAGE_KEY": KEY},
    {"AZURE_STORAGE_SERVICE_ENDPOINT": "https://models.z12.blob.storage.azure.net", "AZURE_STORAGE_KEY": KEY},
    {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=models;AccountKey={KEY};EndpointSuffix=core.windows.net"},
]


@pytest.mark.parametrize("uri", FORMS)
@pytest.mark.parametrize("config", [None, AzureConfig(), AzureConfig("models")])
def test_each_form_takes_the_credentials_of_its_own_account_only(uri: str, config: AzureConfig | None) -> None:
    host = parse(uri).account
    for environ in OTHERS:
        found = account(uri, config, environ)
        assert (found.name, found.endpoint, found.key, found.sas) == ("models", f"https://{host}", None, None)
    for environ in SAME:
        found = account(uri, config, environ)
        assert (found.name, found.endpoint, found.key) == ("models", f"https://{host}", KEY)


@pytest.mark.parametrize("uri", FORMS)
def test_a_configuration_for_another_account_than_the_uris(uri: str) -> None:
    for config in (
        AzureConfig("other", KEY),
        AzureConfig(endpoint_url="https://other.privatelink.blob.core.windows.net", sas_token=SAS),
        AzureConfig(endpoint_url="https://other.dfs.core.windows.net", sas_token=SAS),
    ):
        with pytest.raises(InvalidConfig, match="for the account 'other', but the URI names 'models'"):
            account(uri, config)


CHINA = "https://models.blob.core.chinacloudapi.cn/box/k"


@pytest.mark.parametrize(
    "environ",
    [
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=models;AccountKey={KEY};EndpointSuffix=core.windows.net"},
        {"AZURE_STORAGE_SERVICE_ENDPOINT": "https://models.blob.core.windows.net", "AZURE_STORAGE_SAS_TOKEN": SAS},
        {"AZURE_STORAGE_SERVICE_ENDPOINT": "https://models.z12.blob.storage.azure.net", "AZURE_STORAGE_KEY": KEY},
    ],
)
def test_each_cloud_has_accounts_of_its_own(environ: dict[str, str]) -> None:
    """An account of the same name in another cloud may belong to another customer."""
    for config in (None, AzureConfig(), AzureConfig("models")):
        found = account(CHINA, config, environ)
        assert (found.key, found.sas) == (None, None)
        assert found.endpoint == "https://models.blob.core.chinacloudapi.cn"
    text = environ.get("AZURE_STORAGE_CONNECTION_STRING")
    other = (
        AzureConfig(connection_string=text)
        if text
        else AzureConfig(endpoint_url=environ["AZURE_STORAGE_SERVICE_ENDPOINT"], sas_token=SAS)
    )
    with pytest.raises(InvalidConfig, match="'models in core.windows.net', .* 'models' in core.chinacloudapi.cn"):
        account(CHINA, other)


def test_credentials_that_name_no_cloud_are_for_the_uris() -> None:
    found = account(CHINA, None, {"AZURE_STORAGE_ACCOUNT": "models", "AZURE_STORAGE_KEY": KEY})
    assert (found.endpoint, found.key) == ("https://models.blob.core.chinacloudapi.cn", KEY)


def test_the_uris_host_comes_before_the_configurations() -> None:
    """Both hosts belong to the account, but the secondary replica may have older versions."""
    uri = "https://models-secondary.blob.core.windows.net/box/k"
    config = AzureConfig(account_key=KEY, endpoint_url="https://models.blob.core.windows.net")
    assert account(uri, config).endpoint == "https://models-secondary.blob.core.windows.net"
    assert account("azure://box/k", config).endpoint == "https://models.blob.core.windows.net"


def test_a_signature_in_the_uri_comes_first() -> None:
    for config in (None, AzureConfig("models", KEY), AzureConfig("models", sas_token="sig=other")):
        found = account(f"{URL}?{SAS}", config, {"AZURE_STORAGE_KEY": KEY})
        assert (found.key, found.sas, found.identity) == (None, SAS, None)
        assert SAS not in repr(found)


@pytest.mark.parametrize(
    "beside", ["snapshot=2011-03-09T01:42:34.9360000Z", "versionid=1", "restype=container&comp=list", "Comp=metadata"]
)
def test_a_query_that_asks_for_something_else_beside_its_signature(beside: str) -> None:
    for query in (f"{beside}&{SAS}", f"{SAS}&{beside}"):
        with pytest.raises(InvalidURI, match="requests something other than the blob") as caught:
            account(f"{URL}?{query}")
        assert "abc" not in str(caught.value)
        with pytest.raises(InvalidConfig, match="requests something other than the blob"):
            account(config=AzureConfig("models", sas_token=query))


@pytest.mark.parametrize("query", ["snapshot=2011-03-09T01:42:34.9360000Z", "sv=2024-11-04"])
def test_a_query_that_is_no_signature(query: str) -> None:
    with pytest.raises(InvalidURI, match="not a shared access signature"):
        account(f"{URL}?{query}", AzureConfig("models", KEY))


def test_a_sas_token_that_is_none() -> None:
    with pytest.raises(InvalidConfig, match="the SAS token is not a shared access signature") as caught:
        account(config=AzureConfig("models", sas_token="secret-but-no-sas"))
    assert "secret-but" not in str(caught.value)


def test_a_key_comes_before_a_signature() -> None:
    found = account(config=AzureConfig("models", KEY, SAS))
    assert (found.key, found.sas) == (KEY, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"DefaultEndpointsProtocol=https;AccountName=models;AccountKey={KEY}==;EndpointSuffix=core.chinacloudapi.cn",
            ("models", "https://models.blob.core.chinacloudapi.cn", f"{KEY}==", None),
        ),
        (
            f"DefaultEndpointsProtocol=http;AccountName=models;AccountKey={KEY};EndpointSuffix=core.windows.net;",
            ("models", "http://models.blob.core.windows.net", KEY, None),
        ),
        (
            f"BlobEndpoint=https://models.blob.core.windows.net/;SharedAccessSignature={SAS}",
            ("models", "https://models.blob.core.windows.net", None, SAS),
        ),
        (
            f"AccountName=models;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/models",
            ("models", "http://127.0.0.1:10000/models", KEY, None),
        ),
        (f"AccountName=models;AccountKey={KEY}", ("models", "https://models.blob.core.windows.net", KEY, None)),
    ],
)
def test_connection_strings(text: str, expected: tuple[str, str, str | None, str | None]) -> None:
    for config, environ in (
        (AzureConfig(connection_string=text), {}),
        (None, {"AZURE_STORAGE_CONNECTION_STRING": text}),
    ):
        found = account("azure://box/k", config, environ)
        assert (found.name, found.endpoint, found.key, found.sas) == expected


def test_the_emulator() -> None:
    found = account(config=AzureConfig(connection_string="UseDevelopmentStorage=true"))
    assert (found.name, found.endpoint) == ("devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1")
    assert found.key


@pytest.mark.parametrize(
    "text", [f"secret{KEY}", "AccountName", "AccountName=models;BlobEndpoint=ftp://x;AccountKey=s3cr"]
)
def test_connection_strings_that_are_none(text: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        account(config=AzureConfig(connection_string=text))
    assert KEY not in str(caught.value)
    assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("http://127.0.0.1:10000/models", "models"),
        ("http://127.0.0.1:10000/models/", "models"),
        ("https://models.blob.core.windows.net", "models"),
        ("https://models.z1.blob.storage.azure.net", "models"),
        ("https://models.blob.local.azurestack.external", "models"),
        ("https://models.blob.core.windows.net:8443", "models"),
        ("https://models.privatelink.example", ""),
    ],
)
def test_endpoints(endpoint: str, name: str) -> None:
    found = account(config=AzureConfig(endpoint_url=endpoint, sas_token=SAS))
    assert (found.name, found.endpoint) == (name, endpoint.rstrip("/"))
    named = account(config=AzureConfig("models", KEY, endpoint_url=endpoint))
    assert (named.name, named.endpoint) == ("models", endpoint.rstrip("/"))


@pytest.mark.parametrize("host", ["models.privatelink.blob.core.windows.net", "models.dfs.core.windows.net"])
def test_endpoints_that_serve_no_blobs_stand_for_the_one_that_does(host: str) -> None:
    for config in (
        AzureConfig(endpoint_url=f"https://{host}/", sas_token=SAS),
        AzureConfig(connection_string=f"BlobEndpoint=https://{host};SharedAccessSignature={SAS}"),
    ):
        found = account(config=config)
        assert (found.name, found.endpoint) == ("models", "https://models.blob.core.windows.net")


def test_an_account_that_is_reached_elsewhere() -> None:
    found = account(URL, AzureConfig("models", KEY, endpoint_url="http://127.0.0.1:10000/models"))
    assert found.endpoint == "http://127.0.0.1:10000/models"


@pytest.mark.parametrize(
    "config",
    [None, AzureConfig(), AzureConfig(account_key=KEY), AzureConfig(endpoint_url="https://x.example", account_key=KEY)],
)
def test_no_account(config: AzureConfig | None) -> None:
    with pytest.raises(InvalidConfig, match="the storage account name is missing") as caught:
        account("azure://box/k", config)
    assert "AZURE_STORAGE_ACCOUNT" in str(caught.value)


@pytest.mark.parametrize("name", ["evil.example/", "UPPER", "a", "x" * 25])
def test_names_that_no_account_has(name: str) -> None:
    with pytest.raises(InvalidConfig, match="is not the name of a storage account"):
        account(config=AzureConfig(name, KEY))


def test_anonymous_requests_take_nothing_from_the_environment() -> None:
    environ = {"AZURE_STORAGE_ACCOUNT": "models", "AZURE_STORAGE_KEY": KEY, "AZURE_CLIENT_SECRET": KEY}
    found = account(config=AzureConfig("models", anonymous=True), environ=environ)
    assert (found.key, found.sas, found.identity) == (None, None, None)


def test_the_identity_of_the_environment() -> None:
    environ = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_FEDERATED_TOKEN_FILE": "/f"}
    for config in (AzureConfig("models"), AzureConfig()):
        found = account(URL, config, environ).identity
        assert found is not None
        assert (found.client_id, found.tenant_id, found.token_file) == ("c", "t", "/f")


def test_an_identity_of_the_configuration_is_not_mixed_with_the_environments() -> None:
    environ = {
        "AZURE_CLIENT_ID": "c",
        "AZURE_CLIENT_SECRET": "s",
        "AZURE_STORAGE_KEY": KEY,
        "AZURE_AUTHORITY_HOST": "https://a",
    }
    found = account(URL, AzureConfig(client_id="own"), environ)
    assert found.key is None
    assert found.identity is not None
    assert (found.identity.client_id, found.identity.client_secret) == ("own", None)
    assert found.identity.authority == "https://a"


@pytest.mark.parametrize("option", ["account_key", "sas_token", "connection_string", "client_secret"])
def test_anonymous_with_a_secret(option: str) -> None:
    with pytest.raises(InvalidConfig, match="anonymous and a secret"):
        AzureConfig("models", anonymous=True, **{option: "x"})


def test_an_endpoint_that_is_no_url() -> None:
    with pytest.raises(InvalidConfig, match="endpoint_url") as caught:
        replace(AzureConfig("models"), endpoint_url="user:secret@host")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "authority"),
    [
        ("https://models.blob.core.windows.net", "https://login.microsoftonline.com"),
        ("https://models.z1.blob.storage.azure.net", "https://login.microsoftonline.com"),
        ("https://models.blob.core.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
        ("https://models.blob.core.usgovcloudapi.net", "https://login.microsoftonline.us"),
    ],
)
def test_each_cloud_has_its_own_authority(endpoint: str, authority: str) -> None:
    assert _authority(endpoint) == authority


def test_secrets_are_never_shown() -> None:
    environ = {"AZURE_CLIENT_SECRET": "the-client-secret"}
    for config in (AzureConfig("models", KEY), AzureConfig("models", sas_token=SAS), AzureConfig("models")):
        shown = repr(account(config=config, environ=environ))
        assert [secret for secret in (KEY, SAS, "the-client-secret") if secret in shown] == []
    assert SAS not in repr(Authorization(SAS))


@pytest.mark.anyio
async def test_a_signature_is_made_anew_when_half_of_its_life_is_over() -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC)]
    async with Instance(Limits(), {}) as instance:
        signed = AccountKeyAuthorizer(account(config=AzureConfig("models", KEY)), "box", instance, lambda: times[-1])
        first = await signed()
        times.append(times[0] + timedelta(hours=2, minutes=59))
        assert await signed() is first
        times.append(times[0] + timedelta(hours=3))
        second = await signed()
    queries = [parse_qs(each.query) for each in (first, second)]
    assert [each["se"] for each in queries] == [["2026-01-01T06:00:00Z"], ["2026-01-01T09:00:00Z"]]
    assert {(each["sr"][0], each["spr"][0], each["sp"][0]) for each in queries} == {("c", "https", "rcwdlt")}
