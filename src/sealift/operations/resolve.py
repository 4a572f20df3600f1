"""Whether a URI names an object, a prefix, or nothing."""

from collections.abc import AsyncGenerator, Awaitable, Callable

from ..contract import Backend, Walk
from ..errors import AccessDenied, ModelMissingError, StorageError
from ..frozen_dataclass import dataclass
from ..types import ObjectInfo

__all__ = ["IGNORE_SKIPPED", "Prefix", "Retry", "Stat", "find_object", "resolve"]

Stat = Callable[[str], Awaitable[ObjectInfo]]
Retry = Callable[[Callable[[], Awaitable[ObjectInfo]]], Awaitable[ObjectInfo]]

# For callers that only check whether something exists: skipped entries do not matter.
IGNORE_SKIPPED = Walk(on_skip=lambda _: None)


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix and the objects below it.

    Attributes:
        key: The common prefix of their keys: "" or a key that ends in "/".
        objects: The objects, while the listing arrives; of one level, also the prefixes. The caller closes it.
    """

    key: str
    objects: AsyncGenerator[ObjectInfo]


async def resolve(
    source: Backend,
    key: str,
    retry: Retry,
    walk: Walk,
    stat: Stat | None = None,
    *,
    one_level: bool = False,
) -> ObjectInfo | Prefix:
    """Find the object or prefix of a key; an object wins over a prefix of the same name.

    An empty bucket, container or repository is an empty prefix, and so is an empty directory.

    Args:
        source: Backend to search.
        key: Key of the object, or of the prefix with or without its final "/".
        retry: The retry loop.
        walk: How to list a directory.
        stat: Finds an object. None: `source.stat`.
        one_level: List only one level below a prefix; see `Backend.list_level`.

    Raises:
        ModelMissingError: There is neither.
        AccessDenied: There is no permission to read it, or to find out whether it exists.
    """
    stat = stat or source.stat
    if not source.capabilities.listable:
        return await retry(lambda: stat(key))
    failure: StorageError | None = None
    if key and not key.endswith("/"):
        try:
            return await retry(lambda: stat(key))
        except (ModelMissingError, AccessDenied) as error:
            failure = error
    prefix = key if not key or key.endswith("/") else f"{key}/"
    objects = (source.list_level if one_level else source.list)(prefix, walk)
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
        # The reply to a HEAD has no body: only the listing's reply says why access was denied.
        raise error if failure is None or (error.code and error.code != "AccessDenied") else failure from None
    if isinstance(failure, ModelMissingError):
        raise failure
    cause = f"there is no object {key!r}" if failure else f"there is nothing under {prefix!r}"
    raise ModelMissingError(key, cause=cause)


async def find_object(source: Backend, key: str, retry: Retry, stat: Stat | None = None) -> ObjectInfo:
    """Find one object.

    Args:
        source: Backend to search.
        key: Key of the object.
        retry: The retry loop.
        stat: As in `resolve`.

    Raises:
        ModelMissingError: There is no such object; there may be a prefix of that name.
        AccessDenied: As in `resolve`.
    """
    found = await resolve(source, key, retry, IGNORE_SKIPPED, stat)
    if isinstance(found, Prefix):
        await found.objects.aclose()
        cause = (
            f"there is no object {key!r}, only objects below {found.key!r}"
            if key
            else "the URI names a prefix, not an object"
        )
        raise ModelMissingError(key, cause=cause, hint="name one object; a listing shows those under a prefix")
    return found


async def _exists(source: Backend, key: str) -> bool:
    """Whether a listing contains the object: S3 may reply 403 to a HEAD of a missing object."""
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
        yield first  # for `resolve`: closing a generator that has not started would not close `rest`
        yield first
        async for obj in rest:
            yield obj
    finally:
        await rest.aclose()
