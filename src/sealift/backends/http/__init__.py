"""Files at http and https URLs, read-only.

`site` sends requests and follows redirects, `netrc_credentials` finds passwords, `replies` parses responses,
`filenames` derives file names, and `decode` decodes bodies that a server compresses although identity was requested.
"""

from ...config import HTTPConfig, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from ...wire import Origin
from .backend import HTTPBackend
from .netrc_credentials import Credentials, of_url, read_netrc
from .site import Site

__all__ = ["HTTPBackend", "find_credentials", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> HTTPBackend:  # noqa: A001 - the contract's
    """Open the server of a location."""
    config = HTTPConfig() if config is None else config
    if not isinstance(config, HTTPConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for {location.scheme}://", hint="pass an HTTPConfig")
    credentials = await find_credentials(location, config, instance)
    return HTTPBackend(Site(location.at(""), config, instance, credentials), instance)


async def find_credentials(location: Location, config: HTTPConfig, instance: Instance) -> Credentials | None:
    """The credentials of a server in the URL, or else in `~/.netrc`, unless the configuration has some."""
    if "authorization" in map(str.lower, config.headers):
        return None
    if location.login:
        return of_url(location.login)
    host = Origin.of(location.root).host
    return await instance.disk.run(lambda: read_netrc(host, instance.environ))
