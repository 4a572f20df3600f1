"""The objects that are transferred: created once per session, and checked after every transfer."""

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20


class WrongBytesError(Exception):
    """A client reported success, but its files differ from the source."""


@dataclass(frozen=True, slots=True)
class File:
    """One source object."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """The expected result of a transfer: files by path relative to the destination directory or prefix."""

    files: Mapping[str, File]

    @property
    def total(self) -> int:
        return sum(file.size for file in self.files.values())


def make(root: Path, sizes: Mapping[str, int]) -> Dataset:
    """Write one file of random bytes per entry of `sizes` (bytes, by path below `root`)."""
    noise = random.Random(2).randbytes(_BLOCK)
    files = {}
    for number, (path, size) in enumerate(sizes.items()):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with target.open("wb") as out:
            for block in _blocks(noise, number, size):
                digest.update(block)
                out.write(block)
        files[path] = File(size, digest.hexdigest())
    return Dataset(files)


def touch_memory(size: int, directory: Path) -> None:
    """Give every run the same kind of memory: write and remove a file as large as the data of the run.

    A virtual machine may have returned its free memory to the host, and touching it again costs several times as
    much as the write itself.

    Args:
        size: Size of the file in bytes.
        directory: Where to write it.
    """
    filler, block = directory / "filler", bytes(16 * _BLOCK)
    with filler.open("wb", buffering=0) as out:
        for _ in range(0, size, len(block)):
            out.write(block)
    filler.unlink()


def _blocks(noise: bytes, number: int, size: int) -> Iterator[bytes | memoryview]:
    """Repeat one random block, which is fast; a stamp in each block makes all ranges and files different."""
    view = memoryview(noise)
    for start in range(0, size, _BLOCK):
        stamp = number.to_bytes(8, "big") + start.to_bytes(8, "big")
        length = min(_BLOCK, size - start)
        yield (stamp + view[16:length]) if length >= len(stamp) else view[:length]


def sizes(directory: Path) -> dict[str, int]:
    """The size of each file below `directory`, by relative path."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.stat().st_size for path in files}


def digests(directory: Path) -> dict[str, str]:
    """The SHA-256 of each file below `directory`, by relative path: reads every byte."""
    found = {}
    for path in sizes(directory):
        with (directory / path).open("rb") as stream:
            found[path] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def check_sizes(found: Mapping[str, int], dataset: Dataset) -> None:
    """Compare names and sizes, which is cheap enough to do after every run."""
    _compare(found, {path: file.size for path, file in dataset.files.items()}, "bytes")


def check_digests(found: Mapping[str, str], dataset: Dataset) -> None:
    """Compare names and SHA-256."""
    _compare(found, {path: file.sha256 for path, file in dataset.files.items()}, "SHA-256")


def _compare(found: Mapping[str, object], expected: Mapping[str, object], what: str) -> None:
    if found != expected:
        wrong = sorted(path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path))
        shown = ", ".join(f"{path} ({expected.get(path)} → {found.get(path)} {what})" for path in wrong[:3])
        raise WrongBytesError(f"{len(wrong)} of {len(expected)} files differ: {shown}")
