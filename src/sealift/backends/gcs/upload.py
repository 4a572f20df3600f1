"""Writing objects: in one request, or as parts that the service joins.

Each body's CRC32C is compared: by the service, which is told it in front of the body; for a part, which nobody sees,
with the reply. Those of the parts combine to that of the whole, which the joined object has to have.
Sources, under https://cloud.google.com/storage/docs/: uploading-objects, composite-objects, data-validation
"""

import base64
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio

from ...contract import Upload
from ...errors import AccessDenied, IncompleteError, IntegrityError, ModelMissingError, ServiceError
from ...integrity import checksums
from ...types import ObjectInfo, Part, Receipt
from ...types.properties import NO_PROPERTIES, Properties
from . import replies
from .bucket import Bucket
from .delete_objects import delete, delete_many
from .parallel import at_once
from .properties import to_resource

__all__ = ["PARTS", "GCSUpload", "put", "stored"]

PARTS = ".sealift/parts/"
"""What the keys of parts begin with; a lifecycle rule may remove what a process that was killed has left there."""

_BYTES = "application/octet-stream"
_MOST_SOURCES = 32
# Seconds after which a request that was cut off has been served or dropped.
_SETTLED = 0.5
_TOKEN = re.compile("[0-9a-f]{32}")


async def put(bucket: Bucket, key: str, data: memoryview, properties: Properties) -> ObjectInfo:
    """Store an object; see `Backend.put`."""
    crc = checksums.digest("crc32c", data)
    bucket.path(key)  # refuses a key that JSON would carry, but not as it is
    told = {"contentType": _BYTES} | to_resource(properties, key)
    told |= {"name": key, "crc32c": base64.b64encode(bytes.fromhex(crc)).decode()}
    boundary = f"sealift-{secrets.token_hex(16)}"
    head = (
        f"--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{json.dumps(told)}\r\n"
        f"--{boundary}\r\ncontent-type: {told['contentType']}\r\n\r\n"  # the service refuses another one here
    )
    # One copy of the data: the service compares what it is told in front of a body, and the wire sends one piece.
    whole = b"".join((head.encode(), data, f"\r\n--{boundary}--\r\n".encode()))
    headers = [("content-type", f"multipart/related; boundary={boundary}")]
    query = {"uploadType": "multipart", "fields": replies.FIELDS}
    reply = await bucket.ask("POST", _upload_path(bucket), query, headers, body=memoryview(whole))
    if reply.status != 200:
        raise bucket.error(reply, None if reply.status == 404 else key)
    resource = replies.body(reply)
    if resource.get("name") != key:  # which no checksum covers
        raise IntegrityError(f"the service has stored {key!r} under another name", retryable=True)
    return stored(resource, key, len(data), crc)


def stored(resource: Mapping[str, Any], key: str, size: int | None, crc: str | None) -> ObjectInfo:
    """What a reply tells of what is stored now; of its checksums only the one that was compared.

    Raises:
        IntegrityError: These are not the bytes that were sent.
    """
    info = replies.object_info(resource)
    told = info.checksums.get("crc32c")
    if size not in {None, info.size} or (told is not None and crc is not None and told != crc):
        raise IntegrityError(f"the service has stored other bytes of {key!r} than were sent", retryable=True)
    return replace(info, key=key, checksums={"crc32c": crc} if crc is not None and told is not None else {})


