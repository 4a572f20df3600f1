"""The files of a transfer that is killed, and the checks that must hold at any time."""

import random
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from sealift.types import KiB, MiB
from tests.api.helpers import all_in, files_in

from .case import Violation
from .injection import Direction
from .messages import Request
from .storage import Endpoints, StorageServer

__all__ = ["IN_FLIGHT", "UNJOURNALED", "Payload", "Shape"]

# One large object; many files, which a download writes one by one into an existing directory; or many files that appear
# at once, because the directory does not exist.
Shape = Literal["object", "directory", "tree"]

# Parts that the program may hold in memory at once, which a kill may cost.
IN_FLIGHT = 2
# Bytes of small files that may not be in the journal yet, which a kill may cost too.
UNJOURNALED = 256 * KiB
_STATE = ".sealift"


class Payload:
    """Some files, their source and their destination.

    Args:
        storage: The remote side.
        direction: Download or upload.
        shape: See `Shape`.
        rng: Seeded; chooses sizes and bytes.
        work: A directory that does not exist yet.

    Attributes:
        part: Bytes of a part.
        files: Path → content.
    """

    def __init__(
        self, storage: StorageServer, direction: Direction, shape: Shape, rng: random.Random, work: Path
    ) -> None:
        self.storage = storage
        self.direction = direction
        self.shape = shape
        self.work = work
        self.part = max(storage.part, 256 * KiB) if direction == "upload" else 256 * KiB
        self.files: dict[str, bytes] = {}
        self._rng = rng
        self._sizes = _large(self.part) if shape == "object" else _many(self.part, rng)
        self._prefix = f"k{next(storage.numbers)}"
        self._root = work / "local" if shape == "object" else work / "local" / "files"
        self._seen: set[str] = set()
        (self._root.parent if shape == "tree" else self._root).mkdir(parents=True)
        self.renew()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self._sizes.values())

    @property
    def cost(self) -> int:
        """Bytes that a kill may cost."""
        return IN_FLIGHT * self.part + (UNJOURNALED if self.direction == "download" and self.shape != "object" else 0)

    def renew(self) -> None:
        """Replace the source by other bytes of the same lengths."""
        self.files = {path: self._rng.randbytes(size) for path, size in self._sizes.items()}
        if self.direction == "download":
            self.storage.put(self._prefix, self.files)
            return
        for path, data in self.files.items():
            (self._root / path).parent.mkdir(parents=True, exist_ok=True)
            (self._root / path).write_bytes(data)

    def ends(self, endpoints: Endpoints) -> tuple[str, str]:
        """The source and the destination."""
        uri, path = self.storage.uri(endpoints, self._prefix), str(self._root)
        if self.shape == "object":
            uri, path = f"{uri}/large.bin", f"{path}/large.bin"
        return (uri, path) if self.direction == "download" else (path, uri)

    def path_of(self, request: Request) -> str | None:
        """The file that a request is for, if its URL says so."""
        target = unquote(request.target.partition("?")[0])
        return next((path for path in self.files if target.endswith(f"/{self._prefix}/{path}")), None)

    def finished(self) -> AbstractSet[str]:
        """The files that exist under their final names.

        Raises:
            Violation: One of them is incomplete, or a directory that must appear at once is incomplete.
        """
        if self.direction == "upload":
            found = self._stored()
        elif self.shape == "tree" and not self._root.exists():
            return set()
        else:
            found = {path: data for path in self.files if (data := _read(self._root / path)) is not None}
        if wrong := {path: len(data) for path, data in found.items() if data != self.files.get(path)}:
            raise Violation(f"wrong files under their final names: {wrong}")
        if self.shape == "tree" and self.direction == "download" and len(found) < len(self.files):
            raise Violation(f"the directory appeared with only {len(found)} of {len(self.files)} files")
        return found.keys()

    def check_left(self) -> None:
        """Check that a killed process leaves as much as one kill does, however many kills there were.

        Raises:
            Violation: It left more.
        """
        directory = self._root.parent if self.shape == "tree" else self._root
        left = {path.name for path in (directory / _STATE).glob("*")}
        self._seen |= left | all_in(self.work / "state" / "sealift" / "uploads")
        kinds = [sum(name.endswith(end) for name in left) for end in (".journal", ".tree", ".part")]
        if any(count > most for count, most in zip(kinds, (1, self.shape == "tree", len(self.files)), strict=True)):
            raise Violation(f"the .sealift directory contains {left}")
        if sum(kinds) < len(left) or len(self._seen) > len(self.files) + 2:
            raise Violation(f"leftovers accumulate: {self._seen}")

    def check_whole(self) -> None:
        """Check that all files exist, and nothing else.

        Raises:
            Violation: Files are missing or wrong, or something else is left.
        """
        found = files_in(self._root) if self.direction == "download" else self._stored()
        if found != self.files:
            raise Violation(f"the destination contains { ({name: len(each) for name, each in found.items()}) }")
        local = self.work / "local"
        if (left := all_in(local)) != _paths(self._root.relative_to(local) / path for path in self.files):
            raise Violation(f"left behind: {left}")
        if state := files_in(self.work / "state"):
            raise Violation(f"left behind in the state directory: {set(state)}")

    def _stored(self) -> dict[str, bytes]:
        return self.storage.content(self._prefix) if self.storage.content is not None else {}


def _large(part: int) -> dict[str, int]:
    return {"large.bin": (40 if part < MiB else 8) * part + 17}


def _many(part: int, rng: random.Random) -> dict[str, int]:
    """Small files of one part, files with several parts in a download, and two with several parts in an upload."""
    sizes = {f"small/{number}.json": rng.randrange(1, 40 * KiB) for number in range(8)}
    sizes |= {f"{number}.bin": rng.randrange(200 * KiB, 900 * KiB) for number in range(14)}
    sizes |= {f"deep/er/{number}.bin": rng.randrange(MiB, 3 * MiB) for number in range(4)}
    return sizes | {f"large/{number}.bin": 2 * part + 17 for number in range(2)}


def _paths(files: Iterable[Path]) -> set[str]:
    """The files, and their parent directories."""
    return {str(each) for file in files for each in (file, *file.parents)} - {"."}


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
