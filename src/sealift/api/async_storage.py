"""`AsyncStorage`: the verbs, and their forms for many URIs at once."""

import shutil
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Literal, TypeVar, overload

import anyio

from ..config import StorageConfig
from ..errors import StorageError
from ..keys.patterns import Patterns
from ..operations.selection import Options
from ..types import Durability, OnEvent, Verify
from ..uri import get_storage_spec, is_local
from .lifetime import Deadline
from .many import gather
from .queries import Queries
from .transfers import StrPath, Transfers

__all__ = ["AsyncStorage"]

T = TypeVar("T")


class AsyncStorage(Transfers, Queries):
    """Moves model artifacts, from within an event loop.

    An instance belongs to the loop that first uses it. Inside `async with` its connections, threads and buffers live to
    the end of the block; without it, from the first running call to the last.

    Args:
        limits: How much of the machine all its calls together may use.
        environ: Environment variables to find credentials, endpoints and proxies in; None: this process's.

    Example:
        >>> async with AsyncStorage() as storage:
        ...     path = await storage.download("s3://ml-models/iris/", "/mnt/models/iris")
    """

    # The forms for many: each item is a call of the verb, all run on this instance's one engine, and the results come
    # in the order of the items. As with asyncio.gather, `return_exceptions=True` puts a failed item's StorageError in
    # its place, and the others go on; else the first failure cancels the others and is raised.

    @overload
    async def download_many(
        self,
        items: Iterable[str | tuple[str, StrPath | None]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: Literal[False] = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> list[str]: ...
    @overload
    async def download_many(
        self,
        items: Iterable[str | tuple[str, StrPath | None]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> list[str | StorageError]: ...
    async def download_many(
        self,
        items: Iterable[str | tuple[str, StrPath | None]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> list[str] | list[str | StorageError]:
        """Download many URIs.

        Args:
            items: URIs, each alone or with its `dest`, as for `download`.
            config: How to sign in. None: what the environment says.
            return_exceptions: Put a failed item's StorageError in its place among the results, and go on with the
                others. False: the first failure cancels the others and is raised.
            verify: As in `download`.
            timeout: Seconds that all of them together may take; those that are not done then have failed. None: any
                time.
            durability: As in `download`.
            on_event: Told of all progress on the loop's thread; must not block.

        Returns:
            Their paths, in the order of the items.

        Example:
            >>> paths = await storage.download_many([("s3://m/a/", "/mnt/a"), ("s3://m/b/", "/mnt/b")])
        """
        pairs = ((item, None) if isinstance(item, str) else item for item in items)
        options = Options(Patterns.of(None, None), on_event, verify=verify, durability=durability)
        deadline = Deadline(timeout)
        made: list[str] = []

        async def download(uri: str, dest: StrPath | None) -> str:
            path, temporary = await self._download(uri, dest, config, options, deadline)
            if temporary is not None:
                made.append(temporary)
            return path

        async with self:
            try:
                calls = (partial(download, uri, dest) for uri, dest in pairs)
                return await self._many(calls, return_exceptions=return_exceptions)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self._remove(made)  # nobody will know where they are
                raise

    @overload
    async def upload_many(
        self,
        items: Iterable[tuple[StrPath, str]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: Literal[False] = False,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> list[bool]: ...
    @overload
    async def upload_many(
        self,
        items: Iterable[tuple[StrPath, str]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> list[bool | StorageError]: ...
    async def upload_many(
        self,
        items: Iterable[tuple[StrPath, str]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> list[bool] | list[bool | StorageError]:
        """Upload many files or directories.

        Args:
            items: Pairs of `src` and `uri`, as for `upload`.
            config: How to sign in. None: what the environment says.
            return_exceptions: As in `download_many`.
            verify: As in `upload`.
            timeout: As in `download_many`.
            on_event: As in `download_many`.

        Returns:
            True for each, in the order of the items.
        """
        options = Options(Patterns.of(None, None), on_event, verify=verify)
        deadline = Deadline(timeout)
        calls = (partial(self._upload, src, uri, config, options, deadline) for src, uri in items)
        return await self._many(calls, return_exceptions=return_exceptions)

    @overload
    async def copy_many(
        self,
        items: Iterable[tuple[str, str]],
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        *,
        return_exceptions: Literal[False] = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> list[str]: ...
    @overload
    async def copy_many(
        self,
        items: Iterable[tuple[str, str]],
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        *,
        return_exceptions: bool,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> list[str | StorageError]: ...
    async def copy_many(
        self,
        items: Iterable[tuple[str, str]],
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        *,
        return_exceptions: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> list[str] | list[str | StorageError]:
        """Copy many objects or prefixes.

        Args:
            items: Pairs of `src` and `dest`, as for `copy`.
            config: As in `copy`.
            dest_config: As in `copy`.
            return_exceptions: As in `download_many`.
            verify: As in `copy`.
            timeout: As in `download_many`.
            durability: As in `copy`.
            on_event: As in `download_many`.

        Returns:
            Where each is now, in the order of the items.
        """
        options = Options(Patterns.of(None, None), on_event, verify=verify, durability=durability)
        deadline = Deadline(timeout)
        calls = (partial(self._copy, src, dest, config, dest_config, options, deadline) for src, dest in items)
        return await self._many(calls, return_exceptions=return_exceptions)

    @overload
    async def delete_many(
        self,
        uris: Iterable[str],
        config: StorageConfig | None = None,
        *,
        return_exceptions: Literal[False] = False,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool]: ...
    @overload
    async def delete_many(
        self,
        uris: Iterable[str],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool | StorageError]: ...
    async def delete_many(
        self,
        uris: Iterable[str],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool = False,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool] | list[bool | StorageError]:
        """Remove many objects.

        Args:
            uris: As for `delete_object`.
            config: How to sign in. None: what the environment says.
            return_exceptions: As in `download_many`.
            delete_snapshots: As in `delete`.
            timeout: As in `download_many`.

        Returns:
            Whether each was there, in their order.
        """
        deadline = Deadline(timeout)
        delete = partial(self._delete_object, config=config, deadline=deadline, delete_snapshots=delete_snapshots)
        calls = (partial(delete, uri) for uri in uris)
        return await self._many(calls, return_exceptions=return_exceptions)

    @overload
    async def read_many(
        self,
        uris: Iterable[str],
        config: StorageConfig | None = None,
        *,
        return_exceptions: Literal[False] = False,
        timeout: float | None = None,
    ) -> list[bytes]: ...
    @overload
    async def read_many(
        self,
        uris: Iterable[str],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool,
        timeout: float | None = None,
    ) -> list[bytes | StorageError]: ...
    async def read_many(
        self,
        uris: Iterable[str],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool = False,
        timeout: float | None = None,
    ) -> list[bytes] | list[bytes | StorageError]:
        """Read many objects into memory.

        Args:
            uris: As for `read`.
            config: How to sign in. None: what the environment says.
            return_exceptions: As in `download_many`.
            timeout: As in `download_many`.

        Returns:
            Their bytes, in their order.
        """
        deadline = Deadline(timeout)
        calls = (partial(self._read, uri, 0, None, config, deadline) for uri in uris)
        return await self._many(calls, return_exceptions=return_exceptions)

    async def _remove(self, directories: Iterable[str]) -> None:
        disk = self._enter().disk
        try:
            for directory in directories:
                await disk.run(partial(shutil.rmtree, directory, ignore_errors=True))
        finally:
            await self._leave()

    async def _many(
        self, calls: Iterable[Callable[[], Awaitable[T]]], *, return_exceptions: bool
    ) -> list[T | StorageError]:
        async with self:  # connections are kept from one call to the next
            return await gather(calls, self._limits.connections, return_exceptions=return_exceptions)

    is_local = staticmethod(is_local)
    get_storage_spec = staticmethod(get_storage_spec)
