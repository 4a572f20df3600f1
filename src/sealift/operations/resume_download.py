"""What a download that was killed has left, and going on with it."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio

from ..backends.local import LocalBackend, open_state_directory
from ..contract import Backend
from ..engine.transfer import Transfer
from ..errors import AccessDenied, IntegrityError, ModelMissingError, ObjectChanged, ServiceError, TransportError
from ..instance import Instance
from ..integrity import checksums
from ..integrity.content import content_id
from ..persist.download_journal import Journal, fingerprint
from ..types import Event
from .selection import Options

__all__ = ["is_there", "journal_of"]

# What may go better the next time.
_PASSING = (
    AccessDenied,
    IntegrityError,
    ObjectChanged,
    ServiceError,
    TransportError,
    asyncio.CancelledError,
)


@asynccontextmanager
async def journal_of(instance: Instance, state: str, *download: object, many: bool) -> AsyncGenerator[Journal]:
    """The journal of a download.

    In the end all that the download has in the dot directory is removed, and the directory if it is empty; but if the
    download was cancelled, or failed in a way that may pass, what has landed stays for the next one.

    Args:
        instance: Of the instance.
        state: The dot directory.
        download: What tells it from others: where the objects come from, where they go, and how they are verified.
        many: Of a prefix, not of one object; the dot directory is made at once.

    Returns:
        The journal, which may be another process's, at the same download: see `Journal.in_use`.
    """
    journal = Journal(state, fingerprint(*download), many=many)
    disk = LocalBackend("/", instance.disk)

    def begin() -> None:
        while many or os.path.lexists(state):
            os.close(open_state_directory(state))
            with suppress(FileNotFoundError):  # others have removed it again, as it was empty
                journal.open()
                break

    def end(*, keep: bool) -> None:
        journal.close(keep=keep)
        with suppress(OSError):  # others use it, or it was never made
            os.rmdir(state)

    keep = False
    try:
        await disk.run(begin)
        yield journal
    except _PASSING as error:
        keep = many or not isinstance(error, ObjectChanged)  # of another version nothing is left to fetch
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await disk.run(lambda: end(keep=keep))


async def is_there(
    instance: Instance,
    source: Backend,
    target: LocalBackend,
    journal: Journal,
    transfer: Transfer,
    options: Options,
) -> bool:
    """Tell the journal what a file is to hold, and whether an earlier process has finished it.

    Args:
        instance: Of the instance.
        source: Where the object is.
        target: The directory.
        journal: Of the download.
        transfer: The object, and the file's path below the directory.
        options: Told of a file that is there as if it had been moved.
    """
    obj, key = transfer.obj, transfer.key
    if obj.version is None or not obj.size:
        return False
    # A version that has the bytes of the one before goes on with what that has left: a commit of the hub gives all
    # files a new version. What is still missing is read from the new one.
    journal.expect(key, fingerprint(obj.key, content_id(source.location.scheme, obj), obj.size, key))
    claims = journal.file_claims(key, obj.size)
    if not claims:
        return False
    stored = None
    if options.on_stored is not None:
        try:
            stored = await target.stat(key)  # before it is read: of a file that changes meanwhile, this is outdated
        except ModelMissingError:
            return False
    for claim in claims:
        buffer = await instance.memory.borrow(claim.length, journal)
        try:
            if not await target.holds(key, obj.size, claim, buffer):
                return False
        finally:
            instance.memory.give_back(buffer)
    await target.keep(key)
    if options.on_stored is not None and stored is not None and stored.size == obj.size:
        options.on_stored(obj, key, stored)
    if options.on_event is not None:
        # It had been verified before it got its name; by what, only a listing that tells checksums says.
        verified = checksums.best(obj.checksums, combinable=False) or "size-only"
        options.on_event(Event("listed", obj.key, obj.size, target=key))
        options.on_event(Event("resumed", obj.key, obj.size, target=key))
        options.on_event(Event("progress", obj.key, obj.size, target=key))
        options.on_event(Event("object", obj.key, obj.size, verified, target=key))
    return True
