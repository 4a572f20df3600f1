"""oci:// URIs."""

import pytest

from sealift.errors import InvalidURI
from sealift.uri import Location, get_storage_spec, parse

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("uri", "root", "revision", "key", "text"),
    [
        ("oci://ghcr.io/team/model", "ghcr.io/team/model", None, "", None),
        ("oci://ghcr.io/team/model/", "ghcr.io/team/model", None, "", "oci://ghcr.io/team/model"),
        ("oci://ghcr.io/team/model:v1", "ghcr.io/team/model", "v1", "", None),
        ("oci://ghcr.io/team/model:v1/onnx/model.onnx", "ghcr.io/team/model", "v1", "onnx/model.onnx", None),
        ("oci://ghcr.io/team/model:latest", "ghcr.io/team/model", None, "", "oci://ghcr.io/team/model"),
        ("oci://ghcr.io/team/model:latest/a?b#c@d:e", "ghcr.io/team/model", None, "a?b#c@d:e", None),
        (f"oci://ghcr.io/team/model@{DIGEST}/a", "ghcr.io/team/model", DIGEST, "a", None),
        (f"oci://localhost:5000/m:v1@{DIGEST}", "localhost:5000/m", DIGEST, "", f"oci://localhost:5000/m@{DIGEST}"),
        ("oci://[::1]:5000/m", "[::1]:5000/m", None, "", None),
        ("oci://localhost/m", "localhost/m", None, "", None),
        ("oci://team/model:v1", "docker.io/team/model", "v1", "", "oci://docker.io/team/model:v1"),
        ("oci://iris:v1", "docker.io/library/iris", "v1", "", "oci://docker.io/library/iris:v1"),
        ("oci://index.docker.io/iris", "docker.io/library/iris", None, "", "oci://docker.io/library/iris"),
        ("OCI://GHCR.IO/team/model", "ghcr.io/team/model", None, "", "oci://ghcr.io/team/model"),
    ],
)
def test_forms(uri: str, root: str, revision: str | None, key: str, text: str | None) -> None:
    location = parse(uri)
    assert location == Location("oci", root, key, revision=revision)
    assert str(location) == (text or uri)
    assert parse(str(location)) == location


@pytest.mark.parametrize(
    ("uri", "cause"),
    [
        ("oci://", "the repository is missing"),
        ("oci://ghcr.io/", "the repository is missing"),
        ("oci://ghcr.io/Team/model", "not valid"),
        ("oci://ghcr.io/team/model:", "not valid"),
        ("oci://ghcr.io/team/model@sha256:abc", "not valid"),
        ("oci://ghcr.io:port/team/model", "not a valid host"),
        ("oci://ghcr.io/team/../model", "not valid"),
        ("oci://ghcr.io/team/model/Model.bin", "must follow a tag or a digest"),
        ("oci://user:password@ghcr.io/team/model", "credentials do not belong in a URI"),
        ("oci://user:pass/word@ghcr.io/team/model", "credentials do not belong in a URI"),
    ],
)
def test_invalid(uri: str, cause: str) -> None:
    with pytest.raises(InvalidURI, match=cause) as caught:
        parse(uri)
    assert "pass" not in str(caught.value).replace("pass them", "").replace("password=…", "")


def test_components() -> None:
    assert get_storage_spec("oci://ghcr.io/team/model:v1/a") == {
        "type": "oci",
        "registry": "ghcr.io",
        "repository": "team/model",
        "revision": "v1",
        "path": "a",
    }
