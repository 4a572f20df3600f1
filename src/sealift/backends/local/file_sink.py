"""A part of a file, received piece by piece and written in place."""

import os
from collections.abc import Callable, Mapping

from ...integrity.checksums import extend_crc
from ...persist.download_journal import Claim
from ...types import MiB, Part
from .files import read_into

__all__ = ["FileSink"]

JOURNAL_CRC = "crc32c"
"""Algorithm of the claims about parts."""

# Bytes between two claims in the journal: what a kill costs, at most, besides the piece.
_CLAIM_EVERY = MiB


class FileSink:
    """A range of an open file; see `contract.FileRange`.

    Args:
        path: Path of the file, for errors.
        descriptor: The file, open for reading and writing.
        part: The range.
        piece: Memory for the bytes that are received and not written yet.
        algorithm: Checksum to compute, one that combines; None: none.
        claim: Records in the journal that the first bytes of the part are written; None: there is no journal.
    """

    def __init__(
        self,
        path: str,
        descriptor: int,
        part: Part,
        piece: memoryview,
        algorithm: str | None,
        claim: Callable[[Claim], None] | None,
    ) -> None:
        self.descriptor = descriptor
        self._path = path
        self._part = part
        self._piece = piece
        self._claim = claim
        self._algorithms = {each for each in (algorithm, JOURNAL_CRC if claim else None) if each is not None}
        self.rewind()

    def __len__(self) -> int:
        return self._part.size - self._written - self._buffered

    @property
    def position(self) -> int:
        return self._part.start + self._written

    @property
    def received(self) -> int:
        """Bytes of the part that were received so far. May be read by another thread."""
        return self._written + self._buffered

    def rewind(self) -> None:
        self._written = self._buffered = self._claimed = 0
        self.crcs: Mapping[str, int] = dict.fromkeys(self._algorithms, 0)

    def space(self) -> memoryview:
        return self._piece[self._buffered : self._buffered + len(self)]

    def filled(self, count: int) -> None:
        self._buffered += count
        if self._buffered == len(self._piece):
            self.flush()

    def flush(self) -> None:
        data = self._piece[: self._buffered]
        if not data:
            return
        crcs = {name: extend_crc(name, data, crc) for name, crc in self.crcs.items()}  # while they are in the cache
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self.descriptor, data[done:], self.position + done)
        except OSError as error:
            error.filename = self._path  # the OSError has only the descriptor
            raise
        self._buffered = 0
        self.advance(len(data), crcs)

    def recall(self, claim: Claim) -> bool:
        """Read back bytes that an earlier process has written; advance over them if they are as it claims.

        Args:
            claim: What the journal says about the beginning of the part.

        Returns:
            Whether they are.
        """
        crcs, done = dict.fromkeys({*self._algorithms, JOURNAL_CRC}, 0), 0
        while done < claim.length:
            piece = self._piece[: claim.length - done]
            if not read_into(self.descriptor, self._part.start + done, piece):
                return False
            crcs = {name: extend_crc(name, piece, crc) for name, crc in crcs.items()}
            done += len(piece)
        if claim.crc != f"{crcs[JOURNAL_CRC]:08x}":
            return False
        self._written = self._claimed = done
        self.crcs = {name: crcs[name] for name in self._algorithms}
        return True

    def advance(self, count: int, crcs: Mapping[str, int]) -> None:
        self._written += count
        self.crcs = crcs
        complete = self._written == self._part.size
        if self._claim is not None and (complete or self._written - self._claimed >= _CLAIM_EVERY):
            self._claimed = self._written
            self._claim(Claim(self._part.start, self._written, f"{crcs[JOURNAL_CRC]:08x}"))
