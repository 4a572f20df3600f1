"""What a service reports about objects, URLs for them, and their deletion."""

from typing import Any, Literal

from ...config import StorageConfig
from ...errors import ModelMissingError
from ...keys.patterns import Patterns
from ...operations.call_options import CallOptions
from ...operations.deadline import Deadline
from ...types import ObjectInfo, OnError, OnEvent
from ...uri import parse
from ..argument_types import PatternList, StrPath
from ..positional_config import accepts_positional_config
from .base import Verbs

__all__ = ["ObjectVerbs"]


@accepts_positional_config
class ObjectVerbs(Verbs):
    """What a service reports about objects, URLs for them, and their deletion."""

    async def stat(
        self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None
    ) -> ObjectInfo:
        """Return what the service reports about one object; `get_object_metadata` returns it as a dictionary.

        Args:
            uri: Its storage URI or local path.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            The object: key, size, version, modification time, checksums, properties …

        Raises:
            ModelMissingError: There is no such object, also if there is a prefix of that name.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        async with self._lifetime.open("stat", uri, config, Deadline(timeout)) as source:
            from ...operations.stat import stat

            return await stat(source)

    async def exists(self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None) -> bool:
        """Check whether there is an object, or a prefix with at least one object.

        Args:
            uri: Storage URI or local path. As everywhere, `models/foo` is the object of that name or the prefix
                `models/foo/`; with a final "/" it is the prefix only. An empty bucket or directory exists.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Raises:
            AccessDenied: There is no permission to find out.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        try:
            async with self._lifetime.open("check", uri, config, Deadline(timeout)) as source:
                from ...operations.exists import check_exists

                return await check_exists(source)
        except ModelMissingError:  # already when it is opened
            return False

    async def get_object_metadata(
        self,
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> dict[str, Any]:
        """Return the metadata that the service reports for an object.

        Args:
            uri: Storage URI or local path of an object or a prefix.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.
            version_id: As in `download`.

        Returns:
            `uri`, `type` ("object" or "prefix"), `size` in bytes, `modified_time` (an aware datetime), `etag`,
            `version`, `content_type`, `content_encoding`, `content_language`, `content_disposition`,
            `cache_control`, `expires`, `checksums` (algorithm → hex digest), `metadata` (user metadata) and `tags`
            (None without permission to read them). Unknown values are None; a prefix has only `uri` and `type`.

        Raises:
            ModelMissingError: There is no such object or prefix.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        async with self._lifetime.open("stat", uri, config, Deadline(timeout), version_id=version_id) as source:
            from ...operations.stat import object_metadata

            return await object_metadata(source, str(parse(uri)))

    async def presign(
        self,
        uri: StrPath,
        method: Literal["GET", "PUT"] = "GET",
        expires_in: int = 3600,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
    ) -> str:
        """Return a URL with which anyone can read or write one object for a limited time, without credentials.

        Whoever has the URL has this access: treat it as a secret. Nothing is checked: the object need not exist, and
        the credentials may lack the permission. For Azure, a PUT needs the header `x-ms-blob-type: BlockBlob`.

        Args:
            uri: Storage URI of the object: s3, gs or azure.
            method: HTTP method that the URL is for: "GET" to read, "PUT" to write.
            expires_in: Seconds for which the URL is valid, up to a week; it also ends with temporary credentials.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
                gs needs the key of a service account, azure the account key or an identity that may request a user
                delegation key.
            timeout: Seconds for the whole call. None: no limit.

        Raises:
            UnsupportedOperation: The storage has no such URLs, or these credentials cannot sign one.
            InvalidURI: `uri` names a bucket or a prefix.
            InvalidConfig: `expires_in` is not positive or longer than the service allows, or there are no credentials.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        async with self._lifetime.open("sign", uri, config, Deadline(timeout)) as place:
            from ...operations.presign import presign

            return await presign(place, method, expires_in)

    async def delete(  # noqa: PLR0913 - the caller's options, each by its name
        self,
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        recursive: bool = False,
        delete_snapshots: bool = False,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        on_error: OnError = "continue",
        dry_run: bool = False,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> int:
        """Delete an object, or all objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            recursive: Allow a prefix. Links in a directory are deleted, not followed.
            delete_snapshots: Azure: delete objects together with their snapshots. False: an object with snapshots is an
                error, and stays.
            allow_patterns: Delete only objects whose path relative to the prefix matches one of these.
            ignore_patterns: Skip objects whose path matches one of these.
            on_error: What happens if an object of a prefix cannot be deleted. "continue": the others are deleted, and
                IncompleteError lists it at the end. "stop": the call ends; objects of the same request, and of requests
                that are running, may be deleted nevertheless.
            dry_run: Only report to `on_event` what would be deleted ("deleted").
            timeout: Seconds for the whole call. None: no limit.
            on_event: Called for each deleted object, on the event loop's thread; must not block.

        Returns:
            Number of objects that were deleted: 0 for an empty bucket or directory.

        Raises:
            ModelMissingError: There is no such object or prefix.
            IncompleteError: Some objects could not be deleted; all others were.
            InvalidConfig: It is a prefix, and `recursive` is False.
            DeadlineExceeded: The timeout expired; objects that were deleted before stay deleted.
            StorageError: Any other failure; objects that were deleted before stay deleted.
        """
        options = CallOptions(
            Patterns.of(allow_patterns, ignore_patterns),
            on_event,
            recursive=recursive,
            on_error=on_error,
            dry_run=dry_run,
            delete_snapshots=delete_snapshots,
            deadline=Deadline(timeout),
        )
        async with self._lifetime.open("delete", uri, config, options.deadline, on_event) as place:
            from ...operations.delete import delete

            return await delete(place, options.about(place.location))

    async def delete_object(
        self,
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> bool:
        """Delete one object.

        Args:
            uri: Its storage URI or local path.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            delete_snapshots: As in `delete`.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            Whether it existed.

        Raises:
            InvalidURI: `uri` names a bucket, not an object.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        async with self._lifetime.open("delete", uri, config, Deadline(timeout)) as place:
            from ...operations.delete import delete_object

            return await delete_object(place, delete_snapshots=delete_snapshots)
