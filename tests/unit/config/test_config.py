"""Configuration: validation, environment variables, hidden secrets."""

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from sealift.config import (
    AzureConfig,
    GCSConfig,
    GitConfig,
    HDFSConfig,
    HFConfig,
    HTTPConfig,
    ModelScopeConfig,
    OCIConfig,
    Proxies,
    PVCConfig,
    S3Config,
    wants_uvloop,
)
from sealift.errors import InvalidConfig

SECRET = "Pa55word"
SECRETIVE = [
    S3Config("AKIA", SECRET, session_token=SECRET),
    AzureConfig("account", account_key=SECRET, sas_token=SECRET, connection_string=SECRET),
    HTTPConfig(headers={"Authorization": SECRET}),
    HFConfig(token=SECRET),
    ModelScopeConfig(SECRET),
    GitConfig("robot", SECRET),
    HDFSConfig("http://nn:9870", delegation_token=SECRET, headers={"X-Gateway": SECRET}),
    OCIConfig("user", SECRET, token=SECRET),
    Proxies(http=f"http://user:{SECRET}@proxy", https=f"http://user:{SECRET}@proxy"),
]


@pytest.mark.parametrize("config", SECRETIVE, ids=lambda config: type(config).__name__)
def test_secrets_are_never_shown(config: Any) -> None:
    assert SECRET not in repr(config)
    assert SECRET not in str(config)


@pytest.mark.parametrize(
    "config", [*SECRETIVE, GCSConfig(), PVCConfig({"claim": "/mnt"})], ids=lambda config: type(config).__name__
)
def test_configurations_are_immutable_and_hashable(config: Any) -> None:
    name = next(iter(config.__slots__))
    with pytest.raises((FrozenInstanceError, TypeError)):
        setattr(config, name, "other")
    hash(config)  # SDK clients are cached by configuration


def test_positional_arguments_of_the_api_specification() -> None:
    config = S3Config("AKIA", "secret", "eu-west-1", "http://127.0.0.1:9000", False)
    assert (config.access_key_id, config.secret_access_key) == ("AKIA", "secret")
    assert (config.region, config.endpoint_url, config.use_ssl) == ("eu-west-1", "http://127.0.0.1:9000", False)
    assert S3Config("AKIA", "secret").region is None
    google = GCSConfig("/key.json", "project")
    assert (google.service_account_key, google.project_id) == ("/key.json", "project")
    azure = AzureConfig("account", "key", "sas", "text")
    assert (azure.account_name, azure.account_key, azure.sas_token, azure.connection_string) == (
        "account", "key", "sas", "text",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"access_key_id": "AKIA"}, "S3Config without secret_access_key"),
        ({"secret_access_key": SECRET}, "S3Config without access_key_id"),
        ({"access_key_id": "AKIA", "secret_access_key": SECRET, "anonymous": True}, "choose one"),
        ({"access_key_id": "AKIA", "secret_access_key": SECRET, "profile": "dev"}, "choose one"),
        ({"addressing_style": "vertical"}, "auto, path or virtual"),
        ({"endpoint_url": "127.0.0.1:9000"}, "start it with http://"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        S3Config(**arguments)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"secret_access_key": f"{SECRET}\udc80", "access_key_id": "AKIA"},
        {"account_key": f"{SECRET}\udc80"},
        {"client_secret": f"{SECRET}\udc80"},
        {"sas_token": f"sig={SECRET}\udc80"},
        {"token": f"{SECRET}\udc80"},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_secrets_that_are_not_utf8_are_refused_without_showing_them(arguments: dict[str, str]) -> None:
    """A UnicodeEncodeError contains the whole text."""
    kind = S3Config if "access_key_id" in arguments else HFConfig if "token" in arguments else AzureConfig
    with pytest.raises(InvalidConfig, match="not UTF-8") as caught:
        kind(**arguments)  # type: ignore[arg-type]
    assert SECRET not in repr(caught.value)


