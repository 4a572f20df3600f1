"""The files that an interrupted download has completed, according to its journal."""

from collections.abc import AsyncGenerator, Sequence

from ..backends.local import LocalBackend
from ..compressed_list import CompressedList
from ..engine.transfer import Transfer
from ..integrity import checksums
from ..integrity.content import content_id
from ..persist.download_journal import Claim, Journal, fingerprint
from ..types import Event, KiB, MiB, ObjectInfo
from .call_options import CallOptions
from .open_location import OpenLocation
from .packed_object import Packed, pack, unpack

__all__ = ["CompletedFiles", "report_resumed"]

# Files of up to this size are read back together: a thread reads so many of them, or so many bytes, before it returns.
_SMALL = 256 * KiB
_FILES, _BYTES = 256, 8 * MiB

# A packed object, the path of its file, and the fingerprint that the journal has for both.
_Record = tuple[Packed, str, str]
_Batch = list[tuple[Transfer, str, Sequence[Claim]]]


class CompletedFiles:
    """Collects the files that a journal describes as complete, and reads them back.

    They are read after all others have been listed, so that a download that is resumed begins to transfer at once.

    Args:
        source: Location of the objects.
        target: The directory.
        journal: The download's journal.
        options: Options of the call.
    """

    def __init__(self, source: OpenLocation, target: LocalBackend, journal: Journal, options: CallOptions) -> None:
        self._source = source
        self._target = target
        self._journal = journal
        self._options = options
        self._many = journal.many
        self._scheme = source.backend.location.scheme
        self._claimed: CompressedList[_Record] = CompressedList()

    def add(self, transfer: Transfer) -> bool:
        """Remember a file for `check` if the journal describes it as complete.

        Otherwise, record in the journal which content the file is to have.

        Returns:
            Whether `check` will return the file.
        """
        obj, key = transfer.obj, transfer.key
        if obj.version is None or not obj.size:
            return False
        # A version with the bytes of the one before resumes from that one's parts: a commit on the Hugging Face Hub
        # gives all files a new version. Missing parts are read from the new version.
        identity = fingerprint(obj.key, content_id(self._scheme, obj), obj.size, key)
        if self._journal.claims_file(identity, obj.size):
            self._claimed.append((pack(obj), key, identity))
            return True
        self._journal.expect(key, identity)
        return False

    async def check(self) -> AsyncGenerator[tuple[Transfer, bool]]:
        """Read the files back, and report those that are complete as if they had been transferred.

        Yields:
            Each file, and whether it is complete. If it is not, the journal expects its content.
        """
        batch: _Batch = []
        pending = 0
        for packed, key, identity in self._claimed:
            transfer = Transfer(unpack(packed), key, self._many)
            size = transfer.obj.size or 0
            claims = self._journal.file_claims(identity, size)
            if size > _SMALL or len(claims) > 1:
                yield transfer, await self._check_large(transfer, identity, claims)
                continue
            batch.append((transfer, identity, claims))
            pending += size
            if len(batch) == _FILES or pending >= _BYTES:
                for each in await self._check_small(batch):
                    yield each
                batch, pending = [], 0
        for each in await self._check_small(batch):
            yield each

    async def _check_small(self, batch: _Batch) -> list[tuple[Transfer, bool]]:
        if not batch:
            return []
        files = [(transfer.key, transfer.obj.size or 0, claims[0]) for transfer, _, claims in batch]
        memory = self._source.instance.memory
        buffer = await memory.borrow(max(size for _, size, _ in files), self._journal)
        try:
            stored = await self._target.completed(files, buffer)
        finally:
            memory.give_back(buffer)
        return [
            (transfer, self._settle(transfer, identity, found))
            for (transfer, identity, _), found in zip(batch, stored, strict=True)
        ]

    async def _check_large(self, transfer: Transfer, identity: str, claims: Sequence[Claim]) -> bool:
        stored: ObjectInfo | None = None
        memory = self._source.instance.memory
        for claim in claims:
            buffer = await memory.borrow(claim.length, self._journal)
            try:
                [found] = await self._target.completed([(transfer.key, transfer.obj.size or 0, claim)], buffer)
            finally:
                memory.give_back(buffer)
            if found is None:
                return self._settle(transfer, identity, None)
            stored = stored or found  # the first one: if the file changes meanwhile, it is outdated
        return self._settle(transfer, identity, stored)

    def _settle(self, transfer: Transfer, identity: str, stored: ObjectInfo | None) -> bool:
        if stored is None:
            self._journal.expect(transfer.key, identity)
            return False
        if self._options.on_stored is not None:
            self._options.on_stored(transfer.obj, transfer.key, stored)
        report_resumed(transfer, self._options)
        return True


def report_resumed(transfer: Transfer, options: CallOptions) -> None:
    """Report a file that was completed before as if it had been transferred."""
    on_event = options.on_event
    if on_event is not None:
        obj, key, size = transfer.obj, transfer.key, transfer.obj.size or 0
        # The file was verified before it got its name. Only checksums in the listing say by which algorithm.
        known = checksums.best(obj.checksums, combinable=False) if options.verify else None
        verified = known or "size-only"
        on_event(Event("listed", obj.key, size, target=key))
        on_event(Event("resumed", obj.key, size, target=key))
        on_event(Event("progress", obj.key, size, target=key))
        on_event(Event("object", obj.key, size, verified, target=key))
