"""The variables of KServe's storage initializer, and the storage specification."""

import json
import os
import re
from pathlib import Path

import certifi
import pytest

from sealift import InvalidConfig, S3Config
from sealift.integrations.kserve.environment import limits_of, strict, translated
from sealift.integrations.kserve.storage_spec import variables_of_storage_spec
from sealift.wire.tls import ca_paths

SECRET = "the secret key"


def spec(**fields: object) -> dict[str, str]:
    return {"STORAGE_CONFIG": json.dumps(fields)}


def test_a_specification_for_s3_replaces_the_environment() -> None:
    fields = {"access_key_id": "K", "secret_access_key": SECRET, "endpoint_url": "http://minio:9000", "region": "eu-1"}
    old = {"AWS_ACCESS_KEY_ID": "old", "AWS_SESSION_TOKEN": "of the old key", "AWS_REGION": "us-1"}
    found = translated({**old, **spec(type="s3", bucket="b", verify_ssl=False, anonymous=None, **fields)})
    assert found["AWS_ACCESS_KEY_ID"] == "K"
    assert found["AWS_SECRET_ACCESS_KEY"] == SECRET
    assert found["AWS_ENDPOINT_URL"] == "http://minio:9000"
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "eu-1"
    assert "AWS_SESSION_TOKEN" not in found
    assert S3Config.from_env(found).verify_ssl is False
    assert translated(spec(type="s3", access_key_id="K", session_token="T"))["AWS_SESSION_TOKEN"] == "T"


def test_an_override_takes_precedence_and_may_name_the_type() -> None:
    environ = spec(region="eu-1", ca_bundle="/ca.pem") | {"STORAGE_OVERRIDE_CONFIG": '{"type": "s3", "region": "eu-2"}'}
    found = variables_of_storage_spec(environ)
    assert found == {"AWS_DEFAULT_REGION": "eu-2", "AWS_CA_BUNDLE": "/ca.pem"}


def test_the_environment_of_the_process_stays_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_CONFIG", spec(type="s3", region="eu-1")["STORAGE_CONFIG"])
    before = dict(os.environ)
    assert translated(os.environ)["AWS_REGION"] == "eu-1"
    assert dict(os.environ) == before


@pytest.mark.parametrize("variable", ["STORAGE_CONFIG", "STORAGE_OVERRIDE_CONFIG"])
@pytest.mark.parametrize("text", [f'{{"type": "s3", "secret_access_key": "{SECRET}', f'["{SECRET}"]'])
def test_what_is_not_a_json_object_is_named_without_its_text(variable: str, text: str) -> None:
    with pytest.raises(InvalidConfig, match=f"{variable} is not a JSON object") as caught:
        translated({variable: text})
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_value_of_the_wrong_type_is_named_without_it() -> None:
    with pytest.raises(InvalidConfig, match="'region'") as caught:
        translated(spec(type="s3", region=[SECRET]))
    assert SECRET not in str(caught.value)


def test_a_service_account_in_the_specification_becomes_a_file_that_is_on_no_disk() -> None:
    found = translated(spec(type="gcs", private_key="-----KEY-----", client_email="me@example.com"))
    content = json.loads(Path(found["GOOGLE_APPLICATION_CREDENTIALS"]).read_text("utf-8"))
    assert content["type"] == "service_account"
    assert (content["private_key"], content["client_email"]) == ("-----KEY-----", "me@example.com")
    assert found["GOOGLE_APPLICATION_CREDENTIALS"].startswith("/proc/")


def test_azure_and_the_hub_in_the_specification() -> None:
    found = translated(spec(type="azure", account_name="models", account_key="a2V5"))
    assert (found["AZURE_STORAGE_ACCOUNT"], found["AZURE_STORAGE_KEY"]) == ("models", "a2V5")
    assert translated(spec(type="hf", token="hf_x"))["HF_TOKEN"] == "hf_x"


def test_hdfs_in_the_specification_and_in_a_mounted_secret(tmp_path: Path) -> None:
    fields = {"HDFS_NAMENODE": "http://namenode:9870", "TLS_CA": "UEVN"}
    found = translated(spec(type="hdfs", **fields))
    assert found["HDFS_NAMENODE"] == "http://namenode:9870"
    assert Path(found["TLS_CA"]).read_bytes() == b"PEM"
    (tmp_path / "HDFS_NAMENODE").write_text("http://mounted:9870\n")
    (tmp_path / "TLS_CA").write_text("PEM")
    found = translated({"HDFS_SECRET_DIR": str(tmp_path)})
    assert (found["HDFS_NAMENODE"], found["TLS_CA"]) == ("http://mounted:9870", f"{tmp_path}/TLS_CA")
    (tmp_path / "HDFS_NAMENODE").write_bytes(b"\xff")
    with pytest.raises(InvalidConfig, match="HDFS_NAMENODE, cannot be read: it is not UTF-8"):
        translated({"HDFS_SECRET_DIR": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("S3_VERIFY_SSL", "False", ("verify_ssl", False)),
        ("S3_VERIFY_SSL", "no", ("verify_ssl", True)),  # kserve-storage accepts only 0 and false
        ("awsAnonymousCredential", "True", ("anonymous", True)),
        ("awsAnonymousCredential", "1", ("anonymous", False)),
        ("S3_USER_VIRTUAL_BUCKET", "true", ("addressing_style", "virtual")),
        ("S3_USE_ACCELERATE", "true", ("accelerate", True)),
    ],
)
def test_flags_mean_what_they_mean_in_kserve_storage(name: str, value: str, expected: tuple[str, object]) -> None:
    config = S3Config.from_env(translated({name: value}))
    assert getattr(config, expected[0]) == expected[1]


