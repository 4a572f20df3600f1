"""Does a URI name an object, a prefix, or nothing?"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from ..contract import Backend, Walk
from ..errors import AccessDenied, ModelMissingError, StorageError
from ..runtime.retry import Retry
from ..types import ObjectInfo

__all__ = ["LOOK", "Prefix", "find_object", "resolve"]

# For who only looks whether something is there: what a listing leaves out does not matter.
LOOK = Walk(on_skip=lambda _: None)


@dataclass(frozen=True, slots=True)
class Prefix:
    """Many objects.

    Attributes:
        key: What their keys begin with: "" or something that ends in "/".
        objects: All of them, while the listing arrives; to be closed.
    """

    key: str
    objects: AsyncGenerator[ObjectInfo]


async def resolve(source: Backend, key: str, retry: Retry, walk: Walk) -> ObjectInfo | Prefix:
    """Find what is there; an object wins over a prefix of the same name.

    An empty bucket, container or repository is an empty prefix, and so is an empty directory.

    Args:
        source: Where to look.
        key: Of the object, or of the prefix with or without its "/".
        retry: The retry loop.
        walk: How to list a directory.

    Raises:
        ModelMissingError: Neither.
        AccessDenied: It may not be read, or it may not be known whether it is there.
    """
    if not source.capabilities.listable:
        return await retry(lambda: source.stat(key))
    failure: StorageError | None = None
    if key and not key.endswith("/"):
        try:
            return await retry(lambda: source.stat(key))
        except (ModelMissingError, AccessDenied) as error:
            failure = error
    prefix = key if not key or key.endswith("/") else f"{key}/"
    objects = source.list(prefix, walk)
    try:
        first = await anext(objects, None)
        if first is None and not prefix:
            return Prefix(prefix, objects)
        if first is not None:
            chained = _chain(first, objects)
            await anext(chained)
            return Prefix(prefix, chained)
        if isinstance(failure, AccessDenied) and await _exists(source, key):
            raise failure
    except AccessDenied as error:
        if isinstance(failure, ModelMissingError):
            cause = f"there is no object {key!r}, and no permission to list {prefix!r}"
            raise ModelMissingError(key, cause=cause, hint="check the key, or the credentials") from None
        # The reply to a HEAD has no body: only the listing's says more than "no".
        raise error if failure is None or (error.code and error.code != "AccessDenied") else failure from None
    if isinstance(failure, ModelMissingError):
        raise failure
    cause = f"there is no object {key!r}" if failure else f"there is nothing under {prefix!r}"
    raise ModelMissingError(key, cause=cause)


async def find_object(source: Backend, key: str, retry: Retry) -> ObjectInfo:
    """Find one object.

    Raises:
        ModelMissingError: There is none of this name; there may be a prefix.
        AccessDenied: As in `resolve`.
    """
    found = await resolve(source, key, retry, LOOK)
    if isinstance(found, Prefix):
        await found.objects.aclose()
        cause = f"there is no object {key!r}, only objects below {found.key!r}" if key else "this names many objects"
        raise ModelMissingError(key, cause=cause)
    return found


async def _exists(source: Backend, key: str) -> bool:
    """Whether a listing shows the object: a HEAD that was refused (403) may also stand for a missing one."""
    objects = source.list(key)
    try:
        async for obj in objects:
            if obj.key == key:
                return True
        return False
    finally:
        await objects.aclose()


async def _chain(first: ObjectInfo, rest: AsyncGenerator[ObjectInfo]) -> AsyncGenerator[ObjectInfo]:
    try:
        yield first  # to `resolve`: closing a generator that has not begun would not close what it chains
        yield first
        async for obj in rest:
            yield obj
    finally:
        await rest.aclose()
