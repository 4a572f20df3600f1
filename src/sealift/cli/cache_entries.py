"""Find what is in the caches of the environment, for `sealift cache`."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..config.cache import CacheSettings, hub_cache
from ..errors import InvalidConfig, ModelMissingError
from ..uri import Location, parse

if TYPE_CHECKING:
    from ..cache.directory import CacheDirectory
    from ..cache.maintenance import CacheEntry

__all__ = ["cache_directory", "entries_of", "path_in_hub", "path_in_read_only_cache", "writable_directory"]


def cache_directory() -> "CacheDirectory":
    """The cache of the environment, to read it; it need not exist."""
    from ..cache.directory import CacheDirectory  # noqa: PLC0415 - here and below: keeps --help fast

    settings = CacheSettings.from_env(os.environ)
    if not settings.directory:
        raise InvalidConfig("there is no cache: neither HOME nor SEALIFT_CACHE is set", hint="set SEALIFT_CACHE")
    directory = CacheDirectory(settings.directory)
    try:
        os.listdir(directory.root)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise directory.unusable(error) from None
    return directory


def writable_directory() -> "CacheDirectory":
    """The cache of the environment, which need not exist yet."""
    directory = cache_directory()
    try:
        directory.open()
    except OSError as error:
        raise directory.unusable(error) from None
    return directory


def entries_of(directory: "CacheDirectory", uris: Iterable[str]) -> "list[CacheEntry]":
    """The entries of some URIs.

    Raises:
        ModelMissingError: There are none of one of them.
    """
    from ..cache.maintenance import entries_by_uri  # noqa: PLC0415

    found: dict[str, CacheEntry] = {}
    for text, of_uri in entries_by_uri(directory, [str(parse(uri)) for uri in uris]).items():
        if not of_uri:
            cause = f"it is not in the cache {directory.path}"
            raise ModelMissingError(text, cause=cause, hint="sealift cache ls shows what is", uri=text)
        found |= {entry.manifest.snapshot: entry for entry in of_uri}
    return list(found.values())


def path_in_hub(location: Location) -> str | None:
    """The path of something in the cache of the Hugging Face Hub; None: it is not there."""
    if location.scheme != "hf" or not (directory := hub_cache(os.environ)):
        return None
    from ..cache.hub_obtain import find_in_hub  # noqa: PLC0415
    from ..cache.hub_repository import HubRepository  # noqa: PLC0415
    from ..operations.call_options import CallOptions  # noqa: PLC0415

    repository = HubRepository(directory, location.kind, location.root, location.revision or "main")
    found = find_in_hub(repository, location, CallOptions(), "never")
    return None if found is None else found.path


def path_in_read_only_cache(location: Location) -> str | None:
    """The path of something in one of the caches of `SEALIFT_CACHE_READ`; None: it is not there."""
    from ..cache.directory import CacheDirectory  # noqa: PLC0415
    from ..cache.maintenance import entries_by_uri  # noqa: PLC0415

    uri = str(location)
    for directory in CacheSettings.from_env(os.environ).read_only:
        if found := entries_by_uri(CacheDirectory(directory), [uri])[uri]:
            return found[-1].path
    return None
