"""Listings of objects and of buckets."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from ...config import StorageConfig
from ...keys.patterns import Patterns
from ...operations.deadline import Deadline
from ...operations.open_location import OpenLocation
from ...types import ObjectInfo, OnEvent
from ...types.argument_checks import path_text
from ..argument_types import PatternList, StrPath
from ..positional_config import accepts_positional_config
from .base import Verbs

__all__ = ["ListVerbs"]


@accepts_positional_config
class ListVerbs(Verbs):
    """Listings of objects and of buckets."""

    async def list_buckets(
        self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None
    ) -> list[str]:
        """List the names of the buckets, or containers, of an account.

        Args:
            uri: "s3://", "gs://" or "azure://".
            config: Credentials and endpoint. None: the instance's, or else from the environment. gs
                needs a project: that of `GCSConfig(project_id=…)`, `GOOGLE_CLOUD_PROJECT`, or that of the key.
            timeout: Seconds for the whole call. None: no limit.

        Raises:
            InvalidURI: `uri` does not name a service.
            UnsupportedOperation: The service has no buckets, or these credentials are for one bucket only.
            AccessDenied: The credentials are wrong, or lack permission to list buckets.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        deadline = Deadline(timeout)
        async with self._lifetime.kept_open() as instance:
            from ...operations.list_buckets import list_buckets

            await deadline.prepare(instance.disk)
            with deadline.enforced():
                return await list_buckets(
                    path_text("uri", uri),
                    lambda location: self._lifetime.config_for(location, config),
                    instance.for_call(deadline.end),
                )

    async def list_objects(
        self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None
    ) -> list[str]:
        """List the paths of the objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            Paths relative to the URI, so that `f"{uri.rstrip('/')}/{path}"` is an object's URI; for the URI of an
            object, only its name. Directory markers are left out. An empty list for an empty bucket or directory.

        Raises:
            ModelMissingError: There is no such object or prefix.
            IncompleteError: Some local directories could not be listed.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        async with self._lifetime.open("list", uri, config, Deadline(timeout)) as source:
            from ...operations.listing import list_names

            return await list_names(source)

    # The last method: in the class, its name hides the type `list` from the annotations after it.
    async def list(
        self,
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        delimiter: Literal["/"] | None = None,
        max_items: int | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> AsyncGenerator[ObjectInfo]:
        """List the objects under a prefix.

        Args:
            uri: Storage URI or local path of a prefix or an object.
            config: Credentials and endpoint. None: from the environment.
            delimiter: "/": list one level, as `ls` does: the objects directly under the prefix, and instead of those
                that are deeper, their prefixes (`ObjectInfo.is_prefix`). None: all objects under the prefix.
            max_items: Stop after so many objects and prefixes. None: no limit.
            allow_patterns: List only objects whose path relative to the prefix (for a single object, its name) matches
                one of these `fnmatch` patterns.
            ignore_patterns: Skip objects whose path matches one of these; local directories in which no path can match
                are not read. A prefix is skipped if nothing below it can match.
            timeout: Seconds until the last object, including the time that the caller takes for each; the caller's own
                code is never interrupted. None: no limit.
            on_event: Called on the event loop's thread with a "skipped" event for each entry of a local directory that
                is not an object: a broken link, a FIFO …, and with a "retry" or "paused" event before each wait; must
                not block.

        Yields:
            Each object with its whole key, directory markers included, in no particular order. Nothing for an empty
            bucket or directory.

        Raises:
            ModelMissingError: There is no such object or prefix.
            IncompleteError: Some local directories could not be listed; all other objects were yielded.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.

        Example:
            >>> async def total(storage: AsyncStorage, uri: StrPath) -> int:
            ...     return sum([obj.size or 0 async for obj in storage.list(uri)])
        """
        patterns = Patterns.of(allow_patterns, ignore_patterns)

        def listing(source: OpenLocation) -> AsyncGenerator[ObjectInfo]:
            from ...operations.listing import list_objects

            return list_objects(source, patterns, on_event, delimiter=delimiter, max_items=max_items)

        async with aclosing(
            self._lifetime.iterate("list", uri, config, listing, Deadline(timeout), on_event)
        ) as objects:
            async for obj in objects:
                yield obj
