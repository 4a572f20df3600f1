"""Azure URIs: accounts, hosts, signatures."""

from dataclasses import replace
from typing import Any

import pytest

from sealift.errors import InvalidURI
from sealift.uri import Location, get_storage_spec, parse
from sealift.uris.azure import AccountHost, account_host

SCHEMES = ["azure", "az", "abfs", "abfss", "wasb", "wasbs", "ABFSS"]
SAS = "sv=2024-11-04&sp=rl&sig=Pa55word%3D"
PUBLIC = "core.windows.net"


def at(host: str | None, container: str = "box", key: str = "a/k") -> Location:
    return Location("azure", container, key, account=host)


# Host in the URI → host that requests are sent to. Names as in
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
# Hosts that resemble a storage account but are not one.
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
    "models.queue.core.windows.net",
    "models.file.core.windows.net.evil.example",
    "models.z12.file.core.windows.net",
    "models-other.blob.core.windows.net",
    "models-ipv6-secondary.blob.core.windows.net",
    "blob.core.windows.net",
    "mo.blob.core.windows.net",
    "xn--modls-6ua.blob.core.windows.net",
    "onelake.dfs.fabric.microsoft.com",
]


@pytest.mark.parametrize(("uri_host", "request_host"), HOSTS.items())
def test_account_hosts(uri_host: str, request_host: str) -> None:
    for scheme in ("https", "http", "HTTPS"):
        assert parse(f"{scheme}://{uri_host}/box/a/k") == at(request_host)
    assert get_storage_spec(f"https://{uri_host}/box/a/k") == {
        "type": "azure", "container": "box", "account": "models", "path": "a/k",
    }  # fmt: skip
    if uri_host.isascii():
        for scheme in SCHEMES:
            place = parse(f"{scheme}://box@{uri_host}/a/k")
            assert place == at(request_host)
            assert str(place) == f"https://{request_host}/box/a/k"


@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_hosts_are_not_azure(host: str) -> None:
    """A URL is treated as a web server and gets no Azure credentials; Azure-only forms are rejected."""
    if ".." not in host:
        assert parse(f"https://{host}/box/a/k") == Location("https", f"https://{host}", "box/a/k")
    account = account_host(host)
    assert account is None or account.cloud is None
    with pytest.raises(InvalidURI, match="is not a storage account host.*abfss://container@ACCOUNT"):
        parse(f"abfss://box@{host}/a/k")


@pytest.mark.parametrize(
    ("uri_host", "request_host"),
    [
        ("models.file.core.windows.net", "models.file.core.windows.net"),
        ("models.privatelink.file.core.windows.net", "models.file.core.windows.net"),
        ("models.z12.file.storage.azure.net", "models.z12.file.storage.azure.net"),
        ("models.file.core.chinacloudapi.cn", "models.file.core.chinacloudapi.cn"),
    ],
)
def test_hosts_of_file_shares(uri_host: str, request_host: str) -> None:
    assert parse(f"https://{uri_host}/box/a%20b?sig=s") == replace(at(request_host, key="a b"), query="sig=s")
    assert str(parse(f"https://{uri_host}/box/a%20b?sig=s")) == f"https://{request_host}/box/a%20b"
    assert get_storage_spec(f"https://{uri_host}/box/a/k") == {
        "type": "azure", "share": "box", "account": "models", "path": "a/k",
    }  # fmt: skip
    with pytest.raises(InvalidURI, match="is not a storage account host"):
        parse(f"abfss://box@{uri_host}/k")
    for root, cause in (("", "the share name is missing"), ("$web", "not a valid share name"), ("a--b", "not a valid")):
        with pytest.raises(InvalidURI, match=cause):
            parse(f"https://{uri_host}/{root}")
    with pytest.raises(InvalidURI, match="does not serve files on port 8443"):
        parse(f"https://{uri_host}:8443/box")


def test_private_cloud_hosts() -> None:
    assert account_host("models.blob.local.azurestack.external") == AccountHost(
        "models", "models.blob.local.azurestack.external", None
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_container_without_account(scheme: str) -> None:
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
def test_invalid_uris(text: str, reason: str) -> None:
    with pytest.raises(InvalidURI) as caught:
        parse(text)
    assert reason in str(caught.value)
    assert "Pa55word" not in f"{caught.value} {caught.value!r} {caught.value.uri}"


@pytest.mark.parametrize("port", ["https://models.blob.core.windows.net:443", "http://models.blob.core.windows.net:80"])
def test_default_port(port: str) -> None:
    assert parse(f"{port}/box/a/k") == at("models.blob.core.windows.net")


def test_signature_is_kept_but_never_shown() -> None:
    place: Any = parse(f"https://models.privatelink.blob.{PUBLIC}/box/a/k?{SAS}")
    assert place.query == SAS
    assert "Pa55word" not in f"{place} {place!r}"
