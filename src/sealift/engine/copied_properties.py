"""The properties (content type, metadata, tags …) that are copied with an object."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..contract import Backend
from ..errors import AccessDenied, ModelMissingError, UnsupportedOperation
from ..keys import paths
from ..types import ObjectInfo
from ..types.properties import Properties

__all__ = ["of_empty_object", "tag_permission_hint", "with_tags"]


async def with_tags(source: Backend, obj: ObjectInfo, known: Properties, destination: Backend) -> Properties:
    """Add an object's tags to its known properties, where the destination stores tags.

    Args:
        source: Where the object is.
        obj: The object.
        known: Its properties from a listing, a stat or the reply to a read.
        destination: Where the copy is written. Tags are read only if it stores them.

    Returns:
        The properties to store; `tags` is None if the object has tags that may not be read.
    """
    if known.tags is not None or not destination.capabilities.tags:
        return known
    try:
        return replace(known, tags=await source.tags(obj))
    except (AccessDenied, UnsupportedOperation):
        return known  # the "object" event reports that the copy lacks its tags


async def of_empty_object(source: Backend, obj: ObjectInfo) -> Properties | None:
    """Fetch the properties of an empty object, which is stored without being read; None: it has none."""
    try:
        return (await source.stat(obj.key)).properties
    except ModelMissingError:
        if paths.is_directory_marker(obj.key, obj.size):
            return None  # SeaweedFS lists directory markers, but HEAD does not find them
        raise


@contextmanager
def tag_permission_hint(properties: Properties) -> Iterator[None]:
    """Add a hint to AccessDenied if tags are written: services require a separate permission for tags."""
    try:
        yield
    except AccessDenied as error:
        if properties.tags:
            error.hint = (
                "the object has tags: writing them requires s3:PutObjectTagging, or the Azure permission to write tags"
            )
        raise
