"""Credentials of web servers in URLs, and in `~/.netrc`, as curl, git, pip and requests read it.

https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html
"""

import base64
import logging
import os
from collections.abc import Mapping
from urllib.parse import unquote

from ...config import expand_home
from ...frozen_dataclass import dataclass

__all__ = ["Credentials", "of_url", "read_netrc"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of one host.

    Attributes:
        authorization: The value of the Authorization header; a secret.
        path: The file; "the URL" if they are there.
    """

    authorization: str
    path: str

    def __repr__(self) -> str:
        return f"Credentials(path={self.path!r})"


def of_url(login: str) -> Credentials:
    """Return the credentials in a URL.

    Args:
        login: User and password, percent-encoded, as in "user:password"; see `Location.login`.
    """
    user, _, password = login.partition(":")
    return Credentials(_basic(unquote(user), unquote(password)), "the URL")


def _basic(user: str, password: str) -> str:
    """The value of an Authorization header: https://www.rfc-editor.org/rfc/rfc7617#section-2"""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def read_netrc(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """Find the credentials of a host. Blocks.

    Only an entry for the very host counts, whatever its port: not `default`, which would send a password to any server.
    A file that cannot be read is ignored: most downloads need none.

    Args:
        host: Name of the host.
        environ: Environment with `HOME`, and `NETRC` if the file is another one than `~/.netrc`.
    """
    path = expand_home(environ.get("NETRC") or "~/.netrc", environ)
    if not path or not os.path.isfile(path):
        return None
    import netrc  # noqa: PLC0415 - few users have such a file

    try:
        entries = netrc.netrc(path).hosts
    except (OSError, UnicodeDecodeError) as error:
        _log.warning("%s cannot be read: %s", path, error.strerror if isinstance(error, OSError) else "not UTF-8")
        return None
    except netrc.NetrcParseError as error:  # its text may quote a password
        _log.warning("%s is ignored, since line %s is not valid", path, error.lineno)
        return None
    for name, (login, _, password) in entries.items():
        if name != "default" and name.lower() == host.lower():
            return Credentials(_basic(login, password or ""), path)
    return None
