"""Which of several configurations applies to a URI."""

from pathlib import Path
from typing import Any

import pytest

from sealift.config import (
    AzureConfig,
    ConfigMap,
    GCSConfig,
    HFConfig,
    HTTPConfig,
    OCIConfig,
    PVCConfig,
    S3Config,
    StorageConfigs,
    check_config,
)
from sealift.errors import InvalidConfig
from sealift.types import Limits
from sealift.uri import parse

ACCOUNT = "https://models.blob.core.windows.net"
S3, OTHER, DEEP = S3Config(region="a"), S3Config(region="b"), S3Config(region="c")
GOOGLE, AZURE, WEB, HUB, VOLUMES = GCSConfig(), AzureConfig("a"), HTTPConfig(), HFConfig(), PVCConfig()
REGISTRY = OCIConfig()


def found(config: StorageConfigs | None, uri: str) -> object:
    return ConfigMap(config).find(parse(uri))


@pytest.mark.parametrize(
    ("config", "uris"),
    [
        (S3, ["s3://b/k", "s3a://b", "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/own/k"]),
        (GOOGLE, ["gs://b/k", "gcs://b"]),
        (AZURE, ["azure://models/k", f"{ACCOUNT}/models/k", "abfss://models@models.dfs.core.windows.net/k"]),
        (AZURE, ["https://models.file.core.windows.net/share/k"]),
        (WEB, ["https://example.com/k", "http://127.0.0.1:8000/k"]),
        (HUB, ["hf://owner/name", "hf://datasets/owner/name@main/k"]),
        (REGISTRY, ["oci://ghcr.io/team/model", "oci://model:v1", "oci://localhost:5000/m:v1/k"]),
        (VOLUMES, ["pvc://claim/k"]),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
)
def test_one_configuration_is_for_the_uris_of_its_service(config: Any, uris: list[str]) -> None:
    everything = [S3, GOOGLE, AZURE, WEB, HUB, REGISTRY, VOLUMES]
    for uri in uris:
        assert found(config, uri) is config
        assert found(everything, uri) is config
        assert found([each for each in everything if each is not config], uri) is None
        assert found(None, uri) is None
        assert found({}, uri) is None
    assert found(everything, "/a/local/path") is None


BY_PREFIX = {
    "s3://": S3,
    "s3a://models/": OTHER,
    "s3://models/team/llama": DEEP,
    "https://example.com": HTTPConfig({"x": "host"}),
    "https://example.com:8443/m/": HTTPConfig({"x": "port"}),
    "http://": HTTPConfig({"x": "plain"}),
    "azure://": AZURE,
    f"{ACCOUNT}/": AzureConfig("account"),
    "abfss://raw@models.dfs.core.windows.net/a b": AzureConfig("container"),
    "hf://owner/": HFConfig("owner"),
    "hf://owner/name": HFConfig("name"),
    "hf://owner/name:v2": HFConfig("revision"),
    "hf://datasets/owner": HFConfig("datasets"),
    "oci://ghcr.io": OCIConfig("host", "x"),
    "oci://ghcr.io/team/": OCIConfig("team", "x"),
    "oci://ghcr.io/team/model": OCIConfig("model", "x"),
    "oci://ghcr.io/team/model:v2": OCIConfig("tag", "x"),
}


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        ("s3://other/k", "s3://"),
        ("s3://models-2/k", "s3://"),
        ("s3://models", "s3a://models/"),
        ("s3n://models/k", "s3a://models/"),
        ("s3://models/team/llama-2/k", "s3a://models/"),
        ("s3://models/team/llama", "s3://models/team/llama"),
        ("s3://models/team/llama/k", "s3://models/team/llama"),
        ("s3://models/team/llama/", "s3://models/team/llama"),
        ("https://example.com/m?token=secret", "https://example.com"),
        ("https://EXAMPLE.com/m/k", "https://example.com"),
        ("https://example.com:8443/m/k", "https://example.com:8443/m/"),
        ("https://example.com:8443/other", None),
        ("https://example.com.evil.example/m", None),
        ("http://example.com/m", "http://"),
        ("azure://raw/k", "azure://"),
        ("abfss://raw@others.dfs.core.windows.net/k", "azure://"),
        ("az://raw@models.blob.core.windows.net/k", f"{ACCOUNT}/"),
        (f"{ACCOUNT}/raw/a%20b/k?sig=secret", "abfss://raw@models.dfs.core.windows.net/a b"),
        (f"{ACCOUNT}/raw/a%20bc", f"{ACCOUNT}/"),
        ("hf://owner/other/k", "hf://owner/"),
        ("hf://owner-2/name", None),
        ("hf://owner/name/k", "hf://owner/name"),
        ("hf://owner/name@v1/k", "hf://owner/name"),
        ("hf://owner/name@v2/k", "hf://owner/name:v2"),
        ("hf://owner/name-2", "hf://owner/"),
        ("hf://datasets/owner/name", "hf://datasets/owner"),
        ("hf://spaces/owner/name", None),
        ("oci://ghcr.io/other/model:v1/k", "oci://ghcr.io"),
        ("oci://ghcr.io/team/model-2", "oci://ghcr.io/team/"),
        ("oci://ghcr.io/team/model", "oci://ghcr.io/team/model"),
        ("oci://ghcr.io/team/model:v1/k", "oci://ghcr.io/team/model"),
        ("oci://ghcr.io/team/model:v2/k", "oci://ghcr.io/team/model:v2"),
        ("oci://ghcr.io:8443/team/model", None),
        ("gs://models/k", None),
    ],
)
def test_the_longest_prefix_wins(uri: str, prefix: str | None) -> None:
    wanted = None if prefix is None else BY_PREFIX[prefix]
    assert found(BY_PREFIX, uri) is wanted
    assert found(dict(reversed(BY_PREFIX.items())), uri) is wanted


