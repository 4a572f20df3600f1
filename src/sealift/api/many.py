"""The `*_many` verbs: many calls of one verb on one instance, with one deadline.

As with `asyncio.gather`, `return_exceptions=True` puts a failed item's StorageError in its place, and the others
continue. Otherwise the first failure cancels the others and is raised. As in
`AsyncStorage`, operations are imported after their location is opened.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

from ..config import StorageConfig
from ..errors import StorageError, first_of
from ..operations.call_options import CallOptions
from ..operations.deadline import Deadline
from ..operations.open_location import check_local
from ..runtime.shielded import cancelled_once, shielded
from ..types.argument_checks import checked_items, checked_pair
from .argument_types import StrPath
from .cached_path import Freshness, copy_from_cache, use_cached
from .lifetime import Lifetime
from .shared_download import download_to

__all__ = ["copy_many", "delete_many", "download_many", "gather", "read_many", "upload_many"]

T = TypeVar("T")


async def download_many(
    lifetime: Lifetime,
    items: Iterable[StrPath | tuple[StrPath, StrPath | None]],
    config: StorageConfig | None,
    options: CallOptions,
    *,
    cache: bool | None,
    return_exceptions: bool,
) -> list[str | StorageError]:
    """Download each item; see `AsyncStorage.download_many`."""
    temporary: list[str] = []

    async def download_one(uri: StrPath, dest: StrPath | None) -> str:
        if dest is not None and not cache:
            return await download_to(lifetime, uri, dest, config, options)
        if dest is not None:
            return await copy_from_cache(lifetime, uri, dest, config, options, Freshness())
        if cache or cache is None:
            return (await use_cached(lifetime, uri, config, options, Freshness())).path
        async with lifetime.open("download", uri, config, options.deadline, options.on_event) as source:
            from ..operations.download import download_to_temporary

            downloaded = await download_to_temporary(source, options.about(source.location))
            if downloaded.temporary is not None:  # before leaving the block, where a cancellation may arrive
                temporary.append(downloaded.temporary)
        return downloaded.path

    def pair(item: StrPath | tuple[StrPath, StrPath | None]) -> tuple[StrPath, StrPath | None]:
        if isinstance(item, str | os.PathLike):
            return item, None
        return checked_pair("items", item, "(uri, dest)")

    calls = (partial(download_one, *pair(item)) for item in checked_items("items", items))
    async with lifetime.kept_open() as instance:
        try:
            return await gather(calls, lifetime.limits.connections, return_exceptions=return_exceptions)
        except BaseException:
            import shutil

            async def remove() -> None:
                for directory in temporary:  # the caller will not learn their paths
                    await instance.disk.run(partial(shutil.rmtree, directory, ignore_errors=True))

            await shielded(remove())
            raise


async def upload_many(
    lifetime: Lifetime,
    items: Iterable[tuple[StrPath, StrPath]],
    config: StorageConfig | None,
    options: CallOptions,
    *,
    return_exceptions: bool,
) -> list[bool | StorageError]:
    """Upload each item; see `AsyncStorage.upload_many`."""

    async def upload_one(src: StrPath, uri: StrPath) -> bool:
        async with lifetime.open_pair(
            "upload", src, uri, (None, config), options.deadline, check_local, options.on_event
        ) as (source, destination):
            from ..operations.upload import upload

            return await upload(source, destination, options.about(source.location))

    calls = (partial(upload_one, *checked_pair("items", each, "(src, uri)")) for each in checked_items("items", items))
    return await _gather(lifetime, calls, return_exceptions=return_exceptions)


async def copy_many(
    lifetime: Lifetime,
    items: Iterable[tuple[StrPath, StrPath]],
    configs: tuple[StorageConfig | None, StorageConfig | None],
    options: CallOptions,
    *,
    return_exceptions: bool,
) -> list[str | StorageError]:
    """Copy each item; see `AsyncStorage.copy_many`."""

    async def copy_one(src: StrPath, dest: StrPath) -> str:
        async with lifetime.open_pair("copy", src, dest, configs, options.deadline, on_event=options.on_event) as (
            source,
            destination,
        ):
            from ..operations.copy import copy

            return await copy(source, destination, options.about(source.location))

    calls = (partial(copy_one, *checked_pair("items", each, "(src, dest)")) for each in checked_items("items", items))
    return await _gather(lifetime, calls, return_exceptions=return_exceptions)


async def delete_many(
    lifetime: Lifetime,
    uris: Iterable[StrPath],
    config: StorageConfig | None,
    deadline: Deadline,
    *,
    delete_snapshots: bool,
    return_exceptions: bool,
) -> list[bool | StorageError]:
    """Delete each object; see `AsyncStorage.delete_many`."""

    async def delete_one(uri: StrPath) -> bool:
        async with lifetime.open("delete", uri, config, deadline) as place:
            from ..operations.delete import delete_object

            return await delete_object(place, delete_snapshots=delete_snapshots)

    calls = (partial(delete_one, uri) for uri in checked_items("uris", uris))
    return await _gather(lifetime, calls, return_exceptions=return_exceptions)


async def read_many(
    lifetime: Lifetime,
    uris: Iterable[StrPath],
    config: StorageConfig | None,
    deadline: Deadline,
    *,
    return_exceptions: bool,
) -> list[bytes | StorageError]:
    """Read each object; see `AsyncStorage.read_many`."""

    async def read_one(uri: StrPath) -> bytes:
        async with lifetime.open("read", uri, config, deadline) as source:
            from ..operations.read import read

            return await read(source, 0, None)

    calls = (partial(read_one, uri) for uri in checked_items("uris", uris))
    return await _gather(lifetime, calls, return_exceptions=return_exceptions)


async def _gather(
    lifetime: Lifetime, calls: Iterable[Callable[[], Awaitable[T]]], *, return_exceptions: bool
) -> list[T | StorageError]:
    async with lifetime.kept_open():
        return await gather(calls, lifetime.limits.connections, return_exceptions=return_exceptions)


async def gather(
    calls: Iterable[Callable[[], Awaitable[T]]], max_concurrent: int, *, return_exceptions: bool
) -> list[T | StorageError]:
    """Run calls concurrently, at most a given number at a time.

    Args:
        calls: The calls; each is taken from the iterable when it can start.
        max_concurrent: Maximum number of running calls.
        return_exceptions: Put a call's StorageError in its place among the results. False: the first one cancels the
            others and is raised.

    Returns:
        Results in the order of the calls.
    """
    results: dict[int, T | StorageError] = {}
    limit = asyncio.Semaphore(max_concurrent)

    async def run(index: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[index] = await call()
        except StorageError as error:
            if not return_exceptions:
                raise
            results[index] = error
        finally:
            limit.release()

    async def run_all() -> None:
        async with asyncio.TaskGroup() as group:
            for index, call in enumerate(calls):
                await limit.acquire()
                group.create_task(run(index, call))

    try:
        await cancelled_once(run_all())
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    return [results[index] for index in range(len(results))]
