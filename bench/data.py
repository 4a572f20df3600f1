"""The objects that are transferred: made once per session, and checked after every transfer."""

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20


class WrongBytesError(Exception):
    """A client reported success and the files are not those of the source."""


@dataclass(frozen=True, slots=True)
class File:
    """One source object."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a transfer must leave behind: files by their path relative to the target directory."""

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


def _blocks(noise: bytes, number: int, size: int) -> Iterator[bytes | memoryview]:
    """One random block over and over, which is fast to make; a stamp in each keeps ranges and files apart."""
    view = memoryview(noise)
    for start in range(0, size, _BLOCK):
        stamp = number.to_bytes(8, "big") + start.to_bytes(8, "big")
        length = min(_BLOCK, size - start)
        yield (stamp + view[16:length]) if length >= len(stamp) else view[:length]


def check_sizes(target: Path, dataset: Dataset) -> None:
    """Compare names and sizes below `target`: cheap enough to do after every run."""
    found = {path.relative_to(target).as_posix(): path.stat().st_size for path in target.rglob("*") if path.is_file()}
    expected = {path: file.size for path, file in dataset.files.items()}
    if found != expected:
        wrong = sorted(path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path))
        shown = ", ".join(f"{path} ({expected.get(path)} → {found.get(path)} bytes)" for path in wrong[:3])
        raise WrongBytesError(f"{len(wrong)} of {len(expected)} files differ: {shown}")


def check_bytes(target: Path, dataset: Dataset) -> None:
    """Read every byte below `target` and compare its SHA-256 with the source's."""
    check_sizes(target, dataset)
    for path, file in dataset.files.items():
        with (target / path).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                raise WrongBytesError(f"{path} has the right size and the wrong bytes")
