"""Where downloaded objects are cached, and how much may be, from environment variables."""

import os.path
from collections.abc import Mapping
from typing import Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass
from .checks import flag
from .environment import expand_home

__all__ = ["CacheSettings", "hub_cache", "is_offline"]

_OFFLINE = "SEALIFT_OFFLINE"
_SIZE = "SEALIFT_CACHE_SIZE"
_TAKEOVER = "SEALIFT_CACHE_TAKEOVER"
_DEFAULT_TAKEOVER = 15.0


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """The cache of one call.

    Attributes:
        directory: Its absolute path. "": there is none, because no variable names one and the user has no home.
        explicit: Whether `SEALIFT_CACHE` names it, so that a directory that cannot be used is an error.
        size: Maximum size in bytes. None: no maximum of its own.
        share: Maximum share of its disk, more than 0 and up to 1. None: no maximum share.
        read_only: Absolute paths of other caches that are searched first, and never written to.
        takeover: Seconds after which a download whose process shows no sign of life is taken over.
    """

    directory: str
    explicit: bool = False
    size: int | None = None
    share: float | None = None
    read_only: tuple[str, ...] = ()
    takeover: float = _DEFAULT_TAKEOVER

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Args:
            environ: Environment with `SEALIFT_CACHE` (a directory; by default `$XDG_CACHE_HOME/sealift` or
                `~/.cache/sealift`), `SEALIFT_CACHE_SIZE` (a size such as `200GB`, or a share of the disk such as `50%`;
                by default, 10 % of the disk stay free), `SEALIFT_CACHE_READ` (directories, separated by ":") and
                `SEALIFT_CACHE_TAKEOVER` (seconds).

        Raises:
            InvalidConfig: The value of a variable cannot be used; the message names the variable.

        Source: https://specifications.freedesktop.org/basedir-spec/latest/

        Example:
            >>> CacheSettings.from_env({"SEALIFT_CACHE": "/mnt/cache", "SEALIFT_CACHE_SIZE": "200GB"}).size
            200000000000
        """
        named = environ.get("SEALIFT_CACHE", "")
        directory = expand_home(named, environ) if named else _default(environ)
        if named and not directory:
            raise InvalidConfig(f"the environment variable SEALIFT_CACHE is {named!r}, but HOME is not set")
        size, share = _parse_size(environ.get(_SIZE, "").strip())
        others = [expand_home(each, environ) for each in environ.get("SEALIFT_CACHE_READ", "").split(os.pathsep)]
        return cls(
            os.path.abspath(directory) if directory else "",
            bool(named),
            size,
            share,
            tuple(os.path.abspath(each) for each in others if each),
            _parse_seconds(environ.get(_TAKEOVER, "").strip()),
        )


def is_offline(environ: Mapping[str, str], scheme: str) -> bool:
    """Whether the environment forbids connections to a service: `SEALIFT_OFFLINE`, and for the Hub `HF_HUB_OFFLINE`.

    Args:
        environ: The environment.
        scheme: Scheme of the service.

    Raises:
        InvalidConfig: A variable is neither true nor false.
    """
    names = (_OFFLINE, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if scheme == "hf" else (_OFFLINE,)
    return any(flag(environ, name) for name in names)


def hub_cache(environ: Mapping[str, str]) -> str:
    """The directory in which huggingface_hub keeps what it downloads.

    Args:
        environ: Environment with `HF_HUB_CACHE`, or else `HF_HOME` or `XDG_CACHE_HOME`.

    Returns:
        Its absolute path; "": the user has no home.

    Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables

    Example:
        >>> hub_cache({"HF_HOME": "/mnt/hf"})
        '/mnt/hf/hub'
    """
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = environ.get("HF_HOME") or f"{cache}/huggingface"
    named = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    path = expand_home(named, environ)
    return os.path.abspath(path) if path else ""


def _default(environ: Mapping[str, str]) -> str:
    cache = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):
        home = environ.get("HOME", "")
        cache = os.path.join(home, ".cache") if os.path.isabs(home) else ""
    return os.path.join(cache, "sealift") if cache else ""


def _parse_size(text: str) -> tuple[int | None, float | None]:
    if not text:
        return None, None
    try:
        if text.endswith("%"):
            share = float(text[:-1]) / 100
            if 0 < share <= 1:
                return None, share
        else:
            from ..types.byte_sizes import parse_size  # noqa: PLC0415 - compiles a pattern; few programs set a size

            if (size := parse_size(text)) > 0:
                return size, None
    except ValueError:
        pass
    hint = "set it to a size in bytes such as 200GB, or to a share of the disk such as 50%"
    raise InvalidConfig(f"the environment variable {_SIZE} is {text!r}", hint=hint)


def _parse_seconds(text: str) -> float:
    if not text:
        return _DEFAULT_TAKEOVER
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not seconds > 0:
        raise InvalidConfig(f"the environment variable {_TAKEOVER} is {text!r}", hint="set it to a number of seconds")
    return seconds
