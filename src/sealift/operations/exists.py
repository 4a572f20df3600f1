"""Whether there is something at a URI."""

from ..errors import ModelMissingError
from .open_location import OpenLocation
from .resolve import IGNORE_SKIPPED, Prefix, resolve

__all__ = ["check_exists"]


async def check_exists(source: OpenLocation) -> bool:
    """Find an object, or a prefix with at least one object; see `AsyncStorage.exists`."""
    try:
        found = await resolve(source.backend, source.location.key, source.instance.retry, IGNORE_SKIPPED)
    except ModelMissingError:
        return False
    if isinstance(found, Prefix):
        await found.objects.aclose()
    return True
