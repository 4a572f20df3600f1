"""Objects whose names only begin like that of a model, which kserve-storage takes for a part of it."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ...api.async_storage import AsyncStorage
from ...config import StorageConfig
from ...errors import ModelMissingError
from ...keys.paths import is_directory_marker, relative
from ...keys.patterns import Patterns
from ...types import ObjectInfo, OnEvent
from ...uri import Location

__all__ = ["download_alike"]


async def download_alike(
    storage: AsyncStorage,
    location: Location,
    out_dir: str,
    patterns: Patterns,
    config: StorageConfig | None,
    on_event: OnEvent | None,
) -> int:
    """Download them to the paths that kserve-storage gives them: for `models/foo`, `models/foo-2/x` becomes "-2/x".

    Args:
        storage: What downloads them.
        location: The model, without a "/" at the end.
        out_dir: The directory.
        patterns: Which paths are downloaded.
        config: Credentials and endpoint. None: from the environment.
        on_event: Called with progress events.

    Returns:
        The number of files.
    """
    query = f"?{location.query}" if location.query else ""
    items = []
    async with aclosing(_alike(storage, location, query, config)) as objects:
        async for obj in objects:
            path = relative(obj.key, location.key)
            if not is_directory_marker(obj.key, obj.size) and patterns.matches(path):
                items.append((f"{location.at(obj.key)}{query}", os.path.join(out_dir, path)))
    await storage.download_many(items, config=config, on_event=on_event)
    return len(items)


async def _alike(
    storage: AsyncStorage, location: Location, query: str, config: StorageConfig | None
) -> AsyncGenerator[ObjectInfo]:
    key = location.key
    parent = location.at(key[: len(key) - len(location.name)])
    try:
        async with aclosing(storage.list(f"{parent}{query}", config=config, delimiter="/")) as entries:
            async for entry in entries:
                if not entry.key.startswith(key) or entry.key in {key, f"{key}/"}:
                    continue
                if not entry.is_prefix:
                    yield entry
                    continue
                async with aclosing(storage.list(f"{location.at(entry.key)}{query}", config=config)) as below:
                    async for obj in below:
                        yield obj
    except ModelMissingError:  # there is nothing at all
        return
