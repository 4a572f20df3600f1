"""Uploads: copies whose source is a local path."""

from .call_options import CallOptions
from .copy import copy
from .open_location import OpenLocation

__all__ = ["upload"]


async def upload(source: OpenLocation, destination: OpenLocation, options: CallOptions) -> bool:
    """Upload a file or directory; see `AsyncStorage.upload`.

    Returns:
        True.
    """
    await copy(source, destination, options)
    return True
