"""Files at http and https URLs, read-only.

`site` sends requests and follows redirects, `replies` parses responses, `filenames` derives file names, and `decode`
decodes bodies that a server compresses although identity was requested.
"""

from ...config import HTTPConfig, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from .backend import HTTPBackend
from .site import Site

__all__ = ["HTTPBackend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> HTTPBackend:  # noqa: A001 - the contract's
    """Open the server of a location."""
    config = HTTPConfig() if config is None else config
    if not isinstance(config, HTTPConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for {location.scheme}://", hint="pass an HTTPConfig")
    return HTTPBackend(Site(location.at(""), config, instance), instance)
