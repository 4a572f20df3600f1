"""A call imports what it needs, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.servers import FakeS3
from tests.api.writable import WritableS3

PROGRAM = """
import sys
from sealift import Storage
{statement}
print(*sys.modules)
"""
# Other operations, and what only some replies, buckets or configurations need.
OPERATIONS = {
    f"sealift.operations.{name}"
    for name in (
        "content", "copy", "delete", "directory_target", "disk_space", "download_archive", "download_directory",
        "existing_objects", "exists", "listing", "metadata", "move", "object_failures", "object_reader",
        "object_writer", "presign", "read", "read_ahead", "read_ranges", "rename", "selection", "stat", "sync",
        "sync_comparison", "sync_deletion", "upload", "write",
    )
}  # fmt: skip
S3 = {
    f"sealift.backends.s3.{name}"
    for name in (
        "buckets", "credential_chain", "delete_object", "delete_objects", "endpoint_rules", "express", "lazy_sdk",
        "part_checksums", "presign", "put", "sdk_session", "server_copy", "sigv4a", "stored_parts", "tags", "upload",
    )
}  # fmt: skip
OTHERS = {
    "aiobotocore", "aiofiles", "aiohttp", "anyio", "awscrt", "azure", "botocore", "click", "configparser", "ctypes",
    "email", "gcloud", "h11", "http", "httpx", "json", "mmap", "multiprocessing", "opentelemetry", "pathlib", "pickle",
    "random", "sealift.api.many", "sealift.archives", "sealift.backends.local.listing",
    "sealift.backends.local.removal", "sealift.backends.local.walk", "sealift.cli", "sealift.engine.parts",
    "sealift.engine.resume_upload", "sealift.engine.server_copy", "sealift.engine.stream", "sealift.engine.write",
    "sealift.persist.sync_index", "sealift.progress", "sealift.runtime.call_log", "sealift.runtime.sdk_logging",
    "sealift.uris.azure", "sealift.uris.hub",
    "sealift.wire.address_policy", "sealift.wire.proxy_client", "sealift.wire.redirect",
    "sealift.wire.workers", "secrets", "shutil", "sqlite3", "statistics", "tarfile", "tempfile", "tomllib", "tqdm",
    "typing_extensions", "unicodedata", "uuid", "xml", "zipfile",
}  # fmt: skip


def loaded_by(statement: str, endpoint: str) -> set[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CONFIG_FILE": "",
        "AWS_SHARED_CREDENTIALS_FILE": "",
    }
    program = PROGRAM.format(statement=statement)
    # -S: packages that other packages have installed for the start of each interpreter do not count.
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def among(loaded: set[str], names: set[str]) -> set[str]:
    """The names that were loaded, or modules of theirs."""
    return {name for name in names if any(module == name or module.startswith(f"{name}.") for module in loaded)}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with FakeS3({"bucket": {"model.bin": b"model", "models/a": b"a"}}) as server:
        yield server.endpoint


def test_download_of_an_object(endpoint: str, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    loaded = loaded_by(f"Storage.download('s3://bucket/model.bin', {str(target)!r})", endpoint)
    assert target.read_bytes() == b"model"
    assert among(loaded, OPERATIONS | S3 | OTHERS) == set()
    assert among(loaded, {"sealift.backends.local.tree"}) == set()
    services = {"azure", "gcs", "http", "huggingface", "memory", "pvc"}
    assert among(loaded, {f"sealift.backends.{name}" for name in services}) == set()


def test_download_of_a_prefix(endpoint: str, tmp_path: Path) -> None:
    loaded = loaded_by(f"Storage.download('s3://bucket/models/', {str(tmp_path)!r})", endpoint)
    assert (tmp_path / "a").read_bytes() == b"a"
    needed = {f"sealift.operations.{name}" for name in ("directory_target", "disk_space", "download_directory")}
    assert among(loaded, OPERATIONS) == needed | {"sealift.operations.object_failures", "sealift.operations.selection"}
    assert among(loaded, S3 | OTHERS) == {"mmap", "xml"}


IMPORTS = """
import asyncio, threading
from pathlib import Path
from types import SimpleNamespace
from sealift import AsyncStorage
names = []

class Recorder:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is threading.main_thread():
            names.append(name)

async def main():
    Path({file!r}).write_bytes(bytes(1 << 20))
    async with AsyncStorage() as storage:
        sys.meta_path.insert(0, Recorder())
        await storage.upload({file!r}, "s3://b/m", timeout=60)
        await storage.download("s3://b/m", {file!r} + ".copy", timeout=60)

asyncio.run(main())
sys = SimpleNamespace(modules=names)
"""


def test_the_event_loop_imports_no_large_module(tmp_path: Path) -> None:
    """It would stop the requests of a server. Lanes import what an upload needs, too, so it might wait for them."""
    with WritableS3("b") as server:
        program = IMPORTS.format(file=str(tmp_path / "m"))
        loaded = loaded_by(program, server.endpoint)
    assert among(loaded, {"anyio", "sealift.backends.s3.put", "sealift.operations", "xml"}) == set()


def test_read(endpoint: str) -> None:
    loaded = loaded_by("assert Storage.read('s3://bucket/model.bin') == b'model'", endpoint)
    assert among(loaded, OPERATIONS) == {"sealift.operations.read"}
    assert among(loaded, S3 | OTHERS) == set()
