"""HDFS through WebHDFS or HttpFS, read-only.

`address` decides which namenode and directory a URI means, and `namenode` sends requests to it, also where several
share the work. Bodies come from datanodes, to which the namenode redirects. `replies` parses responses, `checksum` the
checksums of files, `secret_directory` reads KServe's secret, and `kerberos` signs in with Kerberos.
"""

from ...config import HDFSConfig, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from .address import address_of
from .backend import WebHDFSBackend
from .namenode import Namenode
from .secret_directory import environment_config

__all__ = ["WebHDFSBackend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> WebHDFSBackend:  # noqa: A001 - the contract's
    """Open the file system of a location."""
    if config is None:
        config = await environment_config(instance)
    if not isinstance(config, HDFSConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for {location.scheme}://", hint="pass an HDFSConfig")
    address = address_of(location, config)
    return WebHDFSBackend(location.at(""), address.directory, Namenode(address.urls, config, instance))
