"""Configurations, and options of files, from the options that fsspec passes on."""

from collections.abc import Callable, Mapping
from typing import Any

from ...config import StorageConfig
from ...errors import InvalidConfig

__all__ = ["CACHE_OPTIONS", "config_of", "file_options"]

CACHE_OPTIONS = ("use_listings_cache", "listings_expiry_time", "max_paths", "skip_instance_cache")
"""Storage options that `AbstractFileSystem` takes."""


def config_of(
    config: StorageConfig | None, options: Mapping[str, Any], config_type: Callable[..., StorageConfig] | None
) -> StorageConfig | None:
    """The configuration of a filesystem.

    Args:
        config: The configuration, if the caller has passed one.
        options: The other storage options.
        config_type: The class whose fields they are. None: there may be none.

    Raises:
        InvalidConfig: There are both, or an option is not a field.
    """
    if not options:
        return config
    if config is not None or config_type is None:
        raise InvalidConfig(f"the options {', '.join(options)} are not known here", hint="pass config=…")
    try:
        return config_type(**options)
    except TypeError:
        hint = f"they are the fields of {getattr(config_type, '__name__', 'the configuration')}"
        raise InvalidConfig(f"one of the options {', '.join(options)} does not exist", hint=hint) from None


def file_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `open` among those that fsspec passes on; it passes on those for other filesystems, too."""
    return {name: options[name] for name in ("timeout", "version_id", "write_options") if name in options}
