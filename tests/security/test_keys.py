"""Keys become files inside the target directory or are rejected; no two keys share a file."""

import asyncio
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sealift import AsyncStorage, PVCConfig, StorageError, UnsafeKey
from sealift.backends.local import LocalBackend
from sealift.keys.paths import Tree, relative
from sealift.runtime.disk_threads import DiskThreads
from tests.api.helpers import all_in, files_in
from tests.api.servers import FakeS3

SEGMENTS = st.sampled_from([
    "", ".", "..", "...", "a", "A", "é", "e\u0301", "a b", "~", "-", "C:", "c:", "C:x", "CON", "con", "NUL", "aux.py",
    "\\", "..\\", "\\\\host", "\0", "\n", "\x1b[2J", "\u202e", "\ud800", ".sealift", ".sealift\u200b", "x" * 255,
    "x" * 256, "%2e%2e", "..%2f", "\uff0e\uff0e", "\u2025",
])  # fmt: skip
KEYS = st.lists(SEGMENTS | st.text(max_size=4), min_size=1, max_size=5).map("/".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(KEYS, max_size=8, unique=True))
@example(["a", "a/.", "a/b"])
@example(["...", ".../...", ".../a"])
def test_each_key_has_a_file_of_its_own_below_the_target(keys: list[str]) -> None:
    tree = Tree()
    accepted: dict[str, str] = {}
    refused = 0
    for key in keys:
        try:
            path = relative(key)
            tree.add(path, key)
        except UnsafeKey:
            refused += 1
        else:
            accepted[path] = key
    paths = [path for path in accepted if not any(other.startswith(f"{path}/") for other in accepted)]
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(write(os.path.join(directory, "in", "root"), paths))
        made = files_in(directory)
        assert made == {f"in/root/{path}": path.encode(errors="surrogateescape") for path in paths}
    assert len(made) == len(paths) == len(accepted)


async def write(root: str, paths: list[str]) -> None:
    disk = DiskThreads()
    backend = LocalBackend(root, disk)
    try:
        for path in paths:
            await backend.put(path, memoryview(path.encode(errors="surrogateescape")))
    finally:
        await backend.aclose()
        disk.close()


REFUSED = [
    "..", "../evil", "a/../../evil", "a/..", "./a", "C:", "C:/Windows/evil", "c:/evil", "back\\slash", "..\\evil",
    "\\\\host\\share", "a\0b", "CON", "NUL", "a/COM1", "PRN/x", ".sealift/x", "a/.sealift", "x" * 256, "full/",
]  # fmt: skip
# Odd names without a special meaning here; some have one on Windows.
HONEST = [
    "aux.py", "con/nul", "COM1.txt", "a:b", "C:x", "~", "~root", "-rf", "...", "..a", "a..", " ", "%2e%2e", "..%2fevil",
    "\uff0e\uff0e", "\u202egpj.exe", "a\nb", "\x1b[2J", "$HOME", "`id`", ".git/config", ".sealift2",
]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("key", REFUSED, ids=lambda key: repr(key)[:24])
async def test_what_is_refused_leaves_nothing(tmp_path: Path, key: str) -> None:
    """The error names the key, and nothing is written."""
    with FakeS3({"b": {f"p/{key}": b"evil"}}) as server:
        for dest in ("new", "old"):
            (tmp_path / "old").mkdir(exist_ok=True)
            with pytest.raises(UnsafeKey) as caught:
                await AsyncStorage().download("s3://b/p/", tmp_path / dest, config=server.config)
            assert repr(f"p/{key}") in str(caught.value)
        assert all_in(tmp_path) == {"old"}


@pytest.mark.anyio
async def test_honest_keys_are_files(tmp_path: Path) -> None:
    objects = {key: key.encode() for key in HONEST}
    with FakeS3({"b": {f"p/{key}": data for key, data in objects.items()}}) as server:
        await AsyncStorage().download("s3://b/p/", tmp_path / "new", config=server.config)
    assert files_in(tmp_path) == {f"new/{key}": data for key, data in objects.items()}


@pytest.mark.anyio
@pytest.mark.parametrize("uri", ["s3://b/..", "s3://b/p/..", "s3://b/NUL", "s3://b/p/back\\slash"])
async def test_the_name_of_one_object_is_no_way_out_of_a_directory(tmp_path: Path, uri: str) -> None:
    with FakeS3({"b": {uri.removeprefix("s3://b/"): b"evil"}}) as server:
        for dest in (str(tmp_path), f"{tmp_path}/new/"):
            with pytest.raises(UnsafeKey):
                await AsyncStorage().download(uri, dest, config=server.config)
    assert all_in(tmp_path) == set()


@pytest.mark.anyio
@pytest.mark.parametrize("uri", ["pvc://claim/../evil", "pvc://claim/a/../../evil"])
async def test_a_volume_is_not_left(tmp_path: Path, uri: str) -> None:
    (tmp_path / "claim").mkdir()
    (tmp_path / "evil").write_bytes(b"secret")
    with pytest.raises(StorageError, match="would leave"):
        await AsyncStorage().read(uri, config=PVCConfig({"claim": str(tmp_path / "claim")}))
