"""What is moved by a transfer that is killed, and what has to be true of it at any time."""

import random
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from sealift.types import KiB, MiB
from tests.api.helpers import all_in, files_in

from .case import Violation
from .harm import Direction
from .messages import Asked
from .place import Doors, Place

__all__ = ["IN_FLIGHT", "UNTOLD", "Cargo", "Shape"]

# One large object; many files, of which a download brings one by one into a directory that is there, or which appear
# as a whole, as the directory is not there.
Shape = Literal["object", "directory", "tree"]

# Parts that the program may hold in memory at once: what a kill may cost.
IN_FLIGHT = 2
# Bytes of small files that the journal need not tell of yet: a kill may cost them, too.
UNTOLD = 256 * KiB
_STATE = ".sealift"


class Cargo:
    """Some files, here or at a place, and where they are going.

    Args:
        place: The other end.
        direction: Seen from this machine.
        shape: What they are.
        dice: Seeded: decides on sizes and bytes.
        work: A directory that is not there yet.

    Attributes:
        part: Bytes of a part.
        files: Path → content.
    """

    def __init__(self, place: Place, direction: Direction, shape: Shape, dice: random.Random, work: Path) -> None:
        self.place = place
        self.direction = direction
        self.shape = shape
        self.work = work
        self.part = max(place.part, 256 * KiB) if direction == "upload" else 256 * KiB
        self.files: dict[str, bytes] = {}
        self._dice = dice
        self._sizes = _large(self.part) if shape == "object" else _many(self.part, dice)
        self._prefix = f"k{next(place.numbers)}"
        self._root = work / "here" if shape == "object" else work / "here" / "files"
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
        return IN_FLIGHT * self.part + (UNTOLD if self.direction == "download" and self.shape != "object" else 0)

    def renew(self) -> None:
        """Other bytes at the source, of the same lengths."""
        self.files = {path: self._dice.randbytes(size) for path, size in self._sizes.items()}
        if self.direction == "download":
            self.place.put(self._prefix, self.files)
            return
        for path, data in self.files.items():
            (self._root / path).parent.mkdir(parents=True, exist_ok=True)
            (self._root / path).write_bytes(data)

    def ends(self, doors: Doors) -> tuple[str, str]:
        """From where, and to where."""
        uri, path = self.place.uri(doors, self._prefix), str(self._root)
        if self.shape == "object":
            uri, path = f"{uri}/large.bin", f"{path}/large.bin"
        return (uri, path) if self.direction == "download" else (path, uri)

    def path_of(self, asked: Asked) -> str | None:
        """The file that a request is for, where its address tells."""
        target = unquote(asked.target.partition("?")[0])
        return next((path for path in self.files if target.endswith(f"/{self._prefix}/{path}")), None)

    def finished(self) -> AbstractSet[str]:
        """The files that are there under their final names.

        Raises:
            Violation: One of them is not whole, or a directory that is to appear as a whole has not.
        """
        if self.direction == "upload":
            found = self._stored()
        elif self.shape == "tree" and not self._root.exists():
            return set()
        else:
            found = {path: data for path in self.files if (data := _read(self._root / path)) is not None}
        if wrong := {path: len(data) for path, data in found.items() if data != self.files.get(path)}:
            raise Violation(f"under their final names are {wrong}")
        if self.shape == "tree" and self.direction == "download" and len(found) < len(self.files):
            raise Violation(f"the directory is there, with {len(found)} of {len(self.files)} files")
        return found.keys()

    def check_left(self) -> None:
        """What a killed program has left is what one leaves, however many there have been.

        Raises:
            Violation: It is more.
        """
        directory = self._root.parent if self.shape == "tree" else self._root
        left = {path.name for path in (directory / _STATE).glob("*")}
        self._seen |= left | all_in(self.work / "state" / "sealift" / "uploads")
        kinds = [sum(name.endswith(end) for name in left) for end in (".journal", ".tree", ".part")]
        if any(count > most for count, most in zip(kinds, (1, self.shape == "tree", len(self.files)), strict=True)):
            raise Violation(f"a dot directory holds {left}")
        if sum(kinds) < len(left) or len(self._seen) > len(self.files) + 2:
            raise Violation(f"leftovers pile up: {self._seen}")

    def check_whole(self) -> None:
        """All is there, and nothing else.

        Raises:
            Violation: It is not so.
        """
        found = files_in(self._root) if self.direction == "download" else self._stored()
        if found != self.files:
            raise Violation(f"there are { ({name: len(each) for name, each in found.items()}) }")
        here = self.work / "here"
        if (left := all_in(here)) != _paths(self._root.relative_to(here) / path for path in self.files):
            raise Violation(f"{left} is left")
        if state := files_in(self.work / "state"):
            raise Violation(f"{set(state)} is left of the state")

    def _stored(self) -> dict[str, bytes]:
        return self.place.content(self._prefix) if self.place.content is not None else {}


def _large(part: int) -> dict[str, int]:
    return {"large.bin": (40 if part < MiB else 8) * part + 17}


def _many(part: int, dice: random.Random) -> dict[str, int]:
    """Small files, which come in one piece; some in several parts of a download; and two in several of an upload."""
    sizes = {f"small/{number}.json": dice.randrange(1, 40 * KiB) for number in range(8)}
    sizes |= {f"{number}.bin": dice.randrange(200 * KiB, 900 * KiB) for number in range(14)}
    sizes |= {f"deep/er/{number}.bin": dice.randrange(MiB, 3 * MiB) for number in range(4)}
    return sizes | {f"large/{number}.bin": 2 * part + 17 for number in range(2)}


def _paths(files: Iterable[Path]) -> set[str]:
    """Files, and the directories above them."""
    return {str(each) for file in files for each in (file, *file.parents)} - {"."}


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
