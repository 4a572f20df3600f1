"""What the methods of the store do, by those of `AsyncStorage`."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from ...api.async_file import AsyncReadableFile, AsyncWritableFile
from ...api.async_storage import AsyncStorage
from ...config import StorageConfig
from ...errors import InvalidConfig, ModelMissingError
from ...runtime.detached import run_detached
from ...types import MiB, ObjectInfo
from ...uri import parse
from .conditions import check_conditions, requested_range
from .exceptions import InvalidPathError, NotFoundError, NotSupportedError, renamed
from .put_options import write_options_of
from .results import attributes_of, meta_of

__all__ = ["StoreOperations"]

P = ParamSpec("P")
T = TypeVar("T")

# Objects per item of a listing.
_BATCH = 500
_PIECE = MiB


def _renaming(
    method: Callable[Concatenate["StoreOperations", P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["StoreOperations", P], Coroutine[Any, Any, T]]:
    """Raise errors under the names of obspec."""

    @wraps(method)
    async def renaming(self: "StoreOperations", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with renamed():
            return await method(self, *args, **kwargs)

    return renaming


class StoreOperations:
    """The operations of one store; each takes the storage of the event loop that it runs in.

    Args:
        base: URI or local path of the store, without a trailing "/".
        config: Credentials and endpoint.
    """

    def __init__(self, base: str, config: StorageConfig | None) -> None:
        self._base = base
        self._config = config

    @_renaming
    async def get(
        self, storage: AsyncStorage, path: str, options: Mapping[str, Any] | None
    ) -> tuple[AsyncReadableFile, dict[str, Any], dict[str, str], tuple[int, int]]:
        """The arguments of a `GetResult`."""
        file = await self._open(storage, path, (options or {}).get("version"))
        try:
            obj = file.opened.stream.obj
            check_conditions(obj, options or {})
            span = requested_range(obj, options or {})
            properties = obj.properties
            attributes = (
                attributes_of(properties) if properties else await self._attributes(storage, path, obj.version_id)
            )
        except BaseException:
            await file.aclose()
            raise
        return file, meta_of(path, obj), attributes, span

    @_renaming
    async def get_range(
        self, storage: AsyncStorage, path: str, start: int, end: int | None, length: int | None
    ) -> bytes:
        count = _length(start, end, length)
        data = await storage.read(self._uri(path), start, count, config=self._config)
        if not data:
            raise _no_range(path, start, count)
        return data

    @_renaming
    async def get_ranges(
        self,
        storage: AsyncStorage,
        path: str,
        starts: Sequence[int],
        ends: Sequence[int] | None,
        lengths: Sequence[int] | None,
    ) -> list[bytes]:
        unknown: Sequence[int | None] = [None] * len(starts)
        spans = zip(starts, ends or unknown, lengths or unknown, strict=True)
        wanted = [(start, _length(start, end, length)) for start, end, length in spans]
        async with storage.open(self._uri(path), config=self._config) as file, file.opened.use("read") as reader:
            size = reader.obj.size
            if not reader.seekable or size is None:
                raise NotSupportedError("the server does not support ranges of this object")
            buffers = [bytearray(max(min(start + length, size) - start, 0)) for start, length in wanted]
            for (start, length), buffer in zip(wanted, buffers, strict=True):
                if not buffer:
                    raise _no_range(path, start, length)
            async with asyncio.TaskGroup() as group:
                for (start, _), buffer in zip(wanted, buffers, strict=True):
                    group.create_task(reader.fetch(start, memoryview(buffer)))
        return [bytes(buffer) for buffer in buffers]

    @_renaming
    async def head(self, storage: AsyncStorage, path: str) -> dict[str, Any]:
        return meta_of(path, await self._stat(storage, path))

    async def list_objects(
        self, storage: AsyncStorage, prefix: str | None, offset: str | None
    ) -> AsyncGenerator[list[dict[str, Any]]]:
        batch: list[dict[str, Any]] = []
        async with aclosing(self._objects(storage, prefix)) as objects:
            async for path, obj in objects:
                if offset is None or path > offset:
                    batch.append(meta_of(path, obj))
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    @_renaming
    async def list_with_delimiter(self, storage: AsyncStorage, prefix: str | None) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        prefixes: list[str] = []
        async with aclosing(self._objects(storage, prefix, "/")) as objects:
            async for path, obj in objects:
                if obj.is_prefix:
                    prefixes.append(path.rstrip("/"))
                else:
                    found.append(meta_of(path, obj))
        return {"common_prefixes": prefixes, "objects": found}

    @_renaming
    async def put(self, storage: AsyncStorage, path: str, file: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        chosen = write_options_of(options)
        async with storage.open(self._uri(path), "wb", config=self._config, write_options=chosen) as out:
            await _write(out, file)
        stored = out.opened.stream.stored
        return {"e_tag": None, "version": None} if stored is None else {"e_tag": stored.etag, "version": stored.version}

    @_renaming
    async def delete(self, storage: AsyncStorage, paths: str | Sequence[str]) -> None:
        uris = [self._uri(path) for path in ([paths] if isinstance(paths, str) else paths)]
        await storage.delete_many(uris, config=self._config)

    @_renaming
    async def copy(self, storage: AsyncStorage, from_: str, to: str, *, overwrite: bool) -> None:
        if not overwrite:
            raise NotSupportedError("overwrite=False is not supported: most services cannot do it atomically")
        config = self._config
        await storage.copy(self._uri(from_), self._uri(to), config=config, dest_config=config, recursive=False)

    @_renaming
    async def rename(self, storage: AsyncStorage, from_: str, to: str, *, overwrite: bool) -> None:
        await self.copy(storage, from_, to, overwrite=overwrite)
        await storage.delete_object(self._uri(from_), config=self._config)

    def _uri(self, path: str) -> str:
        if not path.strip("/"):
            raise InvalidPathError("the path is empty", hint="it is relative to the store")
        _check_segments(path)
        return f"{self._base}/{path.lstrip('/')}"

    async def _open(self, storage: AsyncStorage, path: str, version: str | None) -> AsyncReadableFile:
        """Open an object: of this version, as `meta_of` has named it, or of this version ID."""
        uri = self._uri(path)
        if version is None:
            return await storage.open(uri, config=self._config)
        try:
            file = await storage.open(uri, config=self._config)
        except ModelMissingError:  # a delete marker may hide earlier versions
            return await storage.open(uri, config=self._config, version_id=version)
        if file.opened.stream.obj.version == version:
            return file
        await file.aclose()
        return await storage.open(uri, config=self._config, version_id=version)

    async def _stat(self, storage: AsyncStorage, path: str) -> ObjectInfo:
        found = await storage.get_object_metadata(self._uri(path), config=self._config)
        if found["type"] != "object":
            raise NotFoundError(path, cause=f"there is no object {path!r}, only objects below it")
        return ObjectInfo(path, found["size"], found["version"], found["modified_time"], found["etag"])

    async def _attributes(self, storage: AsyncStorage, path: str, version_id: str | None) -> dict[str, str]:
        found = await storage.get_object_metadata(self._uri(path), config=self._config, version_id=version_id)
        return attributes_of(found)

    async def _objects(
        self, storage: AsyncStorage, prefix: str | None, delimiter: Literal["/"] | None = None
    ) -> AsyncGenerator[tuple[str, ObjectInfo]]:
        """The objects below a prefix, with their paths in the store; none if there is no such prefix.

        Args:
            storage: The storage.
            prefix: The prefix.
            delimiter: "/": list only one level, with the prefixes in it.
        """
        below = (prefix or "").strip("/")
        _check_segments(below)
        uri = f"{self._base}/{below}/" if below else f"{self._base}/"
        root = parse(self._base or "/").key.strip("/")
        try:
            async with aclosing(storage.list(uri, config=self._config, delimiter=delimiter)) as objects:
                async for obj in objects:
                    if obj.is_prefix or not obj.key.endswith("/"):
                        yield obj.key[len(root) :].lstrip("/"), replace(obj, key="")
        except ModelMissingError:
            return


def _check_segments(path: str) -> None:
    """Raise InvalidPathError if a path could lead out of the store; as in obstore, "." is refused, too."""
    if {".", ".."} & set(path.split("/")):
        raise InvalidPathError(f"the path {path!r} has a segment '.' or '..'", hint="it is relative to the store")


def _length(start: int, end: int | None, length: int | None) -> int:
    if (end is None) == (length is None):
        raise InvalidConfig("a range needs either its end or its length")
    return length if length is not None else (end or 0) - start


def _no_range(path: str, start: int, length: int) -> InvalidConfig:
    return InvalidConfig(f"the range of {length} bytes at {start} is empty, or begins after the end of {path!r}")


async def _write(out: AsyncWritableFile, file: Any) -> None:
    """Write a buffer, a local file, a binary file, or an iterable of buffers."""
    if isinstance(file, os.PathLike):
        with await run_detached(lambda: open(file, "rb")) as opened:
            await _write(out, opened)
    elif hasattr(file, "read"):
        while piece := await run_detached(lambda: file.read(_PIECE)):
            await out.write(piece)
    elif isinstance(file, AsyncIterable):
        async for piece in file:
            await out.write(piece)
    elif isinstance(file, Iterable) and not isinstance(file, bytes | bytearray | memoryview) and not _is_buffer(file):
        for piece in file:
            await out.write(piece)
    else:
        await out.write(file)


def _is_buffer(value: Any) -> bool:
    try:
        memoryview(value).release()
    except TypeError:
        return False
    return True