def test_a_host_named_like_what_completes_a_prefix() -> None:
    assert found({"https://example/": WEB}, "https://example/m") is WEB
    assert found({"https://example/": WEB}, "https://other/m") is None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("s3://b", "str is not a configuration (pass one configuration, a list of them, or a mapping"),
        ({S3}, "set is not a configuration (pass one configuration, a list of them"),
        (3, "int is not a configuration (pass one configuration"),
        (Limits(), "Limits is not a configuration (pass it as limits=)"),
        (S3Config, "type is not a configuration (pass one configuration"),
        ([S3, "s3://b"], "str is not a configuration"),
        ([S3, None], "NoneType is not a configuration"),
        ({"access_key_id": "A"}, "str is not a configuration"),
        ([S3, OTHER], "two configurations for s3:// (pass a mapping from URI prefixes, such as {'s3://bucket/': …})"),
        ({"s3://b": S3, "s3a://b/": OTHER}, "two configurations for s3://b/"),
        ({"gs://": S3}, "gs://: S3Config is not for gs:// (pass a GCSConfig)"),
        ({"gs://b": S3}, "gs://b/: S3Config is not for gs:// (pass a GCSConfig)"),
        ({f"{ACCOUNT}/": WEB}, f"{ACCOUNT}/: HTTPConfig is not for azure:// (pass an AzureConfig)"),
        ({3: S3}, "a URI prefix must be a str, not int"),
        ({Path("/x"): S3}, "a URI prefix must be a str, not PosixPath"),
        ({"/models": S3}, "a local path needs no configuration"),
        ({"file:///models": S3}, "a local path needs no configuration"),
        ({"bucket": S3}, "a local path needs no configuration"),
        ({"": S3}, "the storage URI is empty"),
        ({"s3:/bucket": S3}, "a slash is missing after s3:"),
        ({"s4://": S3}, "unknown scheme s4://"),
        ({"s3://b@d/": S3}, "credentials do not belong in a URI"),
        ({"https://host/m?token=Pa55word": WEB}, "the URI prefix https://host/m has a query (remove the query)"),
        ({"https://host?token=Pa55word": WEB}, "the URI prefix https://host/ has a query (remove the query)"),
        ({"https://user:Pa55word@host/": WEB}, "has a login"),
        ({f"{ACCOUNT}/models?sig=Pa55word": AZURE}, "has a query (remove the query)"),
    ],
    ids=str,
)
def test_what_cannot_be_used(config: Any, message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        ConfigMap(config)
    assert message in str(caught.value)
    assert "Pa55word" not in repr(caught.value) + str(caught.value)


def test_the_argument_is_copied() -> None:
    config = {"s3://": S3}
    configs = ConfigMap(config)
    config.clear()
    assert configs.find(parse("s3://b/k")) is S3
    assert configs.given == {"s3://": S3}
    several = [S3, WEB]
    configs = ConfigMap(several)
    several.clear()
    assert configs.given == (S3, WEB)
    assert ConfigMap(S3).given is S3


@pytest.mark.parametrize("scheme", ["s3", "file"])
def test_several_configurations_for_one_call(scheme: str) -> None:
    for several in ([S3], (S3, GOOGLE), {"s3://": S3}):
        with pytest.raises(InvalidConfig, match=r"pass several to AsyncStorage\(config=…\) or sealift.configure"):
            check_config(several, scheme)


def test_a_local_path_accepts_any_configuration() -> None:
    check_config(S3, "file")
    with pytest.raises(InvalidConfig, match="str is not a configuration"):
        check_config("s3", "file")
