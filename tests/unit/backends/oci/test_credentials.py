"""Names under which the files of docker and podman have credentials."""

import base64
import json
from pathlib import Path

import pytest

from sealift import OCIConfig
from sealift.backends.oci.credentials import NO_CREDENTIALS, find_credentials
from sealift.errors import AccessDenied, InvalidConfig


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("registry", "name"),
    [
        ("docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "docker.io"),
        ("docker.io", "index.docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("ghcr.io", "https://ghcr.io/v2/"),
        ("ghcr.io", "ghcr.io/team"),
        ("ghcr.io", "ghcr.io/team/model"),
    ],
)
def test_names(tmp_path: Path, registry: str, name: str) -> None:
    file = tmp_path / "auth.json"
    others = {
        "quay.io": auth("other:x"),
        f"{registry}/team/other": auth("other:x"),
        f"{registry}:5000": auth("other:x"),
    }
    file.write_text(json.dumps({"auths": others | {name: auth("user:secret:with:colons")}}))
    config = OCIConfig(auth_file=file)
    found = find_credentials(registry, "team/model", config, OCIConfig(), {})
    assert (found.username, found.password, found.source) == ("user", "secret:with:colons", str(file))
    assert "secret" not in repr(found)
    assert find_credentials("example.com", "team/model", config, OCIConfig(), {}) == NO_CREDENTIALS


@pytest.mark.parametrize(
    ("document", "error", "cause"),
    [
        ([], AccessDenied, "it is not a JSON object"),
        ({"auths": {"ghcr.io": {"auth": "bm8gY29sb24="}}}, AccessDenied, "has no valid credentials for ghcr.io"),
        ({"auths": {"ghcr.io": {"auth": "not base64"}}}, AccessDenied, "has no valid credentials for ghcr.io"),
        ({"credHelpers": {"ghcr.io": "../../bin/sh"}}, InvalidConfig, "is not valid"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, document: object, error: type[Exception], cause: str) -> None:
    (tmp_path / "auth.json").write_text(json.dumps(document))
    with pytest.raises(error, match=cause):
        find_credentials("ghcr.io", "m", OCIConfig(auth_file=tmp_path / "auth.json"), OCIConfig(), {})


@pytest.mark.parametrize(
    "document", [{"auths": 3, "credHelpers": []}, {"auths": {"ghcr.io": None}}, {"credsStore": ""}]
)
def test_files_without_credentials(tmp_path: Path, document: object) -> None:
    (tmp_path / "auth.json").write_text(json.dumps(document))
    config = OCIConfig(auth_file=tmp_path / "auth.json")
    assert find_credentials("ghcr.io", "m", config, OCIConfig(), {}) == NO_CREDENTIALS
