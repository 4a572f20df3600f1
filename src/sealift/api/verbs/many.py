"""Many calls of one verb at once. They run on one instance, and share one timeout."""

from collections.abc import Iterable
from typing import Literal, overload

from ...config import StorageConfig
from ...errors import StorageError
from ...operations.call_options import CallOptions
from ...operations.deadline import Deadline
from ...types import Durability, Existing, OnError, OnEvent, Symlinks, Verify
from ...types.write_options import WriteOptions
from ..argument_types import StrPath, check_cache
from ..positional_config import accepts_positional_config
from ..progress_option import shows_progress
from .base import Verbs

__all__ = ["ManyVerbs"]


@accepts_positional_config
class ManyVerbs(Verbs):
    """Many calls of one verb at once. They run on one instance, and share one timeout."""

    @overload
    async def download_many(
        self,
        items: Iterable[StrPath | tuple[StrPath, StrPath | None]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        cache: bool | None = None,
        progress: bool = False,
    ) -> list[str]: ...
    @overload
    async def download_many(
        self,
        items: Iterable[StrPath | tuple[StrPath, StrPath | None]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        cache: bool | None = None,
        progress: bool = False,
    ) -> list[str | StorageError]: ...
    @shows_progress
    async def download_many(  # noqa: PLR0913 - the caller's options, each by its name
        self,
        items: Iterable[StrPath | tuple[StrPath, StrPath | None]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        cache: bool | None = None,
        progress: bool = False,
    ) -> list[str] | list[str | StorageError]:
        """Download many URIs concurrently.

        Args:
            items: URIs, each alone or with its `dest`, as for `download`.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            return_exceptions: Put a failed item's StorageError in its place among the results, and continue with the
                others. False: the first failure cancels the others and is raised.
            existing: As in `download`.
            on_error: As in `download`, for items that are prefixes.
            verify: As in `download`.
            timeout: Seconds for all items together; items that are not done by then fail. None: no limit.
            durability: As in `download`.
            on_event: Called with the progress events of all items on the event loop's thread; must not block.
            cache: As in `download`.
            progress: As in `download`, for all items together.

        Returns:
            Their paths, in the order of the items.

        Example:
            >>> paths = await storage.download_many([("s3://m/a/", "/mnt/a"), ("s3://m/b/", "/mnt/b")])
        """
        check_cache(cache)
        options = CallOptions(
            on_event=on_event,
            existing=existing,
            on_error=on_error,
            verify=verify,
            durability=durability,
            deadline=Deadline(timeout),
        )
        from .. import many

        return await many.download_many(
            self._lifetime, items, config, options, cache=cache, return_exceptions=return_exceptions
        )

    @overload
    async def upload_many(
        self,
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[bool]: ...
    @overload
    async def upload_many(
        self,
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[bool | StorageError]: ...
    @shows_progress
    async def upload_many(  # noqa: PLR0913 - the caller's options, each by its name
        self,
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[bool] | list[bool | StorageError]:
        """Upload many files or directories concurrently.

        Args:
            items: Pairs of `src` and `uri`, as for `upload`.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            return_exceptions: As in `download_many`.
            existing: As in `upload`.
            on_error: As in `upload`, for items that are directories.
            symlinks: As in `upload`.
            verify: As in `upload`.
            timeout: As in `download_many`.
            on_event: As in `download_many`.
            write_options: As in `upload`, for all items.
            progress: As in `download_many`.

        Returns:
            True for each, in the order of the items.
        """
        options = CallOptions(
            on_event=on_event,
            existing=existing,
            on_error=on_error,
            symlinks=symlinks,
            verify=verify,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        from .. import many

        return await many.upload_many(self._lifetime, items, config, options, return_exceptions=return_exceptions)

    @overload
    async def copy_many(
        self,
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[str]: ...
    @overload
    async def copy_many(
        self,
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        return_exceptions: bool,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[str | StorageError]: ...
    @shows_progress
    async def copy_many(  # noqa: PLR0913 - the caller's options, each by its name
        self,
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        return_exceptions: bool = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[str] | list[str | StorageError]:
        """Copy many objects or prefixes concurrently.

        Args:
            items: Pairs of `src` and `dest`, as for `copy`.
            config: As in `copy`.
            dest_config: As in `copy`.
            return_exceptions: As in `download_many`.
            existing: As in `copy`.
            on_error: As in `copy`, for items that are prefixes.
            symlinks: As in `copy`.
            verify: As in `copy`.
            timeout: As in `download_many`.
            durability: As in `copy`.
            on_event: As in `download_many`.
            write_options: As in `copy`, for all items.
            progress: As in `download_many`.

        Returns:
            URIs or local paths of the copies, in the order of the items.
        """
        options = CallOptions(
            on_event=on_event,
            existing=existing,
            on_error=on_error,
            symlinks=symlinks,
            verify=verify,
            durability=durability,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        configs = (config, dest_config)
        from .. import many

        return await many.copy_many(self._lifetime, items, configs, options, return_exceptions=return_exceptions)

    @overload
    async def delete_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool]: ...
    @overload
    async def delete_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool | StorageError]: ...
    async def delete_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool] | list[bool | StorageError]:
        """Delete many objects concurrently.

        Args:
            uris: Storage URIs or local paths, as for `delete_object`.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            return_exceptions: As in `download_many`.
            delete_snapshots: As in `delete`.
            timeout: As in `download_many`.

        Returns:
            Whether each existed, in the order of the URIs.
        """
        from .. import many

        return await many.delete_many(
            self._lifetime,
            uris,
            config,
            Deadline(timeout),
            delete_snapshots=delete_snapshots,
            return_exceptions=return_exceptions,
        )

    @overload
    async def read_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        timeout: float | None = None,
    ) -> list[bytes]: ...
    @overload
    async def read_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        timeout: float | None = None,
    ) -> list[bytes | StorageError]: ...
    async def read_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        timeout: float | None = None,
    ) -> list[bytes] | list[bytes | StorageError]:
        """Read many objects into memory concurrently.

        Args:
            uris: Storage URIs or local paths, as for `read`.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            return_exceptions: As in `download_many`.
            timeout: As in `download_many`.

        Returns:
            Their bytes, in the order of the URIs.
        """
        deadline = Deadline(timeout)
        from .. import many

        return await many.read_many(self._lifetime, uris, config, deadline, return_exceptions=return_exceptions)
