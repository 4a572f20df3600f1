"""The files that an earlier download has brought in the same version, and that nobody has changed since."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ..backends.local import LocalBackend, Origins
from ..engine.transfer import Transfer
from .call_options import CallOptions
from .open_location import OpenLocation

__all__ = ["find_unchanged", "origins"]

# Files that are checked together in a thread: less than a page of any listing.
_BATCH = 256


def origins(source: OpenLocation, options: CallOptions) -> Origins:
    """What marks the files of a download from this source, so that a later one with the same options finds them."""
    location = source.location
    root = source.backend.address or f"{location.scheme}://{location.root}"
    query = location.query if location.scheme in {"http", "https"} else ""  # elsewhere, it is only a signature
    durable = options.durability == "fsync"
    return Origins(location.scheme, root, query, options.verified_with, durable=durable)


async def find_unchanged(
    transfers: AsyncGenerator[Transfer], target: LocalBackend, options: CallOptions
) -> AsyncGenerator[tuple[Transfer, bool]]:
    """Pass transfers on with whether their files are unchanged since an earlier download of the same version.

    Args:
        transfers: The transfers.
        target: The directory.
        options: Options of the call. A sync compares by itself, and `existing` may say that only names count.
    """
    most = _BATCH if options.signed is None else 1  # a file that was signed is read, which may take seconds
    compared = options.needs_copy is None and options.existing == "overwrite"
    async with aclosing(transfers):
        if not compared or not await target.is_filled():
            async for transfer in transfers:
                yield transfer, False
            return
        batch: list[Transfer] = []
        async for transfer in transfers:
            batch.append(transfer)
            if len(batch) == most:
                for each in await _checked(batch, target):
                    yield each
                batch = []
        for each in await _checked(batch, target):
            yield each


async def _checked(batch: Sequence[Transfer], target: LocalBackend) -> list[tuple[Transfer, bool]]:
    if not batch:
        return []
    found = await target.unchanged([(transfer.key, transfer.obj) for transfer in batch])
    return list(zip(batch, found, strict=True))
