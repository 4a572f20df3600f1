"""Uploads of local files, and objects from bytes and streams."""

from ...config import StorageConfig
from ...keys.patterns import Patterns
from ...operations.call_options import CallOptions
from ...operations.deadline import Deadline
from ...operations.open_location import check_local
from ...types import Durability, Existing, ObjectInfo, OnError, OnEvent, Symlinks, Verify
from ...types.write_options import WriteOptions
from ..argument_types import Content, PatternList, StrPath
from ..positional_config import accepts_positional_config
from ..progress_option import shows_progress
from .base import Verbs

__all__ = ["WriteVerbs"]


@accepts_positional_config
class WriteVerbs(Verbs):
    """Uploads of local files, and objects from bytes and streams."""

    @shows_progress
    async def upload(  # noqa: PLR0913 - the caller's options, each by its name
        self,
        src: StrPath,
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> bool:
        """Upload a local file, or all files below a directory.

        Args:
            src: Path of the file or directory; a link is followed. Empty directories are skipped.
            uri: For a file, the object's URI; or, if it ends in "/" or is a bucket, the prefix that receives the file's
                name. For a directory, the prefix that receives the relative paths.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            allow_patterns: Upload only files whose path relative to `src` (for a single file, its name) matches one of
                these.
            ignore_patterns: Skip files whose path matches one of these.
            existing: What happens to an object that exists. "overwrite": it is replaced. "skip": it stays, whatever it
                contains, and a "kept" event reports it. "fail": raise ObjectExists before anything is written. With the
                last two, an object that appears in the meantime is not replaced either, where the service supports it.
            on_error: What happens if a file of a directory cannot be uploaded; as in `download`.
            symlinks: "follow": links below `src` are followed. "skip": they are left out, and "skipped" events report
                them.
            verify: True: report which checksum the service compared. "require": raise IntegrityError if it compared
                none. False: do not check.
            timeout: Seconds for the whole call. None: no limit.
            on_event: Called with progress events on the event loop's thread; must not block.
            write_options: Content type and other headers, user metadata, tags, storage class, encryption and ACL of the
                objects. None: the Content-Type by the extension of the name, and the defaults of the bucket.
            progress: As in `download`.

        Returns:
            True.

        Raises:
            ModelMissingError: `src` or the bucket does not exist, or `src` contains no files.
            IncompleteError: As in `download`.
            ObjectExists: As in `download`.
            AccessDenied: The credentials are wrong, or lack permission to write.
            UnsupportedOperation: The destination does not have one of the write options. Nothing was written.
            DeadlineExceeded: The timeout expired; the same call resumes unfinished uploads.
            StorageError: Any other failure. Each object is replaced atomically; objects that were complete before the
                failure stay.
        """
        options = CallOptions(
            Patterns.of(allow_patterns, ignore_patterns),
            on_event,
            existing=existing,
            on_error=on_error,
            symlinks=symlinks,
            verify=verify,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        async with self._lifetime.open_pair(
            "upload", src, uri, (None, config), options.deadline, check_local, on_event
        ) as (source, destination):
            from ...operations.upload import upload

            return await upload(source, destination, options.about(source.location))

    async def write(  # noqa: PLR0913 - the caller's options, each by its name
        self,
        uri: StrPath,
        data: Content,
        *,
        config: StorageConfig | None = None,
        existing: Existing = "overwrite",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
    ) -> ObjectInfo:
        """Store bytes, or a stream of bytes, as an object or a local file.

        Large content is uploaded in parts, several at a time. A stream is stored in order while it arrives, within the
        memory limit: no more is taken from it than can be sent. It is not resumed.

        Args:
            uri: The object's storage URI, or a local path.
            data: Bytes, or anything with a buffer (bytearray, memoryview, numpy array …), which must not change during
                the call. Or an iterable or async iterable of such chunks; an iterable is advanced in a thread.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            existing: As in `upload`. If there is an object of this name already, nothing is taken from a stream.
            verify: As in `upload`.
            timeout: Seconds for the whole call. None: no limit.
            durability: As in `download`, for a local file.
            on_event: Called with progress events on the event loop's thread; must not block.
            write_options: As in `upload`.

        Returns:
            The stored object, with its size and version; `checksums` holds those that the service has compared. With
            `existing="skip"`, the object that there is already.

        Raises:
            InvalidURI: `uri` names a bucket or a prefix.
            InvalidConfig: `data` is neither bytes nor an iterable of bytes.
            ModelMissingError: The bucket does not exist.
            ObjectExists: There is an object of this name, and `existing="fail"` was given.
            AccessDenied: The credentials are wrong, or lack permission to write.
            IntegrityError: `verify="require"`, and the service compares no checksum.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure. Whatever fails, also the iterable, an object of that name stays as it was.

        Example:
            >>> async def transform(storage: AsyncStorage, src: StrPath, dest: StrPath) -> ObjectInfo:
            ...     async def chunks():
            ...         async for chunk in storage.stream(src):
            ...             yield chunk.upper()
            ...     return await storage.write(dest, chunks())
        """
        options = CallOptions(
            on_event=on_event,
            existing=existing,
            verify=verify,
            durability=durability,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        async with self._lifetime.open("write", uri, config, options.deadline, on_event) as place:
            from ...operations.write import write

            return await write(place, data, options.about(place.location))

    async def abort_uploads(
        self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None
    ) -> int:
        """Abort unfinished uploads instead of resuming them: delete their stored parts.

        Only uploads that this user has started on this machine are aborted, and none that is running. An upload that no
        call resumes for a week is aborted anyway, by the next upload to the same bucket.

        Args:
            uri: Storage URI of an object, or of a prefix or bucket for all uploads under it.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            Number of uploads that were aborted.

        Raises:
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure; uploads that were not aborted can still be resumed.

        Example:
            >>> async def discard(storage: AsyncStorage) -> None:
            ...     await storage.abort_uploads("s3://ml-models/llama/")
        """
        async with self._lifetime.open("abort uploads", uri, config, Deadline(timeout)) as place:
            from ...operations.abort_uploads import abort_uploads

            return await abort_uploads(place)
