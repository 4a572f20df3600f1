"""Files at http and https URLs, read-only.

`site` sends requests and follows redirects, `replies` parses responses, `filenames` derives file names, and `decode`
decodes bodies that a server compresses although identity was requested.
"""

from dataclasses import replace

from ...config import HTTPConfig, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from ...wire import Origin
from .backend import HTTPBackend
from .login import netrc_login, of_url
from .site import Site

__all__ = ["HTTPBackend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> HTTPBackend:  # noqa: A001 - the contract's
    """Open the server of a location."""
    config = HTTPConfig() if config is None else config
    if not isinstance(config, HTTPConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for {location.scheme}://", hint="pass an HTTPConfig")
    if "authorization" not in map(str.lower, config.headers):
        login = of_url(location.login)
        if login is None:
            login = await netrc_login(Origin.of(location.root).host, instance.environ, instance.disk)
        if login is not None:
            config = replace(config, headers={**config.headers, "authorization": login})
    return HTTPBackend(Site(location.at(""), config, instance), instance)
