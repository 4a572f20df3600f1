"""What a hostile file may cost before any tensor is read: memory for its header, and for the headers of many files."""

import itertools
import json
import os
import random
import re
import string
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealift import AsyncStorage, TensorFileError
from sealift.types import MiB
from tests.cli.program import clean_environ

from .models import INDEX, file_of, tensor

CHILD = Path(__file__).with_name("header_child.py")
LENGTH = 4 * MiB
# Tensors with the shortest descriptions take 9 times the length of their header. Parsing everything at once took 25.
FACTOR = 14
SMALL = file_of({"a": tensor("F32", (2,), random.Random(1))})
ENTRY = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'


def names() -> Iterator[str]:
    """All names of four letters."""
    return map("".join, itertools.product(string.ascii_letters, repeat=4))


def filled(before: str, repeated: Callable[[], Iterator[str]], after: str, size: int = LENGTH) -> str:
    """A text of about this size, with as many parts as fit, separated by commas."""
    parts, length = [], 0
    for part in repeated():
        length += len(part) + 1
        if length > size:
            break
        parts.append(part)
    return f"{before}{','.join(parts)}{after}"


# Name → the text, and what becomes of it.
HEADERS: dict[str, tuple[Callable[[], str], str]] = {
    "tensors": (lambda: filled("{", lambda: (f'"{name}":{ENTRY}' for name in names()), "}"), r"\d{5} tensors"),
    "lists": (lambda: filled('{"a":[', lambda: itertools.repeat("[]"), "]}"), "more than 16384 bytes"),
    "fields": (
        lambda: filled('{"a":{', lambda: (f'"{name}":{{}}' for name in names()), "}}"), "more than 16384 bytes"
    ),
    "metadata": (
        lambda: filled('{"__metadata__":{', lambda: (f'"{name}":""' for name in names()), "}}"),
        "more than 100000 entries",
    ),
    "a long text": (
        lambda: json.dumps({"__metadata__": dict.fromkeys("ab", "\n😀" + "x" * (LENGTH // 2))}, ensure_ascii=False),
        "^0 tensors",
    ),
    "a long name": (lambda: f'{{"{"x" * LENGTH}":{ENTRY}}}', "more than 4096 bytes"),
    "escapes": (lambda: json.dumps({"__metadata__": {"a": "\n" * (LENGTH // 2 - 100)}}), "^0 tensors"),
}  # fmt: skip
INDEXES: dict[str, tuple[Callable[[], str], str]] = {
    "an index": (
        lambda: filled('{"weight_map":{', lambda: (f'"{name}":"a.safetensors"' for name in names()), "}}"),
        "'a.safetensors', which does not exist",
    ),
    "lists in an index": (
        lambda: filled('{"metadata":[', lambda: itertools.repeat("[]"), "]}"), "more than 1048576 bytes"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [*HEADERS, *INDEXES])
def test_memory_for_a_header(case: str, tmp_path: Path) -> None:
    (tmp_path / "small.safetensors").write_bytes(SMALL)
    make, expected = (HEADERS | INDEXES)[case]
    text = make().encode()
    path = tmp_path / ("hostile.safetensors" if case in HEADERS else INDEX)
    path.write_bytes(struct.pack("<Q", len(text)) + text if case in HEADERS else text)
    environ = {**clean_environ(), "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    command = [sys.executable, CHILD, tmp_path / "small.safetensors", path]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    peak, outcome = done.stdout.split(maxsplit=1)
    assert re.search(expected, outcome)
    assert int(peak) <= FACTOR * LENGTH


@pytest.mark.anyio
async def test_what_many_files_may_take_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = {}
    for number in range(4):
        content = {f"{number}.{each}": tensor("U8", (1,), random.Random(1)) for each in range(3)}
        (tmp_path / f"{number}.safetensors").write_bytes(file_of(content))
        where |= dict.fromkeys(content, f"{number}.safetensors")
    for with_index in (False, True):
        if with_index:
            (tmp_path / INDEX).write_text(json.dumps({"weight_map": where}))
        for name, right, wrong, message in (
            ("MAX_FILES", 5, 3, "more than 3 safetensors files"),
            ("MAX_TENSORS", 12, 11, "more than 11 tensors"),
            ("MAX_HEADERS", 2000, 400, "headers of all files have more than 400 bytes"),
        ):
            limit = f"sealift.tensors.checkpoint_limits.{name}"
            with monkeypatch.context() as patched:
                patched.setattr(limit, right)
                async with AsyncStorage().tensors(tmp_path) as tensors:
                    assert len(tensors.names) == 12
                patched.setattr(limit, wrong)
                with pytest.raises(TensorFileError, match=message):
                    await AsyncStorage().tensors(tmp_path)
