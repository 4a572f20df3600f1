"""Names of archives, patterns, and the configurations that the environment cannot express."""

import pytest

from sealift import AzureConfig, GCSConfig, GitConfig, HTTPConfig, InvalidConfig, S3Config
from sealift.integrations.kserve.archive_names import is_archive, url_names_archive
from sealift.integrations.kserve.model_patterns import of_entries, of_objects, of_repository, patterns_of
from sealift.integrations.kserve.service_config import service_config, without_userinfo
from sealift.keys.patterns import Patterns
from sealift.uri import parse


@pytest.mark.parametrize(
    "name", ["m.tar", "m.tar.gz", "m.tgz", "m.TGZ", "m.tar.bz2", "m.tar.xz", "m.zip", "a/b.c/m.zip", "v1:m.tar"]
)
def test_archives(name: str) -> None:
    assert is_archive(name)


@pytest.mark.parametrize("name", ["m.gz", "m.bin.gz", "m.pth.tar", "tar", "m.zip.bin", "m", "m.7z", "zip/m"])
def test_other_files(name: str) -> None:
    assert not is_archive(name)


def test_the_query_of_a_url_names_an_archive_only_if_its_path_has_no_known_type() -> None:
    assert url_names_archive("/download", "file=m.tar.gz")
    assert url_names_archive("/m.tgz", "version=2")
    assert not url_names_archive("/m.json", "file=m.tar.gz")
    assert not url_names_archive("/download", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["*.bin", " ", "*.json "]', ("*.bin", "*.json")),
        ('"*.bin"', ("*.bin",)),
        ("*.bin, *.json,", ("*.bin", "*.json")),
        ("[abc]*.bin", ("[abc]*.bin",)),
        (" ", None),
        ("[]", None),
    ],
)
def test_patterns_of_the_environment(text: str, expected: tuple[str, ...] | None) -> None:
    assert patterns_of({"STORAGE_ALLOW_PATTERNS": text}, None, None).allow == expected
    assert patterns_of({"STORAGE_IGNORE_PATTERNS": text}, None, None).ignore == (expected or ())
    assert patterns_of({"STORAGE_ALLOW_PATTERNS": text}, [], None).match_all  # an argument takes precedence


def test_no_patterns() -> None:
    for none in (None, [], "", ()):
        assert patterns_of({"STORAGE_ALLOW_PATTERNS": "", "STORAGE_IGNORE_PATTERNS": "[]"}, none, none).match_all


def test_a_directory_as_a_pattern() -> None:
    """For a repository, it means what is below it; for others, nothing ends in a slash."""
    patterns = patterns_of({}, ["onnx/", "*.bin"], ["a/", "*.md"])
    assert of_repository(patterns) == Patterns.of(["onnx/*", "*.bin"], ["a/*", "*.md"])
    assert of_repository(patterns_of({}, None, None)).match_all
    assert of_objects(patterns) == Patterns.of(["*.bin"], ["*.md"])
    nothing = of_objects(patterns_of({}, "onnx/", None))
    assert not nothing.matches("onnx/model.onnx")
    assert not nothing.matches("onnx/")
    assert of_objects(patterns_of({}, None, "a/")).match_all


def test_patterns_of_entries() -> None:
    selected = of_entries(patterns_of({}, ["sub", "*[[]1]"], None), ["sub", "a[1]", "b[1]", "c"])
    assert selected.matches("sub/deep/file")
    assert selected.matches("a[1]/x")
    assert not selected.matches("sub2")
    assert not selected.matches("c")
    assert not of_entries(Patterns.of("x", None), ["a"]).matches("a")


def test_the_user_in_the_url_of_a_repository() -> None:
    uri, userinfo = without_userinfo("https://me%40x:ignored@example.com/a.git")
    assert service_config(parse(uri), {"GIT_PASSWORD": "secret"}, userinfo) == GitConfig("me@x")
    assert service_config(parse(uri), {"GIT_PASSWORD": "secret"}) is None


def test_services_without_credentials_are_asked_anonymously(tmp_path: object) -> None:
    azure = parse("https://models.blob.core.windows.net/models/m")
    assert service_config(azure, {}) == AzureConfig(anonymous=True)
    for name in ("AZURE_CLIENT_ID", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN"):
        assert service_config(azure, {name: "x"}) is None
    google = parse("gs://b/m")
    assert service_config(google, {"GOOGLE_APPLICATION_CREDENTIALS": f"{tmp_path}/gone"}) == GCSConfig(anonymous=True)
    assert service_config(google, {}) is None  # the metadata server may have some


def test_headers_for_a_host() -> None:
    url = parse("https://example.com:8443/m.bin")
    environ = {"example.com-headers": '{"X-Token": "secret"}', "other.com-headers": '{"X-Token": "other"}'}
    assert service_config(url, environ) == HTTPConfig({"X-Token": "secret"})
    assert service_config(url, {}) is None
    for text in ('{"X-Token": "secret"', '["secret"]'):
        with pytest.raises(InvalidConfig, match="example.com-headers is not a JSON object") as caught:
            service_config(url, {"example.com-headers": text})
        assert "secret" not in str(caught.value)


def test_user_and_password_of_a_url_become_a_header() -> None:
    uri, userinfo = without_userinfo("https://me:p%40ss@example.com/a@b?c=d@e")
    assert (uri, userinfo) == ("https://example.com/a@b?c=d@e", "me:p%40ss")
    config = service_config(parse(uri), {}, userinfo)
    assert isinstance(config, HTTPConfig)
    assert config.headers == {"Authorization": "Basic bWU6cEBzcw=="}
    assert without_userinfo("s3://b/me@x") == ("s3://b/me@x", "")


def test_a_ca_bundle_for_s3_must_exist(tmp_path: object) -> None:
    environ = {"AWS_CA_BUNDLE": f"{tmp_path}/gone.pem"}
    with pytest.raises(InvalidConfig, match="Failed to find ca bundle file"):
        service_config(parse("s3://b/m"), environ)
    assert service_config(parse("s3://b/m"), environ | {"S3_VERIFY_SSL": "false"}) is None
    assert S3Config.from_env(environ | {"S3_VERIFY_SSL": "false"}).verify_ssl is False
