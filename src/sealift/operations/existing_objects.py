"""Objects that the destination has already: what `existing="skip"` and `existing="fail"` do about them.

The names are looked up before anything is written. An object that appears at the destination afterwards is not replaced
either, where the service can decide that (`overwrite=False` in `contract.py`).
"""

import os
import pickle
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..backends.local import LocalBackend
from ..compressed_list import CompressedList
from ..contract import Backend, Walk
from ..engine.transfer import Transfer
from ..errors import ModelMissingError, ObjectExists
from ..instance import Instance
from ..keys.patterns import Patterns
from ..types import ObjectInfo
from .listed_objects import ListedObjects
from .open_location import OpenLocation
from .selection import Exists

__all__ = ["exists_in_directory", "exists_in_storage", "exists_object", "find_object", "only_new", "refuse"]

# Names that an error quotes.
_QUOTED = 3


async def exists_in_storage(destination: OpenLocation, prefix: str, patterns: Patterns) -> Exists | None:
    """Look up which objects there are below a prefix.

    Args:
        destination: Its bucket or container.
        prefix: The prefix, "" or ending in "/".
        patterns: Directories in which they exclude everything are not read.

    Returns:
        The lookup; None: there are none at all.
    """
    listed = ListedObjects()
    walk = Walk(lambda key: patterns.may_match_below(key[len(prefix) :]), lambda _: None)
    async with aclosing(destination.backend.list(prefix, walk)) as objects:
        async for obj in objects:
            listed.add(obj.key[len(prefix) :], ObjectInfo("", None))
    listed.sort()

    async def exists(path: str) -> bool:
        return listed.find(path) is not None

    return exists if len(listed) else None


async def exists_in_directory(target: LocalBackend) -> Exists | None:
    """Look up which files, links and other entries there are in a directory; as `exists_in_storage`.

    Args:
        target: The directory, which need not exist.
    """
    if not await target.is_filled():
        return None

    async def exists(path: str) -> bool:
        return await target.run(lambda: os.path.lexists(target.path(path)), short=True)

    return exists


async def exists_object(destination: OpenLocation, key: str) -> bool:
    """Whether the destination of one object exists."""
    return await find_object(destination.backend, key, destination.instance) is not None


async def find_object(backend: Backend, key: str, instance: Instance) -> ObjectInfo | None:
    """Look up one object; None: there is none."""
    try:
        return await instance.retry(lambda: backend.stat(key))
    except ModelMissingError:
        return None


def refuse(*names: str, number: int | None = None) -> None:
    """Raise an error about objects that exist.

    Args:
        names: Names of some of them.
        number: How many there are. None: those that are named.

    Raises:
        ObjectExists: There are any.
    """
    number = len(names) if number is None else number
    if number:
        quoted = ", ".join(map(repr, names)) + (f" and {number - len(names):,} more" if number > len(names) else "")
        verb = "exists" if number == 1 else "exist"
        hint = "choose another destination, or skip or overwrite what exists"
        raise ObjectExists(f"{quoted} {verb} already; nothing was written", hint=hint)


async def only_new(transfers: AsyncGenerator[Transfer], exists: Exists | None) -> AsyncGenerator[Transfer]:
    """Pass transfers on once all of them are known to be new.

    Args:
        transfers: The transfers; all of them are listed before the first is passed on.
        exists: Given the key of a transfer, returns whether the destination has it. None: it has none.

    Raises:
        ObjectExists: The destination has some of them.
    """
    async with aclosing(transfers):
        if exists is None:
            async for transfer in transfers:
                yield transfer
            return
        rows: CompressedList[tuple[bytes, str, bool]] = CompressedList()
        found: list[str] = []
        number = 0
        async for transfer in transfers:
            rows.append((pickle.dumps(transfer.obj), transfer.key, transfer.listed))
            if await exists(transfer.key):
                number += 1
                if len(found) < _QUOTED:
                    found.append(transfer.key)
    refuse(*found, number=number)
    for packed, key, listed in rows:
        yield Transfer(pickle.loads(packed), key, listed)  # noqa: S301 - packed above
