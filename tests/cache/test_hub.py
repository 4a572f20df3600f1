"""The cache of huggingface_hub: its own client finds what sealift has downloaded, and the reverse."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sealift import HFConfig, ModelMissingError, Storage
from sealift.types import MiB
from tests.api.helpers import files_in
from tests.api.servers import pattern
from tests.services.hub import FakeHub

from .reading import inode

FILES = {
    "config.json": b'{"model_type": "iris"}',
    "model.safetensors": pattern(2 * MiB + 5),
    "onnx/model.onnx": pattern(50_000),
    "empty.txt": b"",
    ".gitattributes": b"*.safetensors filter=lfs",
}
URI = "hf://owner/name"

CLIENT = """
import json, os, sys
from huggingface_hub import get_cached_repo_tree, hf_hub_download, scan_cache_dir, snapshot_download

def path_or_error(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__

def local(revision=None, **kwargs):
    return path_or_error(snapshot_download, "owner/name", revision=revision, local_files_only=True, **kwargs)

"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub(page=3) as hub:
        hub.repo("owner/name", FILES)
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


@pytest.fixture
def cache(cache_directory: Path) -> Path:
    """The cache of the Hub."""
    return cache_directory / "hub"


def client(program: str, hub: FakeHub, cache: Path) -> Any:
    """Run a program with the real client; it sets `result`."""
    environ = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": str(cache), "HF_HOME": str(cache.parent)}
    done = subprocess.run(
        [sys.executable, "-c", f"{CLIENT}{program}\nprint(json.dumps(result))"],
        env=environ | {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def content(root: str) -> Mapping[str, bytes]:
    return files_in(root)


def test_the_client_finds_what_sealift_has_downloaded(hub: FakeHub, cache: Path) -> None:
    repo = hub.repos["models", "owner/name"]
    first = repo.refs["main"]
    old = Storage.download(URI)
    assert content(old) == FILES
    assert Path(old) == cache / "models--owner--name/snapshots" / first
    second = repo.put({"config.json": b"{}"})
    new = Storage.download(URI)
    assert inode(old, "model.safetensors") == inode(new, "model.safetensors")
    repo.commit({**FILES, "other.bin": pattern(1000)}, "dev")
    some = Storage.download(f"{URI}@dev", allow_patterns="*.json")
    assert content(some) == {"config.json": FILES["config.json"]}
    hub.asked.clear()
    told = client(
        f"""
result = {{
    "main": local(), "first": local({first!r}), "some": local("dev"), "json": local("dev", allow_patterns="*.json"),
    "file": path_or_error(hf_hub_download, "owner/name", "onnx/model.onnx", local_files_only=True),
    "tree": sorted([f.path, f.size, f.blob_id] for f in get_cached_repo_tree("owner/name")),
    "warnings": [str(each) for each in scan_cache_dir().warnings],
}}""",
        hub,
        cache,
    )
    assert hub.asked == []
    assert (told["main"], told["first"], told["json"]) == (new, old, some)
    assert told["some"] == "IncompleteSnapshotError"
    assert told["file"] == f"{new}/onnx/model.onnx"
    assert {path: size for path, size, _ in told["tree"]} == {
        **{path: len(data) for path, data in FILES.items()},
        "config.json": 2,
    }
    assert told["warnings"] == []
    assert (cache / "models--owner--name/refs/main").read_text() == second


def test_sealift_finds_what_the_client_has_downloaded(hub: FakeHub, cache: Path) -> None:
    client('result = snapshot_download("owner/name")', hub, cache)
    hub.asked.clear()
    root = Storage.download(URI, offline=True)
    assert content(root) == FILES
    assert Storage.download(f"{URI}/onnx", offline=True) == f"{root}/onnx"
    assert Storage.download(f"{URI}/config.json", offline=True) == f"{root}/config.json"
    commit = hub.repos["models", "owner/name"].refs["main"]
    assert Storage.download(f"{URI}@{commit}") == root, "a commit is never checked twice"
    assert hub.asked == []
    assert Storage.download(URI) == root
    assert hub.requests("storage") == []
    with pytest.raises(ModelMissingError, match="offline mode"):
        Storage.download("hf://owner/other", offline=True)


def test_what_the_client_has_left_incomplete(hub: FakeHub, cache: Path) -> None:
    client('result = snapshot_download("owner/name", allow_patterns="*.json")', hub, cache)
    with pytest.raises(ModelMissingError):
        Storage.download(URI, offline=True)
    assert Path(Storage.download(URI, offline=True, allow_patterns="*.json"), "config.json").exists()
    hub.asked.clear()
    assert content(Storage.download(URI)) == FILES
    assert len(hub.requests("storage", "GET")) == 2, "only what is missing"


def test_single_files_of_the_client_and_two_revisions_offline(
    hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the list of all files, nobody can tell whether the repository is complete; the error says so."""
    hub.repos["models", "owner/name"].commit({"config.json": b"of dev"}, "dev")
    client(
        """
result = [hf_hub_download("owner/name", "config.json"), snapshot_download("owner/name", revision="dev")]""",
        hub,
        cache,
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.asked.clear()
    assert Path(Storage.download(f"{URI}/config.json")).read_bytes() == FILES["config.json"]
    with pytest.raises(ModelMissingError, match="has files of it, but not the list of all of them, and offline mode"):
        Storage.download(URI)
    assert content(Storage.download(f"{URI}@dev")) == {"config.json": b"of dev"}
    assert hub.asked == []


def test_a_branch_that_moves(hub: FakeHub, cache: Path) -> None:
    old = Storage.download(URI)
    hub.repos["models", "owner/name"].put({"config.json": b"{}"})
    hub.asked.clear()
    assert Storage.download(URI, revalidate="never") == Storage.download(URI, revalidate=3600) == old
    assert hub.asked == []
    assert Path(Storage.download(URI), "config.json").read_bytes() == b"{}"
    assert Path(Storage.download(URI, offline=True), "config.json").read_bytes() == b"{}"


def test_the_revision_of_a_configuration(hub: FakeHub) -> None:
    main = Storage.download(URI)
    hub.repos["models", "owner/name"].commit({"config.json": b"of dev"}, "dev")
    config = HFConfig(revision="dev")
    dev = Storage.download(URI, config=config)
    assert files_in(dev) == {"config.json": b"of dev"}
    assert Storage.download(URI, config=config, offline=True) == dev
    assert Storage.download(URI, offline=True) == main


def test_offline_by_the_hub_s_own_variable(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Storage.download(URI)
    hub.asked.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert Storage.download(URI) == path
    with pytest.raises(ModelMissingError, match="offline mode"):
        Storage.download("hf://owner/none")
    assert hub.asked == []


def test_a_hub_of_its_own_is_cached_elsewhere(hub: FakeHub, cache: Path, cache_directory: Path) -> None:
    """The Hub's cache does not tell hubs apart, so only that of the environment is cached there."""
    with FakeHub() as other:
        other.repo("owner/name", {"config.json": b"of another hub"})
        root = Storage.download(URI, config=other.config)
    assert files_in(root) == {"config.json": b"of another hub"}
    assert cache_directory / "v1" in Path(root).parents
    assert not cache.exists()


def test_a_cache_that_only_others_may_write_to(
    hub: FakeHub, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/proc/hub")
    assert files_in(Storage.download(URI)) == FILES
    assert (cache_directory / "v1").exists()


def test_a_killed_download_goes_on(hub: FakeHub, cache: Path) -> None:
    program = f"""
import os
from sealift import Storage
Storage.download({URI!r}, on_event=lambda event: os._exit(9) if event.kind == "object" else None)
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", program], env=environ, check=False).returncode == 9
    assert content(Storage.download(URI)) == FILES
    assert not (cache / "models--owner--name/.sealift").exists()
    assert os.listdir(cache / ".locks/models--owner--name") == []