class GCSUpload(Upload):
    """Parts that are objects of their own until they are joined.

    Args:
        bucket: Where.
        key: Under which the object is published in the end.
        properties: To store with it.
        token: Of an upload that another process has begun; None: this is a new one.

    Attributes:
        token: The random part of what the keys of its parts begin with.

    Raises:
        ModelMissingError: The token is none.
    """

    def __init__(
        self, bucket: Bucket, key: str, properties: Properties = NO_PROPERTIES, token: str | None = None
    ) -> None:
        bucket.path(key)
        self._resource = {"contentType": _BYTES} | to_resource(properties, key)
        self.token = secrets.token_hex(16) if token is None else token
        if not _TOKEN.fullmatch(self.token):  # another prefix may hold what is not ours to remove
            raise ModelMissingError(key, cause=f"there is no upload of {key!r} that could be continued")
        self._bucket = bucket
        self._key = key
        self._prefix = f"{PARTS}{self.token}"
        self._landed: dict[str, ObjectInfo] = {}
        self._temporary: set[str] = set()
        self._unanswered: set[str] = set()
        self._published: ObjectInfo | None = None

    @property
    def prefix(self) -> str:
        """What the keys of its parts begin with."""
        return f"{self._prefix}/"

    def found(self, objects: Sequence[ObjectInfo]) -> None:
        """Take over what another process has stored.

        Args:
            objects: Those under `prefix`.
        """
        self._landed = {obj.key: obj for obj in objects}
        self._temporary |= set(self._landed)

    async def write_part(self, part: Part, data: memoryview) -> Receipt:
        crc = checksums.digest("crc32c", data)
        name = f"{self._prefix}/{part.index:05}"
        there = self._landed.pop(name, None)
        if there is not None and (there.size, there.checksums.get("crc32c")) == (part.size, crc):
            self._landed[name] = there
            return Receipt(part, there.version or "", {"crc32c": crc}, reused=True)
        self._asked_for(name)
        query = {"uploadType": "media", "name": name, "fields": replies.FIELDS}
        reply = await self._bucket.ask("POST", _upload_path(self._bucket), query, [("content-type", _BYTES)], body=data)
        if reply.status != 200:
            raise self._bucket.error(reply, None if reply.status == 404 else self._key)
        self._unanswered.discard(name)
        info = stored(replies.body(reply), self._key, part.size, crc)
        return Receipt(part, info.version or "", {"crc32c": crc})

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        if self._published is None:
            self._published = await self._join(receipts)
        try:
            await self._clear()
        except IncompleteError as left:
            denied = left.skipped[0].error
            if not isinstance(denied, AccessDenied):
                raise
            where = f"gs://{self._bucket.location.root}/{self._prefix}/"
            cause = f"{self._key!r} is stored, but its parts at {where} cannot be removed: {denied.cause}"
            hint = "allow storage.objects.delete, or take parts as large as the object: Limits(part_size=…)"
            raise AccessDenied(cause, hint=hint, status=denied.status, code=denied.code) from None
        return self._published

    async def abort(self) -> None:
        await self._clear()
        if self._unanswered:  # what was cut off may have been stored only now
            await anyio.sleep(_SETTLED)
            await delete_many(self._bucket, sorted(self._unanswered))
            self._unanswered.clear()

    def _asked_for(self, name: str) -> None:
        self._temporary.add(name)
        self._unanswered.add(name)

    async def _clear(self) -> None:
        await delete_many(self._bucket, sorted(self._temporary))
        self._temporary.clear()

    async def _join(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        """Publish the object; more parts than one request takes are joined to larger ones first."""
        sources = [{"name": f"{self._prefix}/{part.part.index:05}", "generation": part.token} for part in receipts]
        level = 0
        while len(sources) > _MOST_SOURCES:
            level += 1
            sources = await self._reduce(sources, f"{self._prefix}/{level}-")
        size = sum(receipt.part.size for receipt in receipts)
        crc = checksums.combine("crc32c", [(receipt.checksums["crc32c"], receipt.part.size) for receipt in receipts])
        resource = await self._compose(sources, self._key, self._resource)
        try:
            return stored(resource, self._key, size, crc)
        except IntegrityError:
            await delete(self._bucket, self._key, generation=resource.get("generation"), missing_ok=True)
            raise

    async def _reduce(self, sources: list[dict[str, str]], prefix: str) -> list[dict[str, str]]:
        starts = range(0, len(sources), _MOST_SOURCES)
        names = {start: f"{prefix}{start:05}" for start in starts}
        joined: dict[int, dict[str, str]] = {}

        async def join(start: int) -> None:
            self._asked_for(names[start])
            part = {"contentType": _BYTES}
            resource = await self._compose(sources[start : start + _MOST_SOURCES], names[start], part)
            self._unanswered.discard(names[start])
            joined[start] = {"name": names[start], "generation": str(resource["generation"])}

        await at_once(join, starts, self._bucket.instance.retry)
        return [joined[start] for start in starts]

    async def _compose(self, sources: list[dict[str, str]], key: str, destination: Mapping[str, Any]) -> dict[str, Any]:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/compose."""
        told = {"sourceObjects": sources, "destination": destination}
        headers = [("content-type", "application/json")]
        query = {"fields": replies.FIELDS}
        path = f"{self._bucket.path(key)}/compose"
        reply = await self._bucket.ask("POST", path, query, headers, body=memoryview(json.dumps(told).encode()))
        if reply.status == 404:
            raise ServiceError(f"parts of {self._key!r} are not there any more", status=404)
        if reply.status != 200:
            raise self._bucket.error(reply, self._key)
        return replies.body(reply)


def _upload_path(bucket: Bucket) -> str:
    return f"/upload{bucket.path()}"
