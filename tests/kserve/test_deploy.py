"""`deploy/kserve`: what `kubectl apply` would reject, and what would not work in a pod."""

import copy
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sealift import SUPPORTED_PROTOCOLS
from tests.kserve.structural_schema import problems, schema_of

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "kserve"
DEFINITIONS = Path(__file__).parent / "crds"
GROUP = "serving.kserve.io"
# A URI of each scheme for which KServe looks for a container.
URIS = {
    "s3": "s3://models/iris",
    "gs": "gs://models/iris",
    "hf": "hf://owner/model",
    "azure": "https://models.blob.core.windows.net/c/iris",
    "http": "http://example.com/model.tar.gz",
    "https": "https://example.com/model.tar.gz",
    "modelscope": "modelscope://owner/model",
    "git+https": "https://example.com/model.git",
    "hdfs": "hdfs://models/iris",
    "webhdfs": "webhdfs://models/iris",
    "azure files": "https://models.file.core.windows.net/share/iris",
}


def documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(DEPLOY.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            yield path, document


RESOURCES = [(path, found) for path, found in documents() if "kind" in found and found["kind"] != "Kustomization"]
CUSTOM = [found for _, found in RESOURCES if found["apiVersion"].startswith(GROUP)]


def schema_for(resource: dict[str, Any]) -> Any:
    for path in DEFINITIONS.glob("*.yaml"):
        definition = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
        if definition["spec"]["names"]["kind"] == resource["kind"]:
            return schema_of(definition, resource["apiVersion"].rpartition("/")[2])
    raise AssertionError(resource["kind"])


def named(resource: dict[str, Any]) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


@pytest.mark.parametrize("resource", CUSTOM, ids=named)
def test_kubernetes_accepts_it(resource: dict[str, Any]) -> None:
    schema = schema_for(resource)
    assert list(problems(resource, schema)) == []
    wrong = copy.deepcopy(resource)
    wrong["spec"]["noSuchField"] = 1
    assert list(problems(wrong, schema)) == [".spec.noSuchField: unknown field"]


def test_all_kinds_are_there() -> None:
    kinds = {found["kind"] for found in CUSTOM}
    assert kinds == {"ClusterStorageContainer", "LocalModelCache", "InferenceService"}


@pytest.mark.parametrize("resource", [each for each in CUSTOM if "container" in each["spec"]], ids=named)
def test_the_containers(resource: dict[str, Any]) -> None:
    container = resource["spec"]["container"]
    security = container["securityContext"]
    assert security["runAsUser"] == 1000
    assert security["readOnlyRootFilesystem"]
    assert security["runAsNonRoot"]
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    # KServe mounts volumes, and configures a container of its own for images.
    # It does not know the schemes that sealift adds: `swebhdfs`, and a repository without TLS.
    assert set(URIS) == set(SUPPORTED_PROTOCOLS) - {"pvc", "file", "oci", "swebhdfs", "git+http"} | {"azure files"}
    formats = resource["spec"]["supportedUriFormats"]
    for uri in URIS.values():
        assert any(
            re.search(each["regex"], uri) if "regex" in each else uri.startswith(each["prefix"]) for each in formats
        )


def test_the_kustomizations_name_all_files() -> None:
    used = {DEPLOY / "example" / "localmodelcache.yaml"}  # needs nodes of its own
    for path, found in documents():
        if found.get("kind") == "Kustomization":
            names = [*found["resources"], *found.get("configurations", [])]
            used |= {path, *(path.parent / name for name in names)}
    assert used == set(DEPLOY.rglob("*.yaml"))


def test_the_image_of_the_kustomization_is_that_of_the_containers() -> None:
    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text("utf-8"))
    images = {each["spec"]["container"]["image"] for each in CUSTOM if "container" in each["spec"]}
    assert images == {each["name"] for each in kustomization["images"]}
    (rule,) = yaml.safe_load((DEPLOY / "images.yaml").read_text("utf-8"))["images"]
    assert rule == {"kind": "ClusterStorageContainer", "path": "spec/container/image"}


def test_the_containerfile_copies_what_the_build_needs_and_starts_the_initializer() -> None:
    lines = (DEPLOY / "Containerfile").read_text("utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (entry,) = (line for line in lines if line.startswith("ENTRYPOINT"))
    assert re.fullmatch(r'ENTRYPOINT \["/\S+/bin/sealift-initializer"\]', entry)
    assert "sealift-initializer" in project["project"]["scripts"]
    assert [line for line in lines if line.startswith("USER")] == ["USER 1000:1000"]
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            assert all((ROOT / name).exists() for name in shlex.split(line)[1:-1]), line
