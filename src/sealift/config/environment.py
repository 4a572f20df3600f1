"""Process settings from the environment: event loop, state directory, home directory."""

import os.path
from collections.abc import Mapping

from ..errors import InvalidConfig

__all__ = ["expand_home", "state_directory", "wants_uvloop"]


def wants_uvloop(environ: Mapping[str, str]) -> bool:
    """Whether to use uvloop, if installed, for sealift's own event loops: yes, unless `SEALIFT_LOOP=asyncio`.

    Raises:
        InvalidConfig: `SEALIFT_LOOP` is neither "asyncio" nor "uvloop".
    """
    loop = environ.get("SEALIFT_LOOP") or "uvloop"
    if loop not in {"asyncio", "uvloop"}:
        raise InvalidConfig(f"the environment variable SEALIFT_LOOP is {loop!r}", hint="set it to asyncio or uvloop")
    return loop == "uvloop"


def state_directory(environ: Mapping[str, str]) -> str | None:
    """Return the directory for state kept between runs: `$XDG_STATE_HOME/sealift` or `~/.local/state/sealift`.

    Args:
        environ: Environment with `HOME` and `XDG_STATE_HOME`, which is ignored unless it is an absolute path.

    Returns:
        The path; None if neither variable is usable.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    state, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME", "")
    if not os.path.isabs(state):
        state = os.path.join(home, ".local", "state") if os.path.isabs(home) else ""
    return os.path.join(state, "sealift") if state else None


def expand_home(path: str, environ: Mapping[str, str]) -> str:
    """Replace a leading `~` with `HOME` from `environ`, which may differ from the environment of this process.

    Returns:
        The path; "" if `HOME` is required but not set.

    Example:
        >>> expand_home("~/.aws/config", {"HOME": "/home/me"})
        '/home/me/.aws/config'
    """
    if path != "~" and not path.startswith("~/"):
        return path
    home = environ.get("HOME", "")
    return f"{home}{path[1:]}" if home else ""
