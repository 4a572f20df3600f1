"""Settings from the configuration, the environment and the profile, with and without the SDK."""

from pathlib import Path
from typing import Any

import pytest

from sealift import InvalidConfig, S3Config
from sealift.backends.s3.sdk_session import SDKSession, settings_from_session
from sealift.backends.s3.settings import NonEmptyEnviron, Settings, expand_path, settings_from_environment
from sealift.wire import TLS

POISON = {
    "AWS_PROFILE": "of-the-process", "AWS_REGION": "xx-poison-1", "AWS_DEFAULT_REGION": "xx-poison-1",
    "AWS_ENDPOINT_URL": "http://poison.invalid", "AWS_ENDPOINT_URL_S3": "http://poison.invalid",
    "AWS_ENDPOINT_URL_STS": "http://poison.invalid", "AWS_CA_BUNDLE": "/poison.pem",
    "REQUESTS_CA_BUNDLE": "/poison.pem",
    "AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_MAX_ATTEMPTS": "77",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_DEFAULTS_MODE": "auto", "AWS_DATA_PATH": "/poison",
}  # fmt: skip


@pytest.fixture(autouse=True)
def poison(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set variables and files of another tenant in this process's environment; none may be used."""
    home = tmp_path / "poison"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text("[default]\nregion = xx-poison-2\nendpoint_url = http://poison.invalid\n")
    (home / ".aws" / "credentials").write_text("[default]\naws_access_key_id = POISON\naws_secret_access_key = x\n")
    for name, value in {**POISON, "HOME": str(home)}.items():
        monkeypatch.setenv(name, value)


def sdk_settings(config: S3Config, environ: dict[str, str]) -> Settings:
    return settings_from_session(SDKSession(NonEmptyEnviron(environ), config.profile, config.region), config)


def profile(home: Path, config: str = "", credentials: str = "") -> dict[str, str]:
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(config)
    (home / ".aws" / "credentials").write_text(credentials)
    return {"HOME": str(home)}


@pytest.mark.parametrize("config", [
    S3Config(), S3Config(region="eu-a-1"), S3Config(endpoint_url="http://given"), S3Config(addressing_style="virtual"),
    S3Config(verify_ssl=False), S3Config(verify_ssl="/own.pem"), S3Config(checksum=None), S3Config(checksum="crc32c"),
    S3Config(endpoint_url="https://s3.eu-b-1.amazonaws.com"),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("environ", [
    {}, {"AWS_REGION": "eu-c-1"}, {"AWS_DEFAULT_REGION": "eu-d-1"}, {"AWS_REGION": "eu-c-1", "AWS_DEFAULT_REGION": "d"},
    {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-d-1"}, {"AWS_ENDPOINT_URL": "http://all"},
    {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "http://s3"}, {"AWS_ENDPOINT_URL_S3": ""},
    {"AWS_ENDPOINT_URL": "https://s3.eu-e-1.amazonaws.com"}, {"AWS_CA_BUNDLE": "/ca.pem"},
    {"REQUESTS_CA_BUNDLE": "/requests.pem"}, {"AWS_CA_BUNDLE": "/ca.pem", "REQUESTS_CA_BUNDLE": "/requests.pem"},
    {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}, {"AWS_REQUEST_CHECKSUM_CALCULATION": "WHEN_SUPPORTED"},
    {"AWS_MAX_ATTEMPTS": "3"}, {"AWS_MAX_ATTEMPTS": ""},
    {"AWS_PROFILE": ""}, {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "~/nonexistent"},
], ids=str)  # fmt: skip
def test_without_files_the_sdk_says_the_same(config: S3Config, environ: dict[str, str]) -> None:
    ours = settings_from_environment(config, NonEmptyEnviron(environ))
    assert ours is not None
    assert ours == sdk_settings(config, environ)


def test_the_profile_s_attempts(tmp_path: Path) -> None:
    environ = profile(tmp_path, "[default]\nmax_attempts = 7\n")
    assert sdk_settings(S3Config(), environ).attempts == 7
    assert sdk_settings(S3Config(), {**environ, "AWS_MAX_ATTEMPTS": "2"}).attempts == 2


@pytest.mark.parametrize("value", ["0", "-1", "many", "²"])
def test_attempts_must_be_a_positive_integer(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidConfig, match="max_attempts"):
        settings_from_environment(S3Config(), NonEmptyEnviron({"AWS_MAX_ATTEMPTS": value}))
    environ = profile(tmp_path, f"[default]\nmax_attempts = {value}\n")
    with pytest.raises(InvalidConfig, match="max_attempts"):
        sdk_settings(S3Config(), environ)


@pytest.mark.parametrize(
    "environ",
    [
        {name: value}
        for name, value in POISON.items()
        if name.startswith(("AWS_PROFILE", "AWS_USE", "AWS_IGN", "AWS_DATA"))
    ]
    + [{"AWS_DEFAULT_PROFILE": "a"}],
    ids=str,
)
def test_some_variables_need_the_sdk(environ: dict[str, str]) -> None:
    assert settings_from_environment(S3Config(), NonEmptyEnviron(environ)) is None


@pytest.mark.parametrize("file", ["config", "credentials"])
def test_a_shared_file_needs_the_sdk(tmp_path: Path, file: str) -> None:
    environ = {"HOME": str(tmp_path)}
    assert settings_from_environment(S3Config(), NonEmptyEnviron(environ)) is not None
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / file).write_text("[default]\nregion = eu-f-1\n")
    assert settings_from_environment(S3Config(), NonEmptyEnviron(environ)) is None
    assert sdk_settings(S3Config(), environ).region == "eu-f-1"


FULL = """
[profile lab]
region = eu-f-1
endpoint_url = http://profile
ca_bundle = ~/ca.pem
request_checksum_calculation = when_required
s3 =
  addressing_style = virtual
[profile fast]
services = local
endpoint_url = http://profile
s3 =
  use_accelerate_endpoint = true
[services local]
s3 =
  endpoint_url = http://service
"""


def test_arguments_and_variables_take_precedence_over_the_profile(tmp_path: Path) -> None:
    environ = profile(tmp_path, FULL)
    bundle = TLS(ca_file=str(tmp_path / "ca.pem"))
    expected = Settings("eu-f-1", "http://profile", "virtual", bundle, None)
    assert sdk_settings(S3Config(profile="lab"), environ) == expected
    assert sdk_settings(S3Config(), {**environ, "AWS_PROFILE": "lab"}) == expected
    variables = {"AWS_REGION": "eu-c-1", "AWS_ENDPOINT_URL": "http://all", "AWS_CA_BUNDLE": "/ca.pem",
                 "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported"}  # fmt: skip
    assert sdk_settings(S3Config(profile="lab"), {**environ, **variables}) == Settings(
        "eu-c-1", "http://all", "virtual", TLS(ca_file="/ca.pem"), "crc64nvme"
    )
    options: dict[str, Any] = {"region": "eu-a-1", "endpoint_url": "http://given", "checksum": "crc32"}
    config = S3Config(profile="lab", addressing_style="path", verify_ssl=False, **options)
    assert sdk_settings(config, {**environ, **variables}) == Settings(
        "eu-a-1", "http://given", "path", TLS(verify=False), "crc32"
    )


def test_a_services_section_takes_precedence_over_the_profile_s_endpoint(tmp_path: Path) -> None:
    environ = profile(tmp_path, FULL)
    settings = sdk_settings(S3Config(profile="fast"), environ)
    assert (settings.endpoint_url, settings.special_endpoint) == ("http://service", True)
    ignored = sdk_settings(S3Config(profile="fast"), {**environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"})
    assert ignored.endpoint_url is None


def test_a_region_in_the_credentials_file_counts(tmp_path: Path) -> None:
    assert sdk_settings(S3Config(), profile(tmp_path, credentials="[default]\nregion = eu-g-1\n")).region == "eu-g-1"


@pytest.mark.parametrize("chosen", ["argument", "variable"])
def test_an_unknown_profile_names_the_files(tmp_path: Path, chosen: str) -> None:
    environ = profile(tmp_path, FULL) | ({"AWS_PROFILE": "nobody"} if chosen == "variable" else {})
    with pytest.raises(InvalidConfig, match="'nobody'") as caught:
        sdk_settings(S3Config(profile="nobody" if chosen == "argument" else None), environ)
    assert f"{tmp_path}/.aws/config" in str(caught.value)
    assert f"{tmp_path}/.aws/credentials" in str(caught.value)
    assert "poison" not in str(caught.value).replace(str(tmp_path), "")


def test_a_file_that_cannot_be_parsed_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"\.aws/config cannot be parsed"):
        sdk_settings(S3Config(), profile(tmp_path, "[default"))


def test_paths_are_expanded_by_the_given_variables() -> None:
    environ = {"HOME": "/home/tenant", "WHERE": "secrets"}
    assert expand_path("~/.aws/config", environ) == "/home/tenant/.aws/config"
    assert expand_path("/$WHERE/${WHERE}/x", environ) == "/secrets/secrets/x"
    assert expand_path("~/.aws/config", {}) == ""
    assert expand_path("/a$NOWHERE", {}) == "/a$NOWHERE"
    with pytest.raises(InvalidConfig, match="is not set"):
        expand_path("$AWS_DATA_PATH/config", {})


@pytest.mark.parametrize(
    "endpoint",
    [
        "127.0.0.1:9000", "minio", "ftp://minio", "https://key:Pa55word@minio", "http://h?q=1", "http://[::1", "https://",
        "http://h:x", "http://h:99999",
    ],
)  # fmt: skip
@pytest.mark.parametrize("by", ["variable", "profile"])
def test_an_invalid_endpoint_is_rejected(tmp_path: Path, endpoint: str, by: str) -> None:
    with pytest.raises(InvalidConfig, match="the endpoint of S3") as caught:
        if by == "variable":
            settings_from_environment(S3Config(), NonEmptyEnviron({"AWS_ENDPOINT_URL": endpoint}))
        else:
            sdk_settings(S3Config(), profile(tmp_path, f"[default]\nendpoint_url = {endpoint}\n"))
    assert "AWS_ENDPOINT_URL" in str(caught.value)
    assert "Pa55word" not in str(caught.value)


def test_a_profile_without_a_home() -> None:
    with pytest.raises(InvalidConfig, match="'lab' is not in ~/.aws, because HOME is not set"):
        sdk_settings(S3Config(profile="lab"), {})


def test_a_bundle_in_the_home(tmp_path: Path) -> None:
    """`S3Config.from_env`, used for calls without a configuration, reads it too."""
    environ = {"HOME": "/home/tenant", "AWS_CA_BUNDLE": "~/ca.pem"}
    for config in (S3Config(), S3Config.from_env(environ)):
        settings = settings_from_environment(config, NonEmptyEnviron(environ))
        assert settings is not None
        assert settings.tls == sdk_settings(config, environ).tls == TLS(ca_file="/home/tenant/ca.pem")
