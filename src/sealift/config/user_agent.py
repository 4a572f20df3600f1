"""The User-Agent header of all requests."""

import re
import sys
from collections.abc import Mapping

from ..errors import InvalidConfig
from ..version import __version__

__all__ = ["OWN_USER_AGENT", "user_agent"]

# https://www.rfc-editor.org/rfc/rfc9110#section-10.1.5
OWN_USER_AGENT = f"sealift/{__version__} python/{'.'.join(map(str, sys.version_info[:3]))} ({sys.platform})"
_SUFFIX = re.compile("[!-~](?:[ -~]*[!-~])?")


def user_agent(environ: Mapping[str, str]) -> str:
    """The value of the User-Agent header: sealift, Python and the platform, then what `SEALIFT_USER_AGENT` contains.

    Args:
        environ: Environment variables.

    Raises:
        InvalidConfig: The variable contains a line break, or another character that a header must not contain.

    Example:
        >>> user_agent({"SEALIFT_USER_AGENT": "my-server/2.1 (team-a)"})
        'sealift/... python/3... (...) my-server/2.1 (team-a)'
    """
    suffix = environ.get("SEALIFT_USER_AGENT", "").strip(" ")
    if not suffix:
        return OWN_USER_AGENT
    if not _SUFFIX.fullmatch(suffix):
        raise InvalidConfig(
            f"the environment variable SEALIFT_USER_AGENT is {suffix!r}, which is no value of a header",
            hint="use printable ASCII characters without line breaks, such as my-server/2.1",
        )
    return f"{OWN_USER_AGENT} {suffix}"
