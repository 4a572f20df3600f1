"""Upload an object in order, in one resumable session, which leaves no temporary objects.

For buckets that keep every object: parts could be composed there, but not deleted. The bytes are sent in chunks, whose
lengths are multiples of 256 KiB. The last bytes are sent by `complete`, because the object is visible after them.
Source: https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit

from ...contract import Upload
from ...errors import IntegrityError, ServiceError, StorageError
from ...integrity import checksums
from ...lane_contract import ByteCount
from ...types import KiB, ObjectInfo, Part, Receipt
from ...types.properties import NO_PROPERTIES, Properties
from ...wire import Response
from . import replies
from .bucket import Bucket, Query
from .delete_objects import delete
from .preconditions import condition, refuse_existing
from .properties import DEFAULT_TYPE, to_resource, write_query
from .stored_object import stored_object

__all__ = ["ResumableSession"]

_UNIT = 256 * KiB
_RECEIVED = re.compile(r"bytes=0-(\d+)")
_MORE = 308
_GONE = {404, 410}
_CANCELLED = {200, 204, 499, *_GONE}


class ResumableSession(Upload):
    """An upload whose parts are sent one after the other. Only this process can resume it: its URI is a secret.

    Args:
        bucket: The bucket.
        key: Key of the object.
        properties: Properties to store with the object.
        overwrite: Whether `complete` replaces an object of the same key.
    """

    token = ""

    def __init__(
        self, bucket: Bucket, key: str, properties: Properties = NO_PROPERTIES, *, overwrite: bool = True
    ) -> None:
        bucket.path(key)  # raises for a key that JSON would change
        self._bucket = bucket
        self._key = key
        self._resource = {"contentType": DEFAULT_TYPE} | to_resource(properties, key)
        self._write_query = write_query(properties, "predefinedAcl")
        self._overwrite = overwrite
        self._session: tuple[str, Query] | None = None  # path and query of its URI
        self._end = 0  # of the parts that are written
        self._received = 0  # bytes that the service has
        self._offered = 0  # bytes that it may have
        self._rest = b""  # the bytes between these two: 1 to 256 KiB after the first part
        self._uncertain = False  # a reply is missing, so `_received` may be out of date
        self._progress = asyncio.Condition()
        self._published: ObjectInfo | None = None

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        """Wait for the parts before this one, and send it, except for its last bytes."""
        crc = checksums.digest("crc32c", data)
        async with self._progress:
            await self._progress.wait_for(lambda: self._end == part.start)
            end = part.start + part.size
            until = (end - 1) // _UNIT * _UNIT
            if self._uncertain:
                await self._ask(None)
            while self._received < until:
                if self._received < part.start:  # complete the chunk that the part before has begun
                    start = part.start - self._received
                    chunk = memoryview(self._rest[-start:] + data[: _UNIT - start])
                    await self._send(chunk, None)
                else:
                    await self._send(data[self._received - part.start : until - part.start], None, sent)
            rest = self._rest + data if self._received < part.start else data[self._received - part.start :]
            self._rest, self._end = bytes(rest), end
            self._progress.notify_all()
        return Receipt(part, "", {"crc32c": crc})

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        if self._published is None:
            reply = await self._ask(self._end) if self._uncertain else None
            if reply is None:
                last = self._received - (self._end - len(self._rest))
                reply = await self._send(memoryview(self._rest)[last:], self._end)
            if reply is None:
                raise ServiceError(f"the service has not received all of {self._key!r}", retryable=True)
            crc = checksums.combine("crc32c", [(each.checksums["crc32c"], each.part.size) for each in receipts])
            resource = replies.json_object(reply)
            try:
                self._published = stored_object(resource, self._key, self._end, crc)
            except IntegrityError:
                with suppress(StorageError):  # the bucket keeps it; report what is wrong with it
                    await delete(self._bucket, self._key, generation=resource.get("generation"), missing_ok=True)
                raise
        return self._published

    async def abort(self) -> None:
        if self._session is not None and self._published is None:
            path, query = self._session
            reply = await self._bucket.send("DELETE", path, query, body=memoryview(b""))
            if reply.status not in _CANCELLED:
                raise self._bucket.error(reply, self._key)
        self._session = None

    async def _send(self, chunk: memoryview, total: int | None, sent: ByteCount | None = None) -> Response | None:
        """Send the next bytes; with the object's total size, the last ones.

        Returns:
            The reply with the object; None: the service waits for more.
        """
        span = f"{self._received}-{self._received + len(chunk) - 1}" if len(chunk) else "*"
        return await self._put(f"bytes {span}/{'*' if total is None else total}", chunk, sent)

    async def _ask(self, total: int | None) -> Response | None:
        """Ask how many bytes have arrived; returns as `_send`."""
        return await self._put(f"bytes */{'*' if total is None else total}", memoryview(b""), None)

    async def _put(self, content_range: str, body: memoryview, sent: ByteCount | None) -> Response | None:
        path, query = self._session or await self._start()
        self._uncertain = True
        self._offered = max(self._offered, self._received + len(body))
        reply = await self._bucket.send("PUT", path, query, [("content-range", content_range)], body=body, sent=sent)
        if reply.status in _GONE:
            raise ServiceError(f"the session of the upload of {self._key!r} has ended", status=reply.status)
        refuse_existing(reply, self._key, overwrite=self._overwrite)
        if reply.status not in {200, 201, _MORE}:
            raise self._bucket.error(reply, self._key)
        self._uncertain = False
        if reply.status != _MORE:
            return reply
        received = _RECEIVED.fullmatch(reply.header("range") or "")
        count = int(received[1]) + 1 if received else 0
        if not self._end - len(self._rest) <= count <= self._offered:
            raise ServiceError(f"the service has lost bytes of {self._key!r}, of which it had {self._received}")
        self._received = count
        return None

    async def _start(self) -> tuple[str, Query]:
        query = {"uploadType": "resumable", "name": self._key, "fields": replies.FIELDS}
        query |= {**self._write_query, **condition(overwrite=self._overwrite)}
        headers = [("content-type", "application/json; charset=UTF-8")]
        body = memoryview(json.dumps(self._resource).encode())
        reply = await self._bucket.send("POST", f"/upload{self._bucket.path()}", query, headers, body=body)
        location = reply.header("location")
        refuse_existing(reply, self._key, overwrite=self._overwrite)
        if reply.status != 200 or location is None:
            raise self._bucket.error(reply, None if reply.status == 404 else self._key)
        uri = urlsplit(location)
        self._session = uri.path, dict(parse_qsl(uri.query, keep_blank_values=True))
        return self._session
