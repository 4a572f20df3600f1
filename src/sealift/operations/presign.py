"""URLs that give access to one object for a limited time."""

from typing import Literal

from ..errors import InvalidConfig, InvalidURI
from .copy import check_writable
from .open_location import OpenLocation

__all__ = ["Method", "presign"]

Method = Literal["GET", "PUT"]


async def presign(place: OpenLocation, method: Method, expires_in: int) -> str:
    """Sign a URL; see `AsyncStorage.presign`."""
    key = place.location.key
    if method not in ("GET", "PUT"):
        raise InvalidConfig(f"method={method!r} is not supported", hint='use "GET" or "PUT"')
    if not isinstance(expires_in, int | float) or not expires_in >= 1 or int(expires_in) != expires_in:
        raise InvalidConfig(f"expires_in={expires_in!r} is not a whole number of seconds", hint="at least 1")
    if not key or key.endswith("/"):
        raise InvalidURI("a URL can be signed for an object only, not for a prefix", uri=str(place.location))
    if method == "PUT":
        check_writable(place)
    return await place.instance.retry(lambda: place.backend.presign(key, method, int(expires_in)))
