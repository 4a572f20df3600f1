"""Downloads without a destination: to a cache, or to a temporary directory where there is none."""

import logging
from collections import Counter
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from ..cache.cache_events import report_hit, report_outcome
from ..cache.copy_from_snapshot import copy_from_snapshot
from ..cache.obtain import find_in_thread, find_snapshot, obtain
from ..cache.requests import is_fixed, request_id
from ..cache.snapshot_plan import make_plan
from ..cache.store import Found, Store
from ..config import HFConfig
from ..config.cache import CacheSettings, is_offline
from ..errors import LocalIOError, ModelMissingError
from ..operations.call_options import CallOptions
from ..operations.download import Downloaded, download_to, download_to_temporary
from ..operations.local_destination import check_destination
from ..operations.open_location import OpenLocation
from ..runtime.shielded import shielded
from ..types import Revalidate
from .cached_path import Freshness, InUse
from .lifetime import Lifetime, Located

if TYPE_CHECKING:
    from ..cache.hub_obtain import HubFound

__all__ = ["copy_to", "use"]

_log = logging.getLogger("sealift.cache")

# What they name is on a disk already.
_LOCAL = {"file", "pvc"}
# How often something is downloaded that is not there afterwards: one snapshot; and several, of an object without a
# version, of which each removes the one before.
_ATTEMPTS, _MOST_ATTEMPTS = 3, 100


async def use(lifetime: Lifetime, place: Located, options: CallOptions, freshness: Freshness) -> InUse:
    """Download to the cache, or find it there.

    Args:
        lifetime: The instance.
        place: What to download. A local path is returned as it is.
        options: Options of the call.
        freshness: Whether to ask the service.

    Returns:
        The path. Until it is released, or this process ends, it stays.
    """
    if place.location.scheme in _LOCAL:
        async with place.open(options.version_id) as source:
            return _temporary(await download_to_temporary(source, options.about(place.location)))
    settings = CacheSettings.from_env(place.instance.environ)
    if place.location.scheme == "hf":  # here, because importing it would block the event loop for some milliseconds
        await place.instance.disk.run(lambda: import_module("..cache.hub_obtain", __package__))
    return await _Call(lifetime, place, options, settings).use(freshness)


async def copy_to(lifetime: Lifetime, place: Located, dest: str, options: CallOptions, freshness: Freshness) -> str:
    """As `use`, and then link or copy the files to a path.

    Args:
        lifetime: The instance.
        place: As in `use`.
        dest: The file or directory.
        options: As in `use`.
        freshness: As in `use`.

    Returns:
        The path of the file or directory.
    """
    instance = place.instance
    check_destination(dest)
    if place.location.scheme in _LOCAL:
        async with place.open(options.version_id) as source:
            return await download_to(source, dest, options.about(place.location))
    used = await use(lifetime, place, options, freshness)
    try:
        return await copy_from_snapshot(instance, used.path, dest, options)
    finally:
        if used.release is not None:
            await shielded(instance.disk.run(used.release))


def _temporary(downloaded: Downloaded) -> InUse:
    directory = downloaded.temporary
    return InUse(downloaded.path, None if directory is None else partial(_remove, directory))


def _remove(directory: str) -> None:
    import shutil  # noqa: PLC0415 - it loads all formats of archives

    shutil.rmtree(directory, ignore_errors=True)


