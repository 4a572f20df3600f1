"""The login of a web server: in the URL, or in the user's netrc file, as curl and other tools read it.

https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html
"""

import base64
import logging
from collections.abc import Mapping
from urllib.parse import unquote

from ...config.environment import expand_home
from ...errors import InvalidConfig
from ...runtime.disk_threads import DiskThreads

__all__ = ["basic", "netrc_login", "of_url"]

_LOG = logging.getLogger("sealift.credentials")
_FILE = "~/.netrc"


async def netrc_login(host: str, environ: Mapping[str, str], disk: DiskThreads) -> str | None:
    """Return the value of an Authorization header for a host, from the file `NETRC` names, or from `~/.netrc`.

    Only an entry of this host counts, not `default`: a login is not sent to hosts that it was not written for.

    Args:
        host: Name or address of the host, without the port.
        environ: Environment variables.
        disk: Reads the file.

    Returns:
        The header's value; None if the file has no login for the host, or is missing. A `~/.netrc` that cannot be used
        is named in the log.

    Raises:
        InvalidConfig: The file that `NETRC` names cannot be read or parsed.
    """
    named = environ.get("NETRC") or ""
    path = expand_home(named or _FILE, environ)
    if not path:
        return None
    try:
        found = await disk.run(lambda: _entry(path, host))
    except FileNotFoundError as error:
        if named:
            raise _unusable(path, str(error.strerror)) from None
        return None
    except OSError as error:
        reason = str(error.strerror)
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except ValueError as error:
        reason = str(error)
    else:
        return found
    if named:
        raise _unusable(path, reason) from None
    _LOG.warning("%s cannot be used: %s", path, reason)
    return None


def of_url(login: str) -> str | None:
    """Return the value of an Authorization header for a `Location.login`; None: it is empty."""
    user, _, password = login.partition(":")
    return basic(unquote(user), unquote(password)) if login else None


def basic(user: str, password: str) -> str:
    """Return the value of an Authorization header: https://www.rfc-editor.org/rfc/rfc7617#section-2

    Example:
        >>> basic("Aladdin", "open sesame")
        'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _entry(path: str, host: str) -> str | None:
    """The header of a host's entry in a file. Blocking.

    Raises:
        OSError: The file cannot be read.
        ValueError: It cannot be parsed.
    """
    with open(path, "rb"):  # most users have none; the module takes 2 ms to load
        pass
    import netrc  # noqa: PLC0415

    try:
        login = netrc.netrc(path).hosts.get(host)
    except netrc.NetrcParseError as error:  # its text may quote a password
        raise ValueError(f"line {error.lineno} is not valid") from None
    return None if login is None else basic(login[0], login[2] or "")


def _unusable(path: str, reason: str) -> InvalidConfig:
    return InvalidConfig(f"the file {path} cannot be used: {reason}", hint="correct it, or the variable NETRC")
