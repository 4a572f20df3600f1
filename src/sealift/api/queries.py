"""The verbs that only read: names, facts, and bytes into memory."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

from ..config import StorageConfig
from ..contract import Backend
from ..errors import AccessDenied, DeadlineExceeded, InvalidConfig, UnsupportedOperation
from ..keys.paths import collapse, is_directory_marker
from ..keys.patterns import Patterns
from ..operations.read import chunks, length_of, read_into
from ..operations.resolve import LOOK, Prefix, find_object, resolve
from ..operations.skipped import Skips
from ..runtime.retry import Retry
from ..types import ObjectInfo, OnEvent
from ..types.properties import HEADERS, NO_PROPERTIES
from ..uri import parse
from .lifetime import Deadline, Session

__all__ = ["Queries"]

# Anything whose memory can be written: bytearray, array, numpy array, mmap (`collections.abc.Buffer` from 3.12 on).
WritableBuffer = Any
PatternList = Iterable[str] | str | None

_UNLISTED = "could not list everything"


class Queries(Session):
    """List, stat, read and open."""

    async def objects(
        self,
        uri: str,
        config: StorageConfig | None = None,
        *,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> AsyncGenerator[ObjectInfo]:
        """List the objects under a prefix while the listing arrives.

        Args:
            uri: Storage URI or local path of a prefix or an object.
            config: How to sign in. None: what the environment says.
            allow_patterns: Only objects whose path relative to the prefix (for an object: whose name) matches one of
                these, as in `fnmatch`.
            ignore_patterns: No objects whose path matches one of these; a local directory of which no path can match
                is not read.
            timeout: Seconds until the last object has been told of, the time included that the caller takes for each;
                but it is never interrupted at its own work. None: any time.
            on_event: Called on the loop's thread with a "skipped" event for each entry of a local directory that is no
                object: a broken link, a FIFO …; must not block.

        Yields:
            Each object, with its whole key; directory markers too. Nothing for an empty bucket or directory.

        Raises:
            ModelMissingError: There is nothing there.
            IncompleteError: Some local directories could not be listed; all other objects have been yielded.
            DeadlineExceeded: The time is over.
            StorageError: Any other failure.

        Example:
            >>> async def total(storage: AsyncStorage, uri: str) -> int:
            ...     return sum([obj.size or 0 async for obj in storage.objects(uri)])
        """
        deadline = Deadline(timeout)
        patterns = Patterns.of(allow_patterns, ignore_patterns)
        async with aclosing(self._objects(uri, config, patterns, on_event)) as objects:
            while True:
                try:
                    with deadline.held():  # never around a yield: what a caller does meanwhile is not ours to cancel
                        obj = await anext(objects, None)
                except DeadlineExceeded as error:
                    raise error.about("list", str(parse(uri))) from None
                if obj is None:
                    return
                yield obj

    async def _objects(
        self, uri: str, config: StorageConfig | None, patterns: Patterns, on_event: OnEvent | None
    ) -> AsyncGenerator[ObjectInfo]:
        async with self._at("list", uri, config) as end:
            skips = Skips(patterns, end.location.key, on_event, copying=False)
            found = await resolve(end.backend, end.location.key, end.instance.retry, skips.walk)
            if isinstance(found, ObjectInfo):
                if patterns.matches(end.location.name if found.name is None else found.name):
                    yield found
                return
            async with aclosing(found.objects) as objects:
                async for obj in objects:
                    marker = is_directory_marker(obj.key, obj.size)
                    if patterns.matches(obj.key[len(found.key) :] if marker else collapse(obj.key, found.key)):
                        yield obj
            skips.check(_UNLISTED)

    async def list_objects(
        self, uri: str, config: StorageConfig | None = None, *, timeout: float | None = None
    ) -> list[str]:
        """Name the objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: How to sign in. None: what the environment says.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            Their paths relative to the URI, so that `f"{uri.rstrip('/')}/{path}"` is an object's URI; for the URI of an
            object its name alone. Directory markers are left out. An empty list for an empty bucket or directory.

        Raises:
            ModelMissingError: There is nothing there.
            IncompleteError: Some local directories could not be listed.
            DeadlineExceeded: The time is over.
            StorageError: Any other failure.
        """
        async with self._at("list", uri, config, Deadline(timeout)) as end:
            skips = Skips(Patterns.of(None, None), end.location.key, copying=False)
            found = await resolve(end.backend, end.location.key, end.instance.retry, skips.walk)
            if isinstance(found, ObjectInfo):
                return [end.location.name if found.name is None else found.name]
            async with aclosing(found.objects) as objects:
                keys = [obj.key async for obj in objects if not is_directory_marker(obj.key, obj.size)]
            skips.check(_UNLISTED)
            return [key[len(found.key) :] for key in keys]

    async def get_object_metadata(
        self, uri: str, config: StorageConfig | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Tell what the service knows of an object.

        Args:
            uri: Storage URI or local path of an object or a prefix.
            config: How to sign in. None: what the environment says.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            `uri`, `type` ("object" or "prefix"), `size` in bytes, `modified_time` (an aware datetime), `etag`,
            `version`, `content_type`, `content_encoding`, `content_language`, `content_disposition`,
            `cache_control`, `expires`, `checksums` (algorithm → hex digest), `metadata` (user metadata) and `tags`
            (None where they may not be read). What is not known is None; of a prefix only its `uri` and `type` are.

        Raises:
            ModelMissingError: There is nothing there.
            DeadlineExceeded: The time is over.
            StorageError: Any other failure.
        """
        async with self._at("stat", uri, config, Deadline(timeout)) as end:
            found = await resolve(end.backend, end.location.key, end.instance.retry, LOOK)
            if isinstance(found, Prefix):
                await found.objects.aclose()
            info = found if isinstance(found, ObjectInfo) else ObjectInfo(found.key, None)
            properties = info.properties or NO_PROPERTIES
            return {
                "uri": str(parse(uri)),
                "type": "object" if info is found else "prefix",
                "size": info.size,
                "modified_time": info.modified,
                "etag": info.etag,
                "version": info.version,
                **{name: getattr(properties, name) for name in HEADERS.values()},
                "checksums": dict(info.checksums),
                "metadata": dict(properties.metadata),
                "tags": await _tags(end.backend, info, end.instance.retry),
            }

    async def read(
        self,
        uri: str,
        start: int = 0,
        length: int | None = None,
        config: StorageConfig | None = None,
        *,
        timeout: float | None = None,
    ) -> bytes:
        """Read an object, or a range of it, into memory.

        Args:
            uri: Its storage URI or local path.
            start: Offset of the first byte.
            length: Number of bytes. None: to the end.
            config: How to sign in. None: what the environment says.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            The bytes; as with a slice, fewer or none where the object ends before. Not counted in `Limits.memory`.

        Raises:
            ModelMissingError: There is no such object.
            IntegrityError: The bytes of the whole object do not have its checksum.
            DeadlineExceeded: The time is over.
            StorageError: Any other failure.
        """
        return await self._read(uri, start, length, config, Deadline(timeout))

    async def _read(
        self, uri: str, start: int, length: int | None, config: StorageConfig | None, deadline: Deadline
    ) -> bytes:
        async with self._at("read", uri, config, deadline) as end:
            obj = await find_object(end.backend, end.location.key, end.instance.retry)
            count = length_of(obj, start, length)
            if count is None or not obj.ranged or obj.size is None:
                found = chunks(end.instance, end.backend, obj, start, count)
                return b"".join([chunk async for chunk in found])
            body = bytearray(count)
            await read_into(end.instance, end.backend, obj, start, memoryview(body))
            return bytes(body)

    async def read_into(
        self,
        uri: str,
        buffer: WritableBuffer,
        start: int = 0,
        config: StorageConfig | None = None,
        *,
        timeout: float | None = None,
    ) -> int:
        """Read an object, or a range of it, straight into memory of the caller: the kernel writes to it.

        Args:
            uri: Its storage URI or local path.
            buffer: Writable, contiguous memory: a bytearray, a numpy array, an mmap … Filled from its beginning. After
                a failure its content is undefined.
            start: Offset in the object of the first byte.
            config: How to sign in. None: what the environment says.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            How many bytes were read: the buffer's size, or fewer where the object ends before.

        Raises:
            InvalidConfig: `buffer` cannot be written to.
            ModelMissingError: There is no such object.
            IntegrityError: The bytes of the whole object do not have its checksum.
            DeadlineExceeded: The time is over.
            StorageError: Any other failure.

        Example:
            >>> async def weights(storage: AsyncStorage, uri: str) -> numpy.ndarray:
            ...     array = numpy.empty(1 << 20, numpy.float32)
            ...     await storage.read_into(uri, array)
            ...     return array
        """
        async with self._at("read", uri, config, Deadline(timeout)) as end:
            view = memoryview(buffer)
            if view.readonly or not view.c_contiguous:
                raise InvalidConfig("the buffer cannot be filled", hint="give writable, contiguous memory")
            view = view.cast("B") if view.nbytes else memoryview(b"")
            obj = await find_object(end.backend, end.location.key, end.instance.retry)
            count = length_of(obj, start, len(view)) or 0
            if obj.ranged and obj.size is not None:
                await read_into(end.instance, end.backend, obj, start, view[:count])
                return count
            done = 0
            async with aclosing(chunks(end.instance, end.backend, obj, start, count)) as found:
                async for chunk in found:
                    view[done : done + len(chunk)] = chunk
                    done += len(chunk)
            return done

    async def open(
        self, uri: str, start: int = 0, length: int | None = None, config: StorageConfig | None = None
    ) -> AsyncGenerator[bytes]:
        """Read an object in order, chunk by chunk.

        A few chunks are read ahead, in parallel; while the caller works on one, no more than those arrive.

        Args:
            uri: Its storage URI or local path.
            start: Offset of the first byte.
            length: Number of bytes. None: to the end.
            config: How to sign in. None: what the environment says.

        Yields:
            Chunks of some MiB. To leave before the last one, use `contextlib.aclosing`.

        Raises:
            ModelMissingError: There is no such object.
            ObjectChanged: It was replaced between two chunks.
            IntegrityError: After the last chunk: the bytes of the whole object do not have its checksum.
            StorageError: Any other failure.

        Example:
            >>> async def sha256(storage: AsyncStorage, uri: str) -> str:
            ...     digest = hashlib.sha256()
            ...     async for chunk in storage.open(uri):
            ...         digest.update(chunk)
            ...     return digest.hexdigest()
        """
        async with self._at("read", uri, config) as end:
            obj = await find_object(end.backend, end.location.key, end.instance.retry)
            count = length_of(obj, start, length)
            async with aclosing(chunks(end.instance, end.backend, obj, start, count)) as found:
                async for chunk in found:
                    yield chunk


async def _tags(backend: Backend, obj: ObjectInfo, retry: Retry) -> dict[str, str] | None:
    """The tags of an object; None: they may not be read."""
    tags = {} if obj.properties is None else obj.properties.tags
    if tags is None:
        try:
            tags = await retry(lambda: backend.tags(obj))
        except (AccessDenied, UnsupportedOperation):
            return None
    return dict(tags)
