"""Which properties of an object a copy of it gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..contract import Backend
from ..errors import AccessDenied, ModelMissingError, UnsupportedOperation
from ..keys import paths
from ..types import ObjectInfo
from ..types.properties import Properties

__all__ = ["carried", "naming_tags", "of_empty"]


async def carried(source: Backend, obj: ObjectInfo, told: Properties, destination: Backend) -> Properties:
    """The properties to store beside the bytes.

    Args:
        source: Where the object is.
        obj: What is copied.
        told: Its properties, as far as a listing, a stat or the reply to a read told them.
        destination: Where the copy goes. Tags are read only if it stores tags.

    Returns:
        The properties; `tags` is None if the object has tags that may not be read.
    """
    if told.tags is not None or not destination.capabilities.tags:
        return told
    try:
        return replace(told, tags=await source.tags(obj))
    except (AccessDenied, UnsupportedOperation):
        return told  # the event of the copy names what it lacks


async def of_empty(source: Backend, obj: ObjectInfo) -> Properties | None:
    """The properties of an empty object, which no reply to a read tells; None: there are none."""
    try:
        return (await source.stat(obj.key)).properties
    except ModelMissingError:
        if paths.is_directory_marker(obj.key, obj.size):
            return None  # SeaweedFS lists directory markers, but does not find them
        raise


@contextmanager
def naming_tags(properties: Properties) -> Iterator[None]:
    """Say of a write that is refused that it had tags, for which services want a permission of its own."""
    try:
        yield
    except AccessDenied as error:
        if properties.tags:
            error.hint = "the object has tags: writing them takes s3:PutObjectTagging, or Azure's permission to tag"
        raise
