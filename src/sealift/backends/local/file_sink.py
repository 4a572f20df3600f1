"""A part of a file, received piece by piece and written in place."""

import os
from collections.abc import Callable, Mapping, Sequence

from ...errors import ObjectChanged, StorageError
from ...integrity.checksums import extend_crc
from ...persist.download_journal import Claim
from ...runtime.reserve import reserve
from ...types import MiB, Part
from .files import crc_algorithm, read_into, storage_error

__all__ = ["FileSink"]

# Bytes between two claims in the journal: what a kill costs, at most, besides the piece.
_CLAIM_EVERY = MiB
# A CRC that no single byte has: a claim that is never true, and replaces those about the same part.
_NO_BYTE = "00000000"


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
        self._claim_crc = crc_algorithm(part.size)
        self._algorithms = {each for each in (algorithm, self._claim_crc if claim else None) if each is not None}
        self._claimed = 0
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
        if self._claimed:  # what was received cannot be relied on, nor may a later process
            self._record(Claim(self._part.start, 1, _NO_BYTE))
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
        if not self._written:
            reserve(self.descriptor, self._part.start, self._part.size)
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self.descriptor, data[done:], self.position + done)
        except OSError as error:
            raise self.write_error(error) from None
        self.advance(len(data), crcs)

    def write_error(self, error: OSError) -> StorageError:
        error.filename = self._path  # the OSError has only the descriptor
        return storage_error(error)

    def recall(self, claims: Sequence[Claim]) -> bool:
        """Read back bytes that an earlier process has written; advance over those that are as it claims.

        Args:
            claims: What the journal says about the beginning of the part, in order.

        Returns:
            Whether there are any.
        """
        for claim in claims:
            crcs, crc, end = self.crcs, 0, self._written + claim.length
            algorithm = crc_algorithm(claim.length)
            while self._written + self._buffered < end:
                piece = self._piece[: end - self._written - self._buffered]
                if not read_into(self.descriptor, self.position + self._buffered, piece):
                    break
                crc = extend_crc(algorithm, piece, crc)
                crcs = {name: extend_crc(name, piece, crcs[name]) for name in crcs}
                self._buffered += len(piece)
            complete, self._buffered = self._written + self._buffered == end, 0
            if not complete or claim.crc != f"{crc:08x}":
                break
            self._written, self.crcs = end, crcs
        self._claimed = self._written
        return self._written > 0

    def read_back(self, update: Callable[[memoryview], None]) -> None:
        done = 0
        while done < self._part.size:
            piece = self._piece[: self._part.size - done]
            try:
                complete = read_into(self.descriptor, self._part.start + done, piece)
            except OSError as error:
                raise self.write_error(error) from None
            if not complete:
                raise ObjectChanged(f"{self._path} was truncated while it was written")
            update(piece)
            done += len(piece)

    def advance(self, count: int, crcs: Mapping[str, int]) -> None:
        self._buffered = 0  # without a call before the next line: another thread may ask for the length
        self._written += count
        self.crcs = crcs
        complete = self._written == self._part.size
        if self._claim is not None and (complete or self._written - self._claimed >= _CLAIM_EVERY):
            self._claimed = self._written
            self._record(Claim(self._part.start, self._written, f"{crcs[self._claim_crc]:08x}"))

    def _record(self, claim: Claim) -> None:
        if self._claim is None:
            return
        try:
            self._claim(claim)
        except OSError as error:
            raise self.write_error(error) from None