def test_the_global_endpoint_with_a_region() -> None:
    environ = {"AWS_ENDPOINT_URL": "https://s3.amazonaws.com", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert S3Config.from_env(translated(environ)).addressing_style == "virtual"
    environ["AWS_DEFAULT_REGION"] = "us-east-1"
    assert S3Config.from_env(translated(environ)).addressing_style == "auto"


def test_attempts_count_the_first_one() -> None:
    assert translated({"S3_MAX_ATTEMPTS": "3"})["AWS_MAX_ATTEMPTS"] == "4"
    assert translated({"S3_MAX_ATTEMPTS": "0"})["AWS_MAX_ATTEMPTS"] == "1"
    assert "AWS_MAX_ATTEMPTS" not in translated({"S3_MAX_ATTEMPTS": "many"})
    with pytest.raises(InvalidConfig, match="S3_MAX_ATTEMPTS is 'many'"):
        limits_of({"S3_MAX_ATTEMPTS": "many"}, ["s3"])
    limits_of({"S3_MAX_ATTEMPTS": "many"}, ["gs"])  # another service needs no limits of S3


def test_the_endpoint_counts_although_configured_endpoints_are_ignored() -> None:
    environ = {"AWS_ENDPOINT_URL": "https://s3.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert translated(environ) == {"AWS_ENDPOINT_URL": "https://s3.example"}


@pytest.mark.parametrize("text", ["null", "[]", "{}", ""])
def test_a_specification_of_nothing(text: str) -> None:
    assert translated({"STORAGE_CONFIG": '{"type": "s3", "region": "r"}', "STORAGE_OVERRIDE_CONFIG": text})[
        "AWS_DEFAULT_REGION"
    ] == "r"  # fmt: skip


def test_azure() -> None:
    found = translated({"AZ_CLIENT_ID": "app", "AZURE_CLIENT_ID": "other", "AZURE_STORAGE_ACCESS_KEY": "a2V5"})
    assert found["AZURE_CLIENT_ID"] == "app"
    assert "AZURE_STORAGE_ACCESS_KEY" not in found  # the identity takes precedence
    assert translated({"AZURE_STORAGE_ACCESS_KEY": "a2V5"})["AZURE_STORAGE_ACCESS_KEY"] == "a2V5"
    found = translated({"AZURE_STORAGE_ACCESS_KEY": "?sv=2024&sig=x"})
    assert found["AZURE_STORAGE_SAS_TOKEN"] == "?sv=2024&sig=x"
    assert "AZURE_STORAGE_ACCESS_KEY" not in found


def test_the_ca_bundle_of_the_cluster(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environ = {"CA_BUNDLE_CONFIGMAP_NAME": "cas", "CA_BUNDLE_VOLUME_MOUNT_POINT": str(tmp_path)}
    bundle = tmp_path / "cabundle.crt"
    assert "SSL_CERT_FILE" not in translated(environ)
    own = tmp_path / "own.pem"
    certificates = re.findall("-+BEGIN[^#]+END.*", Path(certifi.where()).read_text("utf-8"))
    for path, text in zip((bundle, own), certificates[:2], strict=True):
        path.write_text(f"{text}\n")
    found = translated(environ | {"SSL_CERT_FILE": str(own)})
    assert found["AWS_CA_BUNDLE"] == str(bundle)
    combined = Path(found["SSL_CERT_FILE"]).read_bytes()
    for path in (own, bundle, Path(certifi.where())):
        assert path.read_bytes() in combined
    assert "SSL_CERT_FILE" not in translated({"CA_BUNDLE_VOLUME_MOUNT_POINT": str(tmp_path)})
    bundle.write_text("-----BEGIN CERTIFICATE-----\nno certificate\n-----END CERTIFICATE-----\n")
    assert "SSL_CERT_FILE" not in translated(environ)
    assert f"({bundle}) cannot be used" in caplog.text


def test_other_ca_bundles_take_precedence() -> None:
    environ = {"CA_BUNDLE_CONFIGMAP_NAME": "cas", "REQUESTS_CA_BUNDLE": "/mine.pem", "SSL_CERT_FILE": "/other.pem"}
    found = translated(environ | {"AWS_CA_BUNDLE": "/s3.pem"})
    assert found["AWS_CA_BUNDLE"] == "/s3.pem"
    assert ca_paths(found) == ("/mine.pem", None)


def test_limits() -> None:
    environ = {"S3_MAX_FILE_CONCURRENCY": "3", "S3_READ_TIMEOUT": "7", "AZURE_MAX_CHUNK_CONCURRENCY": "2"}
    assert (limits_of(environ, ["s3"]).per_host, limits_of(environ, ["s3"]).idle_timeout) == (30, 7.0)
    assert (limits_of(environ, ["azure"]).per_host, limits_of(environ, ["azure"]).idle_timeout) == (8, 30.0)
    assert limits_of({"S3_CONNECT_TIMEOUT": "60"}, ["s3"]).idle_timeout == 60.0
    assert limits_of({}, ["gs"]).patience == 60.0
    assert limits_of({"SEALIFT_PATIENCE": "7"}, ["gs"]).patience == 7.0
    environ |= {"SEALIFT_PER_HOST": "5", "SEALIFT_IDLE_TIMEOUT": "9"}
    assert (limits_of(environ, ["s3"]).per_host, limits_of(environ, ["s3"]).idle_timeout) == (5, 9.0)
    with pytest.raises(InvalidConfig, match="S3_MAX_FILE_CONCURRENCY is '0'"):
        limits_of({"S3_MAX_FILE_CONCURRENCY": "0"}, ["s3"])


def test_strict() -> None:
    assert strict({"SEALIFT_KSERVE_STRICT": "1"})
    assert not strict({"SEALIFT_KSERVE_STRICT": "0"})
    assert not strict({})