def test_missing_keys_mean_the_default_credential_chain() -> None:
    config = S3Config(access_key_id=None, secret_access_key=None, region="us-east-1")
    assert config.access_key_id is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {"region": None, "endpoint_url": None, "verify_ssl": True, "anonymous": False}),
        ({}, {"addressing_style": "auto"}),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, {"region": "eu-west-1"}),
        ({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-west-1"}, {"region": "eu-north-1"}),
        ({"S3_ENDPOINT": "minio:9000"}, {"endpoint_url": "https://minio:9000"}),
        ({"S3_ENDPOINT": "minio:9000", "S3_USE_HTTPS": "0"}, {"endpoint_url": "http://minio:9000"}),
        ({"S3_ENDPOINT": "minio:9000", "S3_USE_HTTPS": "1"}, {"endpoint_url": "https://minio:9000"}),
        ({"S3_ENDPOINT": "http://minio:9000", "S3_USE_HTTPS": "1"}, {"endpoint_url": "http://minio:9000"}),
        ({"S3_ENDPOINT": "minio:9000", "AWS_ENDPOINT_URL": "http://other"}, {"endpoint_url": None}),
        ({"S3_ENDPOINT": "minio:9000", "AWS_ENDPOINT_URL_S3": "http://other"}, {"endpoint_url": None}),
        ({"S3_ENDPOINT": ""}, {"endpoint_url": None}),
        ({"S3_VERIFY_SSL": "0"}, {"verify_ssl": False}),
        ({"S3_VERIFY_SSL": "False"}, {"verify_ssl": False}),
        ({"S3_VERIFY_SSL": "1"}, {"verify_ssl": True}),
        ({"AWS_CA_BUNDLE": "/ca.pem"}, {"verify_ssl": "/ca.pem"}),
        ({"AWS_CA_BUNDLE": "/ca.pem", "S3_VERIFY_SSL": "true"}, {"verify_ssl": "/ca.pem"}),
        ({"AWS_CA_BUNDLE": "/ca.pem", "S3_VERIFY_SSL": "no"}, {"verify_ssl": False}),
        ({"AWS_ANONYMOUS_CREDENTIAL": "true"}, {"anonymous": True}),
        ({"awsAnonymousCredential": "True"}, {"anonymous": True}),
        ({"awsAnonymousCredential": "off"}, {"anonymous": False}),
        ({"S3_USER_VIRTUAL_BUCKET": "1"}, {"addressing_style": "virtual"}),
        ({"S3_USER_VIRTUAL_BUCKET": " YES "}, {"addressing_style": "virtual"}),
    ],
)
def test_s3_from_env(environ: dict[str, str], expected: dict[str, Any]) -> None:
    config = S3Config.from_env(environ)
    assert {name: getattr(config, name) for name in expected} == expected


def test_access_keys_are_left_to_the_sdk() -> None:
    config = S3Config.from_env({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": SECRET})
    assert config.access_key_id is config.secret_access_key is None


def test_invalid_flag_is_rejected() -> None:
    with pytest.raises(InvalidConfig, match="S3_VERIFY_SSL is 'perhaps'"):
        S3Config.from_env({"S3_VERIFY_SSL": "perhaps"})


@pytest.mark.parametrize(
    ("environ", "proxies"),
    [
        ({}, Proxies()),
        ({"HTTP_PROXY": "http://p"}, Proxies(http="http://p")),
        ({"http_proxy": "http://p"}, Proxies(http="http://p")),
        ({"http_proxy": "http://lower", "HTTP_PROXY": "http://upper"}, Proxies(http="http://lower")),
        ({"HTTPS_PROXY": "http://p"}, Proxies(https="http://p")),
        ({"ALL_PROXY": "http://p"}, Proxies(http="http://p", https="http://p")),
        ({"all_proxy": "http://p", "https_proxy": "http://s"}, Proxies(http="http://p", https="http://s")),
        ({"HTTP_PROXY": "http://p", "REQUEST_METHOD": "GET"}, Proxies()),
        ({"http_proxy": "http://p", "REQUEST_METHOD": "GET"}, Proxies(http="http://p")),
        ({"HTTPS_PROXY": "http://p", "REQUEST_METHOD": "GET"}, Proxies(https="http://p")),
        ({"HTTPS_PROXY": ""}, Proxies()),
        ({"NO_PROXY": "localhost, .svc,10.0.0.0/8,,"}, Proxies(exempt=("localhost", ".svc", "10.0.0.0/8"))),
        ({"no_proxy": "*"}, Proxies(exempt=("*",))),
    ],
)
def test_proxies_from_env(environ: dict[str, str], proxies: Proxies) -> None:
    assert Proxies.from_env(environ) == proxies


def test_event_loop_setting() -> None:
    assert wants_uvloop({})
    assert wants_uvloop({"SEALIFT_LOOP": "uvloop"})
    assert not wants_uvloop({"SEALIFT_LOOP": "asyncio"})
    with pytest.raises(InvalidConfig, match="SEALIFT_LOOP is 'trio'"):
        wants_uvloop({"SEALIFT_LOOP": "trio"})


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (S3Config(), "S3Config()"),
        (
            S3Config("AKIA", SECRET, endpoint_url="http://minio:9000"),
            "S3Config(access_key_id='AKIA', secret_access_key=…, endpoint_url='http://minio:9000')",
        ),
        (AzureConfig("account", sas_token=SECRET), "AzureConfig(account_name='account', sas_token=…)"),
        (GCSConfig(anonymous=True), "GCSConfig(anonymous=True)"),
        (HTTPConfig({"Authorization": SECRET}, verify_ssl=False), "HTTPConfig(headers=…, verify_ssl=False)"),
        (HFConfig(SECRET, offline=True), "HFConfig(token=…, offline=True)"),
        (OCIConfig("user", SECRET, insecure=False), "OCIConfig(username='user', password=…, insecure=False)"),
        (PVCConfig({"claim": "/mnt"}), "PVCConfig(mounts={'claim': '/mnt'})"),
    ],
)
def test_the_text_shows_what_is_set(config: Any, text: str) -> None:
    assert repr(config) == str(config) == text


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (S3Config, "verify_ssl"),
        (GCSConfig, "verify_ssl"),
        (GCSConfig, "service_account_key"),
        (AzureConfig, "verify_ssl"),
        (AzureConfig, "token_file"),
        (HTTPConfig, "verify_ssl"),
        (HFConfig, "verify_ssl"),
        (HFConfig, "token_file"),
        (OCIConfig, "verify_ssl"),
        (OCIConfig, "auth_file"),
    ],
)
def test_a_path_may_be_a_path_object(kind: Any, field: str) -> None:
    config = kind(**{field: Path("/etc/file")})
    assert getattr(config, field) == "/etc/file"
    assert config == kind(**{field: "/etc/file"})
    with pytest.raises(InvalidConfig, match=rf"{kind.__name__}\({field}=…\) is of type int \(pass a str"):
        kind(**{field: 3})


