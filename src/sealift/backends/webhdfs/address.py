"""Which namenodes and which directory a URI means. No I/O."""

from dataclasses import replace
from urllib.parse import urlsplit

from ...config import HDFSConfig
from ...errors import InvalidConfig
from ...frozen_dataclass import dataclass
from ...uri import Location

__all__ = ["Address", "address_of", "without_secrets"]

# Where namenodes usually listen for Hadoop's own protocol, which URIs of the scheme hdfs name:
# https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/hdfs-default.xml (dfs.namenode.rpc-address)
_RPC_PORTS = (8020, 9000)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the files of a location are.

    Attributes:
        urls: The namenodes of the cluster.
        directory: The directory that keys are relative to: "" or an absolute path.
    """

    urls: list[str]
    directory: str


def address_of(location: Location, config: HDFSConfig) -> Address:
    """Find the namenodes and the directory of a location.

    Args:
        location: The location. If it names a namenode, that must be one of the configured ones, if there are any.
        config: Its configuration.

    Raises:
        InvalidConfig: Neither names a namenode, or they contradict each other.

    Example:
        >>> address_of(Location("hdfs", "", "user/me/model"), HDFSConfig("http://nn:9870", root="/models"))
        Address(urls=['http://nn:9870'], directory='/models')
        >>> address_of(Location("webhdfs", "nn:9870", "user/me"), HDFSConfig())
        Address(urls=['http://nn:9870'], directory='')
    """
    scheme, root, directory = location.scheme, location.root, config.root.rstrip("/")
    if config.namenode is not None:
        if root:
            _check_same(location, config)
        return Address(config.namenodes, directory)
    if not root:
        hint = "webhdfs://HOST:9870/path, HDFSConfig(namenode=…) or HDFS_NAMENODE"
        raise InvalidConfig("the URI names no namenode with its port", hint=hint)
    if scheme == "hdfs" and int(root.rpartition(":")[2]) in _RPC_PORTS:
        raise InvalidConfig(
            f"{root} is the port of Hadoop's own protocol, but sealift uses WebHDFS",
            hint="webhdfs://HOST:9870/path, HDFSConfig(namenode='http://HOST:9870') or HDFS_NAMENODE",
        )
    return Address([f"{'https' if scheme == 'swebhdfs' else 'http'}://{root}"], directory)


def _check_same(location: Location, config: HDFSConfig) -> None:
    host, _, port = location.root.rpartition(":")
    urls = [urlsplit(url) for url in config.namenodes]
    # The port of an hdfs:// URI is that of another protocol.
    same = (
        url.hostname == host.strip("[]").lower() and (location.scheme == "hdfs" or url.port == int(port))
        for url in urls
    )
    if not any(same):
        raise InvalidConfig(
            f"the URI names the namenode {location.root}, but the configuration another one",
            hint="leave the host out of the URI, or pass an HDFSConfig for this namenode",
        )


def without_secrets(config: HDFSConfig) -> HDFSConfig:
    """A configuration of the environment that names no namenode: its secrets are not for one that a URI names."""
    if config.namenode is not None:
        return config
    return replace(config, delegation_token=None, headers={})
