"""hdfs://, webhdfs:// and swebhdfs:// URIs: perhaps a namenode, then a verbatim path."""

import re

from ..errors import InvalidURI
from .location import Location
from .redaction import holds_credentials, redacted

__all__ = ["parse_hdfs"]

_HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")


def parse_hdfs(scheme: str, text: str, rest: str) -> Location:
    """Parse a URI of HDFS.

    A host with a port is a namenode, and the root of the location. Otherwise all that follows the "://" is a path at
    the configured namenode, as in KServe.

    Args:
        scheme: "hdfs", "webhdfs" or "swebhdfs".
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: The URI contains credentials, or its host and port are not valid.

    Example:
        >>> parse_hdfs("hdfs", "hdfs://user/me", "user/me") == parse_hdfs("hdfs", "hdfs:///user/me", "/user/me")
        True
    """
    root, _, key = rest.partition("/")
    if _HOST_AND_PORT.fullmatch(root):
        return Location(scheme, root, key)
    if holds_credentials(rest):
        hint = "HDFSConfig(user=…, delegation_token=…), or HADOOP_USER_NAME"
        raise InvalidURI("credentials do not belong in a URI", hint=hint, uri=redacted(text))
    if ":" in root:
        raise InvalidURI(f"{root!r} is not a valid host and port", hint=f"{scheme}://namenode:9870/path", uri=text)
    return Location(scheme, "", rest.removeprefix("/"))
