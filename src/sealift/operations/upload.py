"""Uploads: copies whose source is a local path."""

from ..errors import InvalidConfig
from ..uri import Location
from .call_options import CallOptions
from .copy import copy
from .open_location import OpenLocation

__all__ = ["check_local", "upload"]


async def upload(source: OpenLocation, destination: OpenLocation, options: CallOptions) -> bool:
    """Upload a file or directory; see `AsyncStorage.upload`.

    Returns:
        True.
    """
    await copy(source, destination, options)
    return True


def check_local(source: Location) -> None:
    """Raise InvalidConfig if the source of an upload is not a local path or a mounted volume."""
    if source.scheme not in {"file", "pvc"}:
        raise InvalidConfig(f"{source} is not a local path", hint="use copy() between storages")
