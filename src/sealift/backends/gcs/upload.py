"""Upload an object as parts that the service composes.

The CRC32C of a part, which is a temporary object, is compared with the one in the reply. The parts' CRCs combine to the
CRC that the composed object must have.
Sources, under https://cloud.google.com/storage/docs/: uploading-objects, composite-objects, data-validation
"""

import asyncio
import json
import logging
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...contract import Upload
from ...errors import AccessDenied, IncompleteError, IntegrityError, ModelMissingError, ServiceError
from ...integrity import checksums
from ...lane_contract import ByteCount
from ...types import ObjectInfo, Part, Receipt
from ...types.properties import NO_PROPERTIES, Properties
from . import replies
from .bucket import Bucket, Query
from .concurrent_requests import for_each
from .customer_key import key_name
from .delete_objects import delete, delete_many
from .preconditions import condition, refuse_existing
from .properties import DEFAULT_TYPE, to_resource, write_query
from .put_request import upload_path
from .resumable_session import ResumableSession
from .retention import RETENTION_FIELDS, is_kept
from .stored_object import stored_object

__all__ = ["PARTS_PREFIX", "GCSUpload"]

PARTS_PREFIX = ".sealift/parts/"
"""Prefix of the keys of parts. A lifecycle rule can remove parts left behind by a killed process."""

_MAX_SOURCES = 32
# Seconds after which the service has processed or dropped a cancelled request.
_SETTLE_TIME = 0.5
# Random digits; and which customer-provided key the parts are encrypted with, if any.
_TOKEN = re.compile("[0-9a-f]{32}(?:-[0-9a-f]{8})?")

_log = logging.getLogger(__name__)


