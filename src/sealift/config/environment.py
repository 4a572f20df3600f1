"""Settings of the process: the event loop, the state directory, the home directory."""

import os.path
from collections.abc import Mapping

from ..errors import InvalidConfig

__all__ = ["expand_home", "state_directory", "wants_uvloop"]


def wants_uvloop(environ: Mapping[str, str]) -> bool:
    """Whether sealift's own loops run on uvloop where it is installed: always, unless `SEALIFT_LOOP=asyncio`.

    Raises:
        InvalidConfig: `SEALIFT_LOOP` is neither "asyncio" nor "uvloop".
    """
    loop = environ.get("SEALIFT_LOOP") or "uvloop"
    if loop not in {"asyncio", "uvloop"}:
        raise InvalidConfig(f"the environment variable SEALIFT_LOOP is {loop!r}", hint="set it to asyncio or uvloop")
    return loop == "uvloop"


def state_directory(environ: Mapping[str, str]) -> str | None:
    """Where one run leaves what the next may need: `$XDG_STATE_HOME/sealift`, else `~/.local/state/sealift`.

    Args:
        environ: Read are `XDG_STATE_HOME`, which counts if it is absolute, and `HOME`.

    Returns:
        The path; None: there is no such place.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    state, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME", "")
    if not os.path.isabs(state):
        state = os.path.join(home, ".local", "state") if os.path.isabs(home) else ""
    return os.path.join(state, "sealift") if state else None


def expand_home(path: str, environ: Mapping[str, str]) -> str:
    """Replace a `~` at the beginning of a path by the given `HOME`, whatever this process's own is.

    Returns:
        The path; "" if `HOME` is needed and not set.

    Example:
        >>> expand_home("~/.aws/config", {"HOME": "/home/me"})
        '/home/me/.aws/config'
    """
    if path != "~" and not path.startswith("~/"):
        return path
    home = environ.get("HOME", "")
    return f"{home}{path[1:]}" if home else ""
