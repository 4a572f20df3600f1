"""A part of a file, received piece by piece and written in place."""

from collections.abc import Callable, Mapping, Sequence

from ...errors import ObjectChanged, StorageError
from ...integrity.crc import extend_crc
from ...persist.download_journal import Claim
from ...types import MiB, Part
from ...wire import RangeWriter
from .files import crc_algorithm, read_into, storage_error

__all__ = ["FileSink"]

# Bytes between two claims in the journal: what a kill costs, at most, besides the piece.
_CLAIM_EVERY = MiB
# A CRC that no single byte has: a claim that is never true, and replaces those about the same part.
_NO_BYTE = "00000000"


class FileSink(RangeWriter):
    """A range of an open file; see `lane_contract.FileRange`.

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
        self._claim_crc = crc_algorithm(part.size)
        algorithms = {each for each in (algorithm, self._claim_crc if claim else None) if each is not None}
        super().__init__(descriptor, part.start, part.size, dict.fromkeys(algorithms, 0), piece)
        self._path = path
        self._claim = claim
        self._claimed = 0

    def rewind(self) -> None:
        if self._claimed:  # what was received cannot be relied on, nor may a later process
            self._record(Claim(self._start, 1, _NO_BYTE))
        self._claimed = 0
        super().rewind()

    def _store(self) -> Mapping[str, int]:
        try:
            return super()._store()
        except OSError as error:
            raise self.write_error(error) from None

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
        while done < self._size:
            piece = self._piece[: self._size - done]
            try:
                complete = read_into(self.descriptor, self._start + done, piece)
            except OSError as error:
                raise self.write_error(error) from None
            if not complete:
                raise ObjectChanged(f"{self._path} was truncated while it was written")
            update(piece)
            done += len(piece)

    def advance(self, count: int, crcs: Mapping[str, int]) -> None:
        super().advance(count, crcs)
        complete = self._written == self._size
        if self._claim is not None and (complete or self._written - self._claimed >= _CLAIM_EVERY):
            self._claimed = self._written
            self._record(Claim(self._start, self._written, f"{crcs[self._claim_crc]:08x}"))

    def _record(self, claim: Claim) -> None:
        if self._claim is None:
            return
        try:
            self._claim(claim)
        except OSError as error:
            raise self.write_error(error) from None
