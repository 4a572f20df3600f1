"""`AsyncStorage`: what a user asks for → what the engine does."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self

import anyio

from .backend import Backend
from .backends import open_backend
from .backends.local import LocalBackend
from .config import StorageConfig
from .download import Patterns, download
from .errors import ClosedError, StorageError
from .paths import is_directory_marker
from .resolve import Prefix, resolve
from .resources import Resources
from .types import Limits, ObjectInfo, OnEvent
from .uri import Location, get_storage_spec, is_local, parse

__all__ = ["AsyncStorage"]

StrPath = str | os.PathLike[str]


class AsyncStorage:
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

    def __init__(self, limits: Limits | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        self._limits = limits or Limits()
        self._environ = os.environ if environ is None else environ
        self._loop: asyncio.AbstractEventLoop | None = None
        self._resources: Resources | None = None
        self._users = 0

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._leave()

    def _enter(self) -> Resources:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise ClosedError("this AsyncStorage belongs to another event loop", hint="make one for each loop")
        self._resources = self._resources or Resources(self._limits, self._environ)
        self._users += 1
        return self._resources

    async def _leave(self) -> None:
        self._users -= 1
        if not self._users and self._resources is not None:
            resources, self._resources = self._resources, None
            await resources.aclose()

    @asynccontextmanager
    async def _source(
        self, operation: str, text: str, config: StorageConfig | None
    ) -> AsyncGenerator[tuple[Resources, Backend, Location]]:
        """The backend for a URI, for the time of one verb; its errors say which verb and which URI failed."""
        location: Location | None = None
        try:
            location = parse(text)
            resources = self._enter()
            try:
                backend = await open_backend(location, config, resources)
                try:
                    yield resources, backend, location
                finally:
                    with anyio.CancelScope(shield=True):
                        await backend.aclose()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._leave()
        except StorageError as error:
            error.__context__ = None  # `from None` only hides it, and it may quote a secret, as a file's parser does
            raise error.about(operation, str(location) if location else "") from error.__cause__

    async def download(
        self,
        uri: str,
        dest: StrPath | None = None,
        config: StorageConfig | None = None,
        *,
        allow_patterns: Iterable[str] | str | None = None,
        ignore_patterns: Iterable[str] | str | None = None,
        on_event: OnEvent | None = None,
    ) -> str:
        """Bring an object, or all objects under a prefix, to the local disk.

        Args:
            uri: Storage URI of an object or a prefix, or a local path. An object wins over a prefix of the same name;
                `models/foo` as a prefix means `models/foo/…`, never `models/foo-2`.
            dest: For an object the file, or, if it ends in "/" or is a directory, the directory that receives the
                file. For a prefix the directory that receives the keys relative to the prefix. None: a new
                temporary directory; a local URI is returned as it is.
            config: How to sign in. None: what the environment says.
            allow_patterns: Only objects whose path relative to the prefix (for an object: whose name) matches one of
                these, as in `fnmatch`.
            ignore_patterns: No objects whose path matches one of these.
            on_event: Told of progress on the loop's thread; must not block.

        Returns:
            The path of the file, or of the directory for a prefix.

        Raises:
            InvalidURI: `uri` is no storage URI.
            ModelMissingError: There is nothing there, or nothing that the patterns let through.
            AccessDenied: The credentials are wrong or not allowed to read it.
            UnsafeKey: A key would leave `dest`.
            StorageError: Any other failure. Files appear under their names only when they are whole and verified; a
                directory that did not exist appears as a whole.
        """
        patterns = Patterns.of(allow_patterns, ignore_patterns)
        async with self._source("download", uri, config) as (resources, source, location):
            if dest is not None:
                return await download(resources, source, location, os.fspath(dest), patterns, on_event)
            if location.scheme == "file":
                found = await resolve(source, location.key, resources.retry)
                if isinstance(found, Prefix):
                    await found.objects.aclose()
                return f"/{location.key.rstrip('/')}"
            root = LocalBackend("/", resources.disk)
            directory = await root.run(lambda: tempfile.mkdtemp(prefix="sealift-"))
            try:
                return await download(resources, source, location, directory, patterns, on_event)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await resources.disk.run(lambda: shutil.rmtree(directory, ignore_errors=True))
                raise

    async def list_objects(self, uri: str, config: StorageConfig | None = None) -> list[str]:
        """Name the objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: How to sign in. None: what the environment says.

        Returns:
            Their paths relative to the URI, so that `f"{uri.rstrip('/')}/{path}"` is an object's URI; for the URI of an
            object its name alone. Directory markers are left out.

        Raises:
            ModelMissingError: There is nothing there.
            StorageError: Any other failure.
        """
        async with self._source("list", uri, config) as (resources, source, location):
            found = await resolve(source, location.key, resources.retry)
            if isinstance(found, ObjectInfo):
                return [location.name]
            async with aclosing(found.objects) as objects:
                keys = [obj.key async for obj in objects if not is_directory_marker(obj.key, obj.size)]
            return [key[len(found.key) :] for key in keys]

    async def get_object_metadata(self, uri: str, config: StorageConfig | None = None) -> dict[str, Any]:
        """Tell what the service knows of an object.

        Args:
            uri: Storage URI or local path of an object or a prefix.
            config: How to sign in. None: what the environment says.

        Returns:
            `uri`, `type` ("object" or "prefix"), `size` in bytes, `modified_time` (an aware datetime), `etag`,
            `version`, `content_type`, `checksums` (algorithm → hex digest) and `metadata` (the user's own). What is
            not known is None; of a prefix only its `uri` and `type` are.

        Raises:
            ModelMissingError: There is nothing there.
            StorageError: Any other failure.
        """
        async with self._source("stat", uri, config) as (resources, source, location):
            found = await resolve(source, location.key, resources.retry)
            if isinstance(found, Prefix):
                await found.objects.aclose()
            info = found if isinstance(found, ObjectInfo) else ObjectInfo(found.key, None)
            return {
                "uri": str(location),
                "type": "object" if info is found else "prefix",
                "size": info.size,
                "modified_time": info.modified,
                "etag": info.etag,
                "version": info.version,
                "content_type": info.content_type,
                "checksums": dict(info.checksums),
                "metadata": dict(info.metadata),
            }

    is_local = staticmethod(is_local)
    get_storage_spec = staticmethod(get_storage_spec)
