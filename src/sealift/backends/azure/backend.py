"""Backend for an Azure Blob Storage container."""

from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from ...config import AzureConfig
from ...contract import EVERYTHING, Reader, Walk
from ...errors import ObjectChanged
from ...lane_contract import ByteCount, Sink, SmallObjects
from ...runtime.paging import Page, paginate
from ...types import Capabilities, Head, MiB, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...types.write_options import HEADER_OPTIONS, WriteOptions
from ...uri import Location
from ...wire import Response, check_read
from . import replies
from .authorization import TokenAuthorizer
from .container import Container
from .delete_blobs import delete, delete_many
from .lane import AzureLane, expectation, open_lane, pinned_headers
from .properties import of_reply
from .server_copy import copy
from .tags import tags
from .upload import AzureUpload, condition, put_headers, refuse_existing, stored_blob

__all__ = ["AzureBackend"]

# Objects per page. The service allows 5,000, but with metadata they could exceed the size limit of a reply.
_PAGE = "1000"


class AzureBackend:
    """One container.

    Args:
        location: Location of the container.
        config: The caller's configuration.
        container_at: Opens the container of another location with the same configuration.
        version_id: The version of an object to read; see `replies.version_query`. None: the current one.
    """

    small_objects: SmallObjects | None = None

    def __init__(
        self,
        location: Location,
        config: AzureConfig | None,
        container_at: Callable[[Location], Container],
        version_id: str | None = None,
    ) -> None:
        encrypted = config is not None and config.customer_key is not None
        options: tuple[str, ...] = (*HEADER_OPTIONS, "metadata", "tags", "storage_class")
        # https://learn.microsoft.com/azure/storage/blobs/scalability-targets
        self.capabilities = Capabilities(
            max_part=4000 * MiB,
            max_parts=50_000,
            # https://learn.microsoft.com/rest/api/storageservices/copy-blob: without customer-provided keys
            server_copy=not encrypted,
            listable=version_id is None,
            checksums=("md5",),
            compares=True,
            tags=True,
            sinks=True,
            counts_sent=True,
            write_options=options if encrypted else (*options, "encryption_scope"),
            copy_options=("metadata", "tags", "storage_class"),
        )
        self.location = location.at("")
        self._version_id = version_id
        self._config = config
        self._container_at = container_at
        self._container = container_at(self.location)
        self.address = self._container.address

    @property
    def service(self) -> Hashable:
        # Within an account, the SAS in the source URL, or a token for both containers, authorizes reading the source.
        bearer = isinstance(self._container.authorizer, TokenAuthorizer)
        return ("azure", self._container.account.endpoint, self._config, bearer)

    async def stat(self, key: str) -> ObjectInfo:
        return await self._container.stat(key, self._version_id)

    def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return self._listing(prefix, {})

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return self._listing(prefix, {"delimiter": "/"})

    def _listing(self, prefix: str, options: Mapping[str, str]) -> AsyncGenerator[ObjectInfo]:
        async def page(marker: str | None) -> Page:
            query = {
                "restype": "container",
                "comp": "list",
                "include": "metadata",
                "maxresults": _PAGE,
                "prefix": prefix,
                **options,
            }
            if marker is not None:
                query["marker"] = marker
            reply = await self._container.send("GET", None, query=query)
            if reply.status != 200:
                raise self._container.error(reply, None)
            return replies.page(reply.body)

        return paginate(page, self._container.instance.retry)

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        length = len(into)
        whole = start == 0 and length == obj.size
        headers = pinned_headers(obj)
        if not whole:
            headers.append(("range", f"bytes={start}-{start + length - 1}"))
        reply = await self._container.fetch(obj, headers, into, expectation(obj, start))
        version = replies.quoted(reply.header("etag"))
        if obj.version is not None and version != obj.version:
            raise ObjectChanged(f"the object {obj.key!r} was replaced while it was read")
        size = check_read(reply, obj, start, length)
        # With a range, Content-MD5 is not that of the whole object.
        digests = replies.md5(reply.header("content-md5")) if whole else {}
        return Head(version, size, digests, properties=of_reply(reply))

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}  # there are no composite checksums

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        return await tags(self._container, obj)

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        async with self._container.stream(obj, pinned_headers(obj)) as reply:
            if obj.version is not None and replies.quoted(reply.header("etag")) != obj.version:
                raise ObjectChanged(f"the object {obj.key!r} was replaced before it was read")
            yield reply

    def find_and_read(
        self, key: str, last: int | None = None
    ) -> AbstractAsyncContextManager[tuple[ObjectInfo, Reader]] | None:
        # The service knows no ranges that are counted from the end:
        # https://learn.microsoft.com/rest/api/storageservices/specifying-the-range-header-for-blob-service-operations
        return self._find_and_read(key) if last is None else None

    @asynccontextmanager
    async def _find_and_read(self, key: str) -> AsyncGenerator[tuple[ObjectInfo, Reader]]:
        async with self._container.stream(ObjectInfo(key, None, version_id=self._version_id), []) as reply:
            info = replies.object_info(key, Response(reply.status, reply.headers))
            yield replace(info, version_id=self._version_id), reply

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        kept, checksums, headers = put_headers(key, data, properties)
        headers = [*headers, *condition(overwrite=overwrite)]
        reply = await self._container.send("PUT", key, headers, body=data, sent=sent)
        refuse_existing(reply, key, overwrite=overwrite)
        return replace(stored_blob(self._container, reply, key, len(data), checksums), properties=kept)

    def open_lane(self) -> AbstractAsyncContextManager[AzureLane] | None:
        return open_lane(self._container) if self._container.is_direct else None

    async def open_upload(
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> AzureUpload:
        if resume is not None:
            upload = await AzureUpload.reopen(self._container, key, resume, properties)
        else:
            upload = AzureUpload(self._container, key, properties)
        upload.overwrite = overwrite
        return upload

    async def copy(
        self,
        src: Location,
        obj: ObjectInfo,
        key: str,
        options: WriteOptions | None = None,
        *,
        overwrite: bool = True,
        on_copied: Callable[[int], None] | None = None,
    ) -> ObjectInfo:
        source = self._container_at(src)
        return await copy(self._container, source, obj, key, options, overwrite=overwrite, on_copied=on_copied)

    async def delete(self, key: str, *, snapshots: bool = False, version: str | None = None) -> None:
        await delete(self._container, key, snapshots=snapshots, version=version)

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        await delete_many(self._container, keys, snapshots=snapshots)

    async def presign(self, key: str, method: str, seconds: int) -> str:
        from .presign import presign  # noqa: PLC0415 - loads the SDK

        return await presign(self._container, key, method, seconds)

    async def aclose(self) -> None:
        """Release nothing: the instance owns the connections."""
