"""Memory that a process needs beside the tensors that it keeps."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift.types import MiB
from tests.cli.program import clean_environ
from tests.services.http_server import files

CHILD = Path(__file__).with_name("child.py")
SMALL, COUNT, LARGE = 4 * MiB, 24, 80 * MiB
WEIGHTS = SMALL * COUNT + LARGE + SMALL
MEMORY = 16 * MiB
# Threads, connections, and freed memory that the allocator keeps.
OVERHEAD = 24 * MiB


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A sparse file: one large tensor between many small ones."""
    small = dict.fromkeys(("first", *(f"small.{number}" for number in range(COUNT))), (SMALL,))
    shapes = {**small, "large": (LARGE >> 16, 1 << 16)}
    header, end = {}, 0
    for name, shape in shapes.items():
        size = shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "U8", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    directory = tmp_path_factory.mktemp("sparse")
    path = directory / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, path.stat().st_size + end)
    with files(directory) as root:
        yield f"{root}/model.safetensors"


@pytest.mark.parametrize(
    ("scenario", "most"),
    [
        ("stream", MEMORY + SMALL),  # what is in flight, and the tensor that the caller has
        ("stream_all", LARGE + SMALL),  # a tensor that is larger than the memory is filled in place
        ("load", WEIGHTS),
        ("into", 0),
        ("columns", MEMORY),
    ],
)
def test_peak(scenario: str, most: int, url: str) -> None:
    environ = {**clean_environ(), "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    command = [sys.executable, CHILD, url, str(MEMORY), scenario]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= most + OVERHEAD
