"""The properties (content type, metadata, tags …) that are written with an object: those of its source, and options."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..contract import Backend
from ..errors import AccessDenied, ModelMissingError, UnsupportedOperation
from ..keys import paths
from ..types import ObjectInfo
from ..types.properties import NO_PROPERTIES, Properties
from ..types.write_options import WriteOptions, apply_options
from .content_types import properties_by_name

__all__ = ["of_empty_object", "tag_permission_hint", "with_tags", "written_properties"]


def written_properties(known: Properties | None, key: str, options: WriteOptions | None) -> Properties:
    """The properties to write with an object.

    Args:
        known: Those that the source reports; None: none.
        key: The key that the object is written to. Without a Content-Type of the source, its extension determines one.
        options: What the caller sets instead; None: nothing.
    """
    properties = NO_PROPERTIES if known is None else known
    if properties.content_type is None:
        by_name = properties_by_name(key)
        same = properties is NO_PROPERTIES  # true for local files
        properties = by_name if same else replace(properties, content_type=by_name.content_type)
    return apply_options(options, properties)


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