def test_mount_points_may_be_path_objects() -> None:
    assert PVCConfig({"claim": Path("/mnt")}).mounts == {"claim": Path("/mnt")}
    with pytest.raises(InvalidConfig, match="use an absolute path"):
        PVCConfig({"claim": Path("mnt")})


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (S3Config, {"region": 3}, r"S3Config\(region=…\) is of type int \(pass a str\)"),
        (S3Config, {"use_ssl": "false"}, r"S3Config\(use_ssl=…\) is of type str \(pass a bool\)"),
        (S3Config, {"verify_ssl": None}, r"S3Config\(verify_ssl=…\) is of type NoneType \(pass a str or bool\)"),
        (S3Config, {"access_key_id": b"A", "secret_access_key": b"Pa55word"}, "is of type bytes"),
        (AzureConfig, {"anonymous": 1}, r"AzureConfig\(anonymous=…\) is of type int"),
        (HFConfig, {"token": ["Pa55word"]}, r"HFConfig\(token=…\) is of type list"),
        (OCIConfig, {"password": ["Pa55word"]}, r"OCIConfig\(password=…\) is of type list"),
        (HTTPConfig, {"headers": "Authorization: Pa55word"}, r"HTTPConfig\(headers=…\) is not a mapping"),
        (PVCConfig, {"mounts": "/mnt"}, r"PVCConfig\(mounts=…\) is not a mapping"),
    ],
)
def test_values_of_another_type_are_rejected_without_showing_them(kind: Any, arguments: Any, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        kind(**arguments)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"username": "user"}, "needs a username and a password"),
        ({"password": SECRET}, "needs a username and a password"),
        ({"username": f"user:{SECRET}", "password": ""}, "contains a colon"),
        ({"anonymous": True, "token": SECRET}, "with anonymous and token"),
        ({"anonymous": True, "auth_file": "/etc/file"}, "with anonymous and auth_file"),
        ({"platform": "Linux"}, "is not a platform"),
    ],
)
def test_credentials_of_registries(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message) as caught:
        OCIConfig(**arguments)
    assert SECRET not in str(caught.value)


def test_the_environment_of_registries() -> None:
    assert OCIConfig.from_env({}) == OCIConfig()
    environ = {
        "REGISTRY_AUTH_FILE": "/a",
        "KSERVE_OCI_INSECURE_REGISTRY": "true",
        "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
    }
    assert OCIConfig.from_env(environ) == OCIConfig(auth_file="/a", insecure=True, platform="linux/arm64")
