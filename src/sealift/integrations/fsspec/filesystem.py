"""The filesystem: fsspec's methods, by those of `AsyncStorage`."""

import os
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

from fsspec.asyn import AsyncFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK, Callback

from ...api.async_storage import AsyncStorage
from ...api.blocking import Storage
from ...api.facade_thread import run_in_engine
from ...config import StorageConfig
from ...errors import InvalidConfig, UnsupportedOperation
from ...runtime.detached import run_detached
from ...types import Existing, ObjectInfo
from ...uri import parse
from .callback_progress import CallbackProgress
from .configuration import CACHE_OPTIONS, config_of, file_options
from .entries import add_entry, directory_entry, file_entry, joined

__all__ = ["SealiftFileSystem"]

T = TypeVar("T")


class SealiftFileSystem(AsyncFileSystem):
    """All storages of sealift. Paths are URIs or local paths; those of the subclasses have no scheme.

    Listings are not cached. Object stores have no directories: they exist as long as an object is below them.
    Transactions and appending are not supported. An object that is written appears when its file is closed without an
    error.

    Args:
        config: Credentials and endpoint. None: from the environment.
        asynchronous: Whether it is used with `await`, within one event loop.
        loop: The loop that runs its methods. None: fsspec's, while the transfers run in the thread of `Storage`.
        batch_size: How many requests run at once.
        options: Fields of the scheme's configuration instead of `config`, such as `endpoint_url` of `S3Config`.

    Raises:
        InvalidConfig: There is no such option.

    Example:
        >>> fs = fsspec.filesystem("sealift+s3", endpoint_url="http://minio:9000")
        >>> fs.find("ml-models/iris")
        ['ml-models/iris/model.joblib']
    """

    protocol: ClassVar[str | tuple[str, ...]] = ("sealift",)
    # fsspec finds instances by the text of their arguments, which does not show secrets: it would mix up two accounts.
    cachable = False
    scheme: ClassVar[str] = ""
    config_type: ClassVar[Callable[..., StorageConfig] | None] = None

    def __init__(
        self,
        config: StorageConfig | None = None,
        *,
        asynchronous: bool = False,
        loop: Any = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            asynchronous=asynchronous,
            loop=loop,
            batch_size=batch_size,
            **{name: options.pop(name) for name in CACHE_OPTIONS if name in options},
        )
        self._config = config_of(config, options, self.config_type)
        self._own_loop = asynchronous or loop is not None

    @property
    def fsid(self) -> str:
        """Identifies the kind of filesystem."""
        return self.protocol if isinstance(self.protocol, str) else self.protocol[0]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._config == getattr(other, "_config", None)

    __hash__ = AsyncFileSystem.__hash__

    async def _run(self, call: Callable[[AsyncStorage], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine of a storage.

        Without a loop of the caller, it runs in the thread of `Storage`, whose connections and limits all share:
        fsspec's own code blocks its loop while it looks at local files.
        """
        if self._own_loop:
            return await call(AsyncStorage())
        return await run_in_engine(call)

    def _uri(self, path: str) -> str:
        """The URI of a path."""
        path = self._strip_protocol(path)
        return f"{self.scheme}://{path}" if self.scheme else path

    # Reading

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        uri, size = self._uri(path), 0
        if (start or 0) < 0 or (end or 0) < 0:
            size = (await self._info(path))["size"]
        first = max(size + start, 0) if start is not None and start < 0 else start or 0
        last = size + end if end is not None and end < 0 else end
        length = None if last is None else max(last - first, 0)
        return await self._run(lambda storage: storage.read(uri, first, length, config=self._config))

    async def _get_file(self, rpath: str, lpath: str, callback: Callback = DEFAULT_CALLBACK, **_: Any) -> None:
        await self._copy_one(self._uri(rpath), os.path.abspath(lpath), rpath, callback)  # noqa: ASYNC240 - no I/O

    async def open_async(self, path: str, mode: str = "rb", **options: Any) -> Any:
        """Open a file in the event loop; see `AsyncStorage.open`.

        Args:
            path: Its path.
            mode: "rb" or "wb".
            options: `timeout`, `version_id` and `write_options` of `AsyncStorage.open`; others are ignored.
        """
        return await AsyncStorage().open(self._uri(path), mode, config=self._config, **file_options(options))

    def _open(self, path: str, mode: str = "rb", autocommit: bool = True, **options: Any) -> Any:
        if not autocommit:
            raise NotImplementedError("transactions are not supported: a file appears when it is closed")
        if mode == "xb":
            if self.exists(path):
                raise FileExistsError(path)
            mode = "wb"
        return Storage.open(self._uri(path), mode, config=self._config, **file_options(options))

    # Writing

    async def _pipe_file(self, path: str, value: Any, mode: str = "overwrite", **_: Any) -> None:
        uri, existing = self._uri(path), _existing(mode)
        await self._run(lambda storage: storage.write(uri, value, config=self._config, existing=existing))

    async def _put_file(
        self, lpath: str, rpath: str, mode: str = "overwrite", callback: Callback = DEFAULT_CALLBACK, **_: Any
    ) -> None:
        if await run_detached(lambda: os.path.isdir(lpath)):
            await self._makedirs(rpath, exist_ok=True)
            return
        uri, existing, report = self._uri(rpath), _existing(mode), CallbackProgress(callback)
        await self._run(
            lambda storage: storage.upload(lpath, uri, config=self._config, existing=existing, on_event=report)
        )

    async def _cp_file(self, path1: str, path2: str, **_: Any) -> None:
        await self._copy_one(self._uri(path1), self._uri(path2), path1)

    async def _rm_file(self, path: str, **_: Any) -> None:
        uri = self._uri(path)
        if not await self._run(lambda storage: storage.delete_object(uri, config=self._config)):
            raise FileNotFoundError(path)

    async def _rm(
        self,
        path: str | list[str],
        recursive: bool = False,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **_: Any,
    ) -> None:
        if not recursive or maxdepth is not None:
            await super()._rm(path, recursive=recursive, batch_size=batch_size, maxdepth=maxdepth)
            return
        for uri in map(self._uri, await self._expand_path(path)):
            await self._run(partial(AsyncStorage.delete, uri=uri, config=self._config, recursive=True))

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        if (directory := self._local(path)) is not None:
            await run_detached(lambda: (os.makedirs if create_parents else os.mkdir)(directory))

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        if (directory := self._local(path)) is not None:
            await run_detached(lambda: os.makedirs(directory, exist_ok=exist_ok))

    def rmdir(self, path: str) -> None:
        """Remove an empty local directory. Object stores have no empty directories.

        Args:
            path: Its path.
        """
        if (directory := self._local(path)) is not None:
            os.rmdir(directory)

    # Listing

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if self._is_root(path):
            return {"name": path, "size": 0, "type": "directory"}
        uri = self._uri(path)
        found = await self._run(lambda storage: storage.get_object_metadata(uri, config=self._config))
        if found["type"] == "prefix":
            return {"name": path, "size": 0, "type": "directory"}
        facts = {name: value for name, value in found.items() if name not in {"uri", "type"} and value is not None}
        return {**facts, "name": path, "size": found["size"], "type": "file", "last_modified": found["modified_time"]}

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        found: dict[str, dict[str, Any]] = {}
        if self._is_root(path):
            service = f"{self.scheme}://"
            for name in await self._run(lambda storage: storage.list_buckets(service, config=self._config)):
                found[name] = directory_entry(name)
        else:
            for relative, obj in await self._run(partial(self._objects, path, delimiter="/")):
                name = joined(path, relative.rstrip("/")) if relative else path
                if not relative.endswith("/"):
                    found[name] = file_entry(name, obj)
                else:  # a file of the same name hides it
                    found.setdefault(name, directory_entry(name))
        return [found[name] for name in sorted(found)] if detail else sorted(found)

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        prefix: str = "",
        **_: Any,
    ) -> Any:
        """List everything below a path with one listing."""
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        path = self._strip_protocol(path)
        found: dict[str, dict[str, Any]] = {}
        try:
            objects = await self._run(partial(self._objects, path))
        except FileNotFoundError:
            return {} if detail else []
        for relative, obj in objects:
            if not relative:
                found[path] = file_entry(path, obj)
            elif relative.startswith(prefix):
                add_entry(found, path, relative, obj, maxdepth, withdirs=withdirs)
        if withdirs and path not in found and not self._is_root(path):
            found[path] = directory_entry(path)
        return {name: found[name] for name in sorted(found)} if detail else sorted(found)

    def modified(self, path: str) -> Any:
        """When an object was last modified: an aware datetime.

        Args:
            path: Its path.
        """
        return self.info(path)["last_modified"]

    async def _objects(
        self, path: str, storage: AsyncStorage, delimiter: Literal["/"] | None = None
    ) -> list[tuple[str, ObjectInfo]]:
        """The objects below a path, each with the rest of its path: "" for the object of this path itself.

        The rest of a directory ends in "/". With a delimiter, only one level is listed.
        """
        if self._is_root(path):
            raise UnsupportedOperation("the objects of all buckets cannot be listed", hint="name one in the path")
        uri = self._uri(path)
        start = parse(uri).key.rstrip("/")
        if parse(uri).scheme == "pvc":  # a directory of this machine
            start = (await storage.download(uri, config=self._config)).strip("/")
        found = []
        async with aclosing(storage.list(uri, config=self._config, delimiter=delimiter)) as objects:
            async for obj in objects:
                relative = obj.key[len(start) :].lstrip("/")
                if relative or not obj.key.endswith("/"):
                    found.append((relative, obj))
        return found

    def _is_root(self, path: str) -> bool:
        return path == "" and bool(self.scheme)

    def _local(self, path: str) -> str | None:
        """The local path of a path. None: it is elsewhere."""
        location = parse(self._uri(path)) if not self._is_root(self._strip_protocol(path)) else None
        return f"/{location.key}" if location is not None and location.scheme == "file" else None

    async def _copy_one(self, src: str, dest: str, path: str, callback: Callback = DEFAULT_CALLBACK) -> None:
        """Copy an object; create a directory for what is none."""
        report = CallbackProgress(callback)
        try:
            await self._run(
                lambda storage: storage.copy(
                    src, dest, config=self._config, dest_config=self._config, recursive=False, on_event=report
                )
            )
        except InvalidConfig:
            if not await self._isdir(path):
                raise
            if parse(dest).scheme == "file":
                await run_detached(lambda: os.makedirs(f"/{parse(dest).key}", exist_ok=True))


def _existing(mode: str) -> Existing:
    """What to do about an object that exists, by the `mode` of fsspec's methods."""
    return "fail" if mode == "create" else "overwrite"
