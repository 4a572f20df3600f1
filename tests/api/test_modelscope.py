"""ModelScope through the public API, and the real client against the fake hub that the tests use."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, IntegrityError, Limits, ModelMissingError
from tests.api.helpers import files_in
from tests.contract.suite import DATA, OTHER
from tests.services.modelscope import TOKEN, FakeModelScope, running

FILES = {
    "config.json": b"{}",
    "model.safetensors": DATA,
    "onnx/läs mig.txt": OTHER,
    "empty": b"",
    "onnx/model.bin": OTHER,
}
URI = "modelscope://owner/name"
LIMITS = Limits(patience=1, attempts=2)

_REAL_CLIENT = """
import sys
from modelscope_hub.compat import snapshot_download
snapshot_download(repo_id="owner/name", local_dir=sys.argv[1], token=sys.argv[2])
"""


@pytest.fixture
def hub() -> Iterator[FakeModelScope]:
    with running() as hub:
        hub.repo("owner/name", FILES, private=True)
        yield hub


def test_the_real_client_is_content_with_the_fake(hub: FakeModelScope, tmp_path: Path) -> None:
    environ = {"MODELSCOPE_ENDPOINT": hub.url, "HOME": str(tmp_path), "MODELSCOPE_DOWNLOAD_INTRA_CLOUD": "false"}
    program = [sys.executable, "-c", _REAL_CLIENT, str(tmp_path / "model"), TOKEN]
    done = subprocess.run(program, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {key: data for key, data in files_in(tmp_path / "model").items() if not key.startswith(".")} == FILES


@pytest.mark.anyio
async def test_an_access_token(hub: FakeModelScope, tmp_path: Path) -> None:
    """A repository becomes a directory; all files are verified."""
    events: list[Event] = []
    environ = {"MODELSCOPE_ENDPOINT": hub.url, "MODELSCOPE_API_TOKEN": TOKEN}
    async with AsyncStorage(limits=LIMITS, environ=environ) as storage:
        path = await storage.download(URI, str(tmp_path / "model"), on_event=events.append)
        assert files_in(path) == FILES
        assert {event.verified for event in events if event.kind == "object" and event.size} == {"sha256"}
        await storage.download(f"{URI}/onnx/", str(tmp_path / "onnx"), allow_patterns=["*.bin"])
        assert files_in(tmp_path / "onnx") == {"model.bin": OTHER}
        assert await storage.read(f"{URI}:master/model.safetensors", 10, 20) == DATA[10:30]
        assert sorted(await storage.list_objects(f"{URI}/onnx/")) == ["läs mig.txt", "model.bin"]
        with pytest.raises(ModelMissingError):
            await storage.read(f"{URI}/missing")


@pytest.mark.anyio
@pytest.mark.parametrize("key", ["model.safetensors", "onnx/läs mig.txt"])
async def test_a_byte_that_changes_on_the_way(hub: FakeModelScope, tmp_path: Path, key: str) -> None:
    hub.corrupt = True
    async with AsyncStorage(config=hub.signed_in, limits=LIMITS) as storage:
        with pytest.raises(IntegrityError, match="do not match its"):
            await storage.download(f"{URI}/{key}", str(tmp_path / "file"))
    assert not (tmp_path / "file").exists()