class GCSUpload(Upload):
    """An upload in parts, which are temporary objects until the service composes them.

    If the first part shows that the bucket keeps all objects, so that parts could not be deleted, the upload changes to
    one resumable session.

    Args:
        bucket: The bucket.
        key: Key of the object.
        properties: Properties to store with the object.
        token: Token of an upload that another process began; None: begin a new upload.
        overwrite: Whether `complete` replaces an object of the same key.

    Attributes:
        token: The part of the prefix of the parts' keys that identifies the upload.

    Raises:
        ModelMissingError: The token is not valid.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        properties: Properties = NO_PROPERTIES,
        token: str | None = None,
        *,
        overwrite: bool = True,
    ) -> None:
        bucket.path(key)
        self._properties = properties
        self._resource = {"contentType": DEFAULT_TYPE} | to_resource(properties, key)
        self._publish_query = write_query(properties)
        self._parts_query = {name: value for name, value in self._publish_query.items() if name == "kmsKeyName"}
        self._key_suffix = f"-{name}" if (name := key_name(bucket.config)) else ""
        self.token = secrets.token_hex(16) + self._key_suffix if token is None else token
        if not _TOKEN.fullmatch(self.token):  # another prefix may contain objects of others, which `abort` would delete
            raise ModelMissingError(key, cause=f"there is no upload of {key!r} to resume")
        self._bucket = bucket
        self._key = key
        self._overwrite = overwrite
        self._prefix = f"{PARTS_PREFIX}{self.token}"
        self._stored_parts: dict[str, ObjectInfo] = {}
        self._temporary: set[str] = set()
        self._unconfirmed: set[str] = set()
        self._first_part = asyncio.Lock()
        self._session: ResumableSession | None = None
        self._published: ObjectInfo | None = None

    @property
    def same_key(self) -> bool:
        """Whether the parts are encrypted with the customer-provided key of this call, or none with none."""
        return self.token[32:] == self._key_suffix

    @property
    def prefix(self) -> str:
        """Prefix of the keys of the parts."""
        return f"{self._prefix}/"

    @property
    def stored_names(self) -> Collection[str]:
        """Names of the parts that another process stored."""
        return self._stored_parts.keys()

    def adopt(self, objects: Sequence[ObjectInfo]) -> None:
        """Reuse the parts that another process stored.

        Args:
            objects: The objects under `prefix`.
        """
        self._stored_parts = {obj.key: obj for obj in objects}
        self._temporary |= set(self._stored_parts)
        # Larger parts, composed before publishing, have longer names: their bytes are those of other parts.
        self.stored = sum(obj.size or 0 for name, obj in self._stored_parts.items() if len(name) == len(self._name(0)))

    def _name(self, index: int) -> str:
        return f"{self._prefix}/{index:05}"

    def holds(self, receipt: Receipt) -> bool:
        stored = self._stored_parts.get(self._name(receipt.part.index))
        return stored is not None and (stored.size, stored.version) == (receipt.part.size, receipt.token)

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        if self._bucket.keeps_objects is None:
            async with self._first_part:  # alone: it shows whether parts can be deleted
                if self._bucket.keeps_objects is None:
                    receipt = await self._write_object(part, data, sent)
                    if not self._bucket.keeps_objects:
                        return receipt
        if not self._bucket.keeps_objects:
            return await self._write_object(part, data, sent)
        if self._session is None:
            self._session = ResumableSession(self._bucket, self._key, self._properties, overwrite=self._overwrite)
            self.token = ""  # no other process can resume it
        return await self._session.write_part(part, data, sent)

    async def _write_object(self, part: Part, data: memoryview, sent: ByteCount | None) -> Receipt:
        crc = checksums.digest("crc32c", data)
        name = self._name(part.index)
        stored = self._stored_parts.pop(name, None)
        if stored is not None and (stored.size, stored.checksums.get("crc32c")) == (part.size, crc):
            self._stored_parts[name] = stored
            return Receipt(part, stored.version or "", {"crc32c": crc}, reused=True)
        self._track(name)
        query = {
            "uploadType": "media",
            "name": name,
            "fields": f"{replies.FIELDS},{RETENTION_FIELDS}",
        } | self._parts_query
        reply = await self._bucket.send(
            "POST", upload_path(self._bucket), query, [("content-type", DEFAULT_TYPE)], body=data, sent=sent
        )
        if reply.status != 200:
            raise self._bucket.error(reply, None if reply.status == 404 else self._key)
        self._unconfirmed.discard(name)
        resource = replies.json_object(reply)
        if self._bucket.keeps_objects is None:
            self._bucket.keeps_objects = is_kept(resource)
        info = stored_object(resource, self._key, part.size, crc)
        return Receipt(part, info.version or "", {"crc32c": crc})

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        if self._session is not None:
            stored = await self._session.complete(receipts)
            for name in self._temporary:
                _log.warning("gs://%s/%s stays until the bucket allows to delete it", self._bucket.location.root, name)
            self._temporary.clear()
            return stored
        if self._published is None:
            self._published = await self._publish(receipts)
        try:
            await self._delete_parts()
        except IncompleteError as incomplete:
            denied = incomplete.skipped[0].error
            if not isinstance(denied, AccessDenied):
                raise
            prefix = f"gs://{self._bucket.location.root}/{self._prefix}/"
            cause = f"{self._key!r} is stored, but its parts under {prefix} cannot be deleted: {denied.cause}"
            hint = "allow storage.objects.delete, or upload in one part: Limits(part_size=…)"
            error = AccessDenied(cause, hint=hint, status=denied.status, code=denied.code)
            error.request_ids = denied.request_ids
            raise error from None
        return self._published

    async def abort(self) -> None:
        if self._session is not None:
            await self._session.abort()
            return
        await self._delete_parts()
        if self._unconfirmed:  # the service may store a part after its request was cancelled
            await asyncio.sleep(_SETTLE_TIME)
            await delete_many(self._bucket, sorted(self._unconfirmed))
            self._unconfirmed.clear()

    def _track(self, name: str) -> None:
        self._temporary.add(name)
        self._unconfirmed.add(name)

    async def _delete_parts(self) -> None:
        await delete_many(self._bucket, sorted(self._temporary))
        self._temporary.clear()

    async def _publish(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        """Compose the object. More parts than one request accepts are first composed to larger parts."""
        sources = [{"name": self._name(part.part.index), "generation": part.token} for part in receipts]
        level = 0
        while len(sources) > _MAX_SOURCES:
            level += 1
            sources = await self._reduce(sources, f"{self._prefix}/{level}-")
        size = sum(receipt.part.size for receipt in receipts)
        crc = checksums.combine("crc32c", [(receipt.checksums["crc32c"], receipt.part.size) for receipt in receipts])
        publish = {**self._publish_query, **condition(overwrite=self._overwrite)}
        resource = await self._compose(sources, self._key, self._resource, publish, overwrite=self._overwrite)
        try:
            return stored_object(resource, self._key, size, crc)
        except IntegrityError:
            await delete(self._bucket, self._key, generation=resource.get("generation"), missing_ok=True)
            raise

    async def _reduce(self, sources: list[dict[str, str]], prefix: str) -> list[dict[str, str]]:
        starts = range(0, len(sources), _MAX_SOURCES)
        names = {start: f"{prefix}{start:05}" for start in starts}
        composed: dict[int, dict[str, str]] = {}

        async def compose(start: int) -> None:
            self._track(names[start])
            destination, some = {"contentType": DEFAULT_TYPE}, sources[start : start + _MAX_SOURCES]
            resource = await self._compose(some, names[start], destination, self._parts_query)
            self._unconfirmed.discard(names[start])
            composed[start] = {"name": names[start], "generation": str(resource["generation"])}

        await for_each(compose, starts, self._bucket.instance.retry)
        return [composed[start] for start in starts]

    async def _compose(
        self,
        sources: list[dict[str, str]],
        key: str,
        destination: Mapping[str, Any],
        query: Query,
        *,
        overwrite: bool = True,
    ) -> dict[str, Any]:
        """Compose an object; see https://cloud.google.com/storage/docs/json_api/v1/objects/compose."""
        parameters = {"sourceObjects": sources, "destination": destination}
        headers = [("content-type", "application/json")]
        query = {"fields": replies.FIELDS, **query}
        path = f"{self._bucket.path(key)}/compose"
        reply = await self._bucket.send("POST", path, query, headers, body=memoryview(json.dumps(parameters).encode()))
        refuse_existing(reply, key, overwrite=overwrite)
        if reply.status == 404:
            raise ServiceError(f"parts of {self._key!r} no longer exist", status=404)
        if reply.status != 200:
            raise self._bucket.error(reply, self._key)
        return replies.json_object(reply)
