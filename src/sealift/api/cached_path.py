"""Paths in the cache that a caller uses for a while. Loads the cache when it is first used."""

import os
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..config import StorageConfig
from ..frozen_dataclass import dataclass
from ..operations.call_options import CallOptions
from ..runtime.shielded import shielded
from ..types import Revalidate
from .argument_types import StrPath, check_freshness
from .lifetime import Lifetime

if TYPE_CHECKING:
    from functools import partial
    from types import ModuleType

__all__ = ["AsyncCachedPath", "Freshness", "InUse", "copy_from_cache", "use_cached"]


@dataclass(frozen=True, slots=True)
class Freshness:
    """Whether to ask the service for the current version.

    Attributes:
        revalidate: When.
        offline: Whether connections are forbidden. None: as the environment says.

    Raises:
        InvalidConfig: A value is none of these.
    """

    revalidate: Revalidate = "always"
    offline: bool | None = None

    def __post_init__(self) -> None:
        check_freshness(self.revalidate, self.offline)


@dataclass(frozen=True, slots=True)
class InUse:
    """A path that this process uses.

    Attributes:
        path: The path.
        release: Blocking: ends the use. None: it stays.
    """

    path: str
    release: "partial[None] | None" = None


async def use_cached(
    lifetime: Lifetime, uri: StrPath, config: StorageConfig | None, options: CallOptions, freshness: Freshness
) -> InUse:
    """Find something in the cache, or download it to the cache; see `AsyncStorage.download`.

    Args:
        lifetime: The instance.
        uri: URI or local path, which is returned as it is.
        config: As in `Lifetime.open`.
        options: Options of the call.
        freshness: Whether to ask the service.
    """
    async with lifetime.located("download", uri, config) as place:
        # In a thread: importing it would block the event loop for some milliseconds.
        module: ModuleType = await place.instance.disk.run(lambda: import_module(".cached_download", __package__))
        await options.deadline.prepare(place.instance.disk)
        with options.deadline.enforced():
            used: InUse = await module.use(lifetime, place, options, freshness)
            return used


async def copy_from_cache(
    lifetime: Lifetime,
    uri: StrPath,
    dest: StrPath,
    config: StorageConfig | None,
    options: CallOptions,
    freshness: Freshness,
) -> str:
    """As `use_cached`, and then link or copy the files to a path.

    Args:
        lifetime: The instance.
        uri: URI or local path.
        dest: The file or directory, as in `AsyncStorage.download`.
        config: As in `Lifetime.open`.
        options: Options of the call.
        freshness: Whether to ask the service.

    Returns:
        The path of the file or directory.
    """
    async with lifetime.located("download", uri, config) as place:
        module: ModuleType = await place.instance.disk.run(lambda: import_module(".cached_download", __package__))
        await options.deadline.prepare(place.instance.disk)
        with options.deadline.enforced():
            path: str = await module.copy_to(lifetime, place, os.fspath(dest), options, freshness)
            return path


class AsyncCachedPath:
    """A path in the cache, which stays for the block of an `async with`.

    Args:
        lifetime: The instance.
        use: Finds or downloads it.
    """

    def __init__(self, lifetime: Lifetime, use: Callable[[], Coroutine[Any, Any, InUse]]) -> None:
        self._lifetime = lifetime
        self._used: list[InUse] = []
        self.use = use

    async def __aenter__(self) -> str:
        used = await self.use()
        self._used.append(used)
        return used.path

    async def __aexit__(self, *exc_info: object) -> None:
        release = self._used.pop().release
        if release is not None:
            async with self._lifetime.kept_open() as instance:
                await shielded(instance.disk.run(release))
