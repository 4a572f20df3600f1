"""Azure's URI forms: which account, which host, and whose signature."""

from typing import Any

import pytest

from sealift.addresses.azure import AccountHost, account_host
from sealift.errors import InvalidURI
from sealift.uri import Location, get_storage_spec, parse

SCHEMES = ["azure", "az", "abfs", "abfss", "wasb", "wasbs", "ABFSS"]
SAS = "sv=2024-11-04&sp=rl&sig=Pa55word%3D"
PUBLIC = "core.windows.net"


def at(host: str | None, container: str = "box", key: str = "a/k") -> Location:
    return Location("azure", container, key, account=host)


# The host that is asked, by the host that is named. Names as in
# https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-endpoints
HOSTS = {
    "models.blob.core.windows.net": "models.blob.core.windows.net",
    "models.blob.core.windows.net.": "models.blob.core.windows.net",
    "Models.Blob.Core.Windows.NET": "models.blob.core.windows.net",
    "models\u3002blob.core.windows.net": "models.blob.core.windows.net",
    "models-secondary.blob.core.windows.net": "models-secondary.blob.core.windows.net",
    "models-ipv6.blob.core.windows.net": "models-ipv6.blob.core.windows.net",
    "models-dualstack.blob.core.windows.net": "models-dualstack.blob.core.windows.net",
    "models-secondary-ipv6.blob.core.windows.net": "models-secondary-ipv6.blob.core.windows.net",
    "models.privatelink.blob.core.windows.net": "models.blob.core.windows.net",
    "models-secondary.privatelink.blob.core.windows.net": "models-secondary.blob.core.windows.net",
    "models.dfs.core.windows.net": "models.blob.core.windows.net",
    "models-ipv6.dfs.core.windows.net": "models-ipv6.blob.core.windows.net",
    "models.privatelink.dfs.core.windows.net": "models.blob.core.windows.net",
    "models.z12.blob.storage.azure.net": "models.z12.blob.storage.azure.net",
    "models.z1.dfs.storage.azure.net": "models.z1.blob.storage.azure.net",
    "models.privatelink.z12.blob.storage.azure.net": "models.z12.blob.storage.azure.net",
    "models.blob.core.chinacloudapi.cn": "models.blob.core.chinacloudapi.cn",
    "models.dfs.core.usgovcloudapi.net": "models.blob.core.usgovcloudapi.net",
    "models.privatelink.blob.core.usgovcloudapi.net": "models.blob.core.usgovcloudapi.net",
}
# What looks like an account's, and is somebody else's or none.
FOREIGN = [
    "models.blob.core.windows.net.evil.example",
    "evil.example.models.blob.core.windows.net",
    "models.blob.core.windows.net-evil.example",
    "models.blob.core.windowsxnet",
    "modelsxblob.core.windows.net",
    "models.blob.core.windows.net..",
    "models.privatelink.example",
    "models.evil.blob.core.windows.net",
    "models.privatelink.privatelink.blob.core.windows.net",
    "models.z12.blob.core.windows.net",
    "models.blob.storage.azure.net",
    "models.z123.blob.storage.azure.net",
    "models.file.core.windows.net",
    "models-other.blob.core.windows.net",
    "models-ipv6-secondary.blob.core.windows.net",
    "blob.core.windows.net",
    "mo.blob.core.windows.net",
    "xn--modls-6ua.blob.core.windows.net",
    "onelake.dfs.fabric.microsoft.com",
]


@pytest.mark.parametrize(("named", "asked"), HOSTS.items())
def test_the_host_that_is_asked(named: str, asked: str) -> None:
    for scheme in ("https", "http", "HTTPS"):
        assert parse(f"{scheme}://{named}/box/a/k") == at(asked)
    assert get_storage_spec(f"https://{named}/box/a/k") == {
        "type": "azure", "container": "box", "account": "models", "path": "a/k",
    }  # fmt: skip
    if named.isascii():
        for scheme in SCHEMES:
            place = parse(f"{scheme}://box@{named}/a/k")
            assert place == at(asked)
            assert str(place) == f"https://{asked}/box/a/k"


@pytest.mark.parametrize("host", FOREIGN)
def test_hosts_of_others_are_none_of_azure(host: str) -> None:
    """As a URL it is a web server's, which gets no credentials of Azure; a form for Azure alone is refused."""
    if ".." not in host:
        assert parse(f"https://{host}/box/a/k") == Location("https", f"https://{host}", "box/a/k")
    found = account_host(host)
    assert found is None or found.cloud is None
    with pytest.raises(InvalidURI, match="is not a storage account host.*abfss://container@ACCOUNT"):
        parse(f"abfss://box@{host}/a/k")


def test_hosts_of_a_cloud_of_ones_own() -> None:
    assert account_host("models.blob.local.azurestack.external") == AccountHost(
        "models", "models.blob.local.azurestack.external", None
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_an_account(scheme: str) -> None:
    assert parse(f"{scheme}://box/a/k") == at(None)
    assert parse(f"{scheme}://$web/a@b:c/k?x#y%20") == at(None, "$web", "a@b:c/k?x#y%20")
    assert parse(f"{scheme}://box@models.dfs.{PUBLIC}/a b?x#%20+") == at(f"models.blob.{PUBLIC}", key="a b?x#%20+")
    assert parse(f"{scheme}://box@models.dfs.{PUBLIC}") == at(f"models.blob.{PUBLIC}", key="")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"abfss://@models.dfs.{PUBLIC}/k", "the container name is missing"),
        (f"abfss://Upper@models.dfs.{PUBLIC}/k", "the part before the @ is not a valid container name"),
        (f"abfss://user:Pa55word@models.dfs.{PUBLIC}/k", "not a storage account host"),
        (f"abfss://box@models.dfs.{PUBLIC}:8443/k", "not a storage account host"),
        (f"abfss://box@box@models.dfs.{PUBLIC}/k", "not a storage account host"),
        (f"abfss://box@models.dfs.{PUBLIC}/k\udc80", "blob names must be UTF-8"),
        (f"https://models.blob.{PUBLIC}:8443/box/k", "does not serve blobs on port 8443"),
        (f"https://models.blob.{PUBLIC}:80/box/k", "does not serve blobs on port 80"),
        (f"https://user:Pa55word@models.blob.{PUBLIC}/box/k", "credentials do not belong in a URL"),
        (f"azure://box/k?{SAS}", "a shared access signature (SAS) is only accepted in https:// URIs"),
        (
            f"abfss://box@models.dfs.{PUBLIC}/k?{SAS}",
            "a shared access signature (SAS) is only accepted in https:// URIs",
        ),
        (f"az://Box/k?{SAS}", "is not a valid container name"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidURI) as caught:
        parse(text)
    assert reason in str(caught.value)
    assert "Pa55word" not in f"{caught.value} {caught.value!r} {caught.value.uri}"


@pytest.mark.parametrize("port", ["https://models.blob.core.windows.net:443", "http://models.blob.core.windows.net:80"])
def test_the_schemes_own_port(port: str) -> None:
    assert parse(f"{port}/box/a/k") == at("models.blob.core.windows.net")


def test_a_signature_is_kept_and_never_shown() -> None:
    place: Any = parse(f"https://models.privatelink.blob.{PUBLIC}/box/a/k?{SAS}")
    assert place.query == SAS
    assert "Pa55word" not in f"{place} {place!r}"