class _Call:
    def __init__(self, lifetime: Lifetime, place: Located, options: CallOptions, settings: CacheSettings) -> None:
        self._lifetime = lifetime
        self._place = place
        self._options = options
        self._settings = settings
        instance, location = place.instance, place.location
        self._fixed = is_fixed(location, options)
        self._request = request_id(location, place.config, instance.environ, options)
        self._hub = None
        if location.scheme == "hf" and options.unpack_limits is None and options.version_id is None:
            from ..cache.hub_obtain import hub_repository  # noqa: PLC0415 - here and below: loaded by `use`

            self._hub = hub_repository(instance, location, place.config)

    async def use(self, freshness: Freshness) -> InUse:
        """Find it, or download it."""
        place, options = self._place, self._options
        store = await self._open_store()
        offline = self._is_offline(freshness)
        found = await self._find(store, "never" if offline else freshness.revalidate)
        if found is not None:
            uri, on_event = str(place.location), options.about(place.location).on_event
            report_outcome("hit", uri, found.size, on_event)
            report_hit(uri, found.size, on_event)
        elif offline:
            raise await place.instance.disk.run(self._missing)
        elif store is None and self._hub is None:
            return await self._use_temporary()

        async def work(source: OpenLocation, options: CallOptions) -> "str | HubFound | None":
            return await self._obtain(source, store, options)

        obtained: Counter[str] = Counter()
        while found is None:
            got = await self._lifetime.share_at(place, options, work, "cache", self._settings)
            if store is not None and isinstance(got, str):
                # None: it was evicted, or changed, in this moment
                found = await find_snapshot(place.instance, store, got)
                obtained[got] += 1
                if found is None and (obtained[got] == _ATTEMPTS or obtained.total() == _MOST_ATTEMPTS):
                    raise self._lost(obtained.total())
            elif got is not None and not isinstance(got, str):
                found = got
            else:
                return await self._use_temporary()
        return InUse(found.path, partial(found.release) if isinstance(found, Found) else None)

    def _missing(self) -> ModelMissingError:
        """Blocking: the error for what is not in the cache when there is no connection."""
        hub = self._hub
        searched = [*self._settings.read_only, self._settings.directory] if hub is None else [hub.root]
        places = " or ".join(filter(None, searched)) or "(neither HOME nor SEALIFT_CACHE names one)"
        cause = f"it is not (or not as a whole) in the cache {places}"
        if hub is not None:
            from ..cache.hub_obtain import why_unknown  # noqa: PLC0415

            cause = why_unknown(hub) or cause
        hint = "download it once with a connection"
        return ModelMissingError(str(self._place.location), cause=f"{cause}, and offline mode is on", hint=hint)

    def _lost(self, times: int) -> LocalIOError:
        return LocalIOError(
            f"{self._place.location} was downloaded to the cache {self._settings.directory} {times} times, but each"
            " time, its files had vanished or changed at once",
            hint="set SEALIFT_CACHE to a directory on another file system, or download to a path",
        )

    async def _use_temporary(self) -> InUse:
        _log.warning("neither HOME nor SEALIFT_CACHE names a usable directory: downloading to a temporary one")
        async with self._place.open(self._options.version_id) as source:
            return _temporary(await download_to_temporary(source, self._options.about(self._place.location)))

    async def _open_store(self) -> Store | None:
        """The caches of the call; None: the user has none, and cannot have one in the default place."""
        store = Store(self._settings)
        try:
            if self._settings.directory:
                await self._place.instance.disk.run(store.open)
        except LocalIOError as error:
            if self._settings.explicit:
                raise
            _log.warning("%s", error)
        return store if store.is_writable or self._settings.read_only else None

    async def _find(self, store: Store | None, revalidate: Revalidate) -> "Found | HubFound | None":
        """Find it without asking the service."""
        instance, hub = self._place.instance, self._hub
        if hub is not None:
            from ..cache.hub_obtain import find_in_hub  # noqa: PLC0415

            in_hub = await instance.disk.run(lambda: find_in_hub(hub, self._place.location, self._options, revalidate))
            if in_hub is not None:
                return in_hub
        if store is None:
            return None
        return await find_in_thread(instance, lambda: store.find_request(self._request, revalidate))

    async def _obtain(self, source: OpenLocation, store: Store | None, options: CallOptions) -> "str | HubFound | None":
        """Ask the service what it is, and make sure that a cache has it, if one can."""
        plan = await make_plan(source, options)
        if self._hub is not None:
            from ..cache.hub_obtain import obtain_from_hub  # noqa: PLC0415

            in_hub = await obtain_from_hub(source, self._hub, plan, options, self._settings.takeover)
            if in_hub is not None:
                return in_hub
        if store is None:
            return None
        return await obtain(source, store, plan, options, self._request, fixed=self._fixed)

    def _is_offline(self, freshness: Freshness) -> bool:
        if freshness.offline is not None:
            return freshness.offline
        place = self._place
        configured = isinstance(place.config, HFConfig) and place.config.offline
        return configured or is_offline(place.instance.environ, place.location.scheme)
