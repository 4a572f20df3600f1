"""Writing objects: in one request, or as blocks that a list then puts together.

A CRC goes with each body, so that the service refuses one that was damaged on the way; compared is what its reply tells
again. Sources, under
https://learn.microsoft.com/rest/api/storageservices/: put-blob, put-block, put-block-list
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...contract import Upload
from ...errors import IntegrityError, ModelMissingError, ServiceError
from ...integrity import checksums
from ...types import ObjectInfo, Part, Receipt
from ...types.properties import NO_PROPERTIES, Properties
from ...wire import Response
from . import replies
from .container import Container, Headers
from .properties import to_headers

__all__ = ["AzureUpload", "checksum_of", "compared", "stored"]

_CRC = "crc64nvme"
# What the ids of blocks begin with.
_NAME = "sealift1"


def checksum_of(data: memoryview) -> tuple[Mapping[str, str], Headers]:
    """What to send along with a body: its digest, and the header that tells it.

    See `replies.crc64nvme`.
    """
    digest = checksums.digest(_CRC, data)
    return {_CRC: digest}, [("x-ms-content-crc64", base64.b64encode(bytes.fromhex(digest)[::-1]).decode())]


def compared(reply: Response, key: str, digests: Mapping[str, str]) -> Mapping[str, str]:
    """Of the digests of a body that was sent, those that the reply tells too.

    Raises:
        IntegrityError: It tells another one.
    """
    told = replies.crc64nvme(reply.header("x-ms-content-crc64"))
    if told not in {None, digests[_CRC]}:
        raise IntegrityError(f"the service has stored other bytes of {key!r} than were sent", retryable=True)
    return {} if told is None else digests


def stored(reply: Response, key: str, size: int, digests: Mapping[str, str]) -> ObjectInfo:
    """What a reply tells of an object that is stored now.

    Args:
        reply: Of success.
        key: The object's.
        size: In bytes.
        digests: Those of its checksums that were compared.
    """
    tag = replies.quoted(reply.header("etag"))
    return ObjectInfo(key, size, tag, etag=tag, checksums=digests)


class AzureUpload(Upload):
    """Blocks of an object, which are nobody's until a list names them.

    A block's id tells the part and the checksum that the service has compared, and nothing else: who finds it there
    again need not send those bytes, and uploads of the same bytes at the same time end well, since what the first one
    has published the second one names again.

    The service knows neither a beginning nor an abort of an upload: blocks that no list has named are dropped with the
    next list for the same object, or after a week.

    Args:
        container: Where.
        key: Under which the object is published in the end.
        properties: To store with it.
        landed: Ids of blocks that are there already → bytes.

    Attributes:
        token: What the ids of blocks begin with.
    """

    token = _NAME

    def __init__(
        self,
        container: Container,
        key: str,
        properties: Properties = NO_PROPERTIES,
        landed: Mapping[str, int] | None = None,
    ) -> None:
        self._container = container
        self._key = key
        self._properties, self._headers = to_headers(properties, key)
        self._landed = landed or {}
        self._published: ObjectInfo | None = None

    @classmethod
    async def reopen(
        cls, container: Container, key: str, token: str, properties: Properties = NO_PROPERTIES
    ) -> "AzureUpload":
        """Go on with one that another process has begun.

        Args:
            container: Where.
            key: Of the object.
            token: Of the other one.
            properties: To store with it.

        Raises:
            ModelMissingError: It has written other ids.
        """
        if token != cls.token:
            raise ModelMissingError(key, cause=f"there is no upload of {key!r} that could be continued")
        reply = await container.ask("GET", key, query={"comp": "blocklist", "blocklisttype": "uncommitted"})
        if reply.status == 404:  # neither an object nor blocks
            return cls(container, key, properties)
        if reply.status != 200:
            raise container.error(reply, key)
        return cls(container, key, properties, replies.blocks(reply))

    def _block(self, part: Part, digest: str) -> str:
        """The id of a block; all are of one length, as the service wants it."""
        name = self.token.encode() + part.index.to_bytes(4, "big") + bytes.fromhex(digest)
        return base64.b64encode(name).decode()

    async def write_part(self, part: Part, data: memoryview) -> Receipt:
        digests, headers = checksum_of(data)
        block = self._block(part, digests[_CRC])
        if self._landed.get(block) == part.size:
            return Receipt(part, block, digests, reused=True)
        query = {"comp": "block", "blockid": block}
        reply = await self._container.ask("PUT", self._key, headers, query, body=data)
        if reply.status != 201:
            raise self._refused(reply)
        return Receipt(part, block, digests, compared=bool(compared(reply, self._key, digests)))

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        if self._published is None:
            # "Latest" also finds the blocks that an earlier attempt, whose reply did not come through, has published.
            entries = "".join(f"<Latest>{receipt.token}</Latest>" for receipt in receipts)
            body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{entries}</BlockList>'.encode()
            _, headers = checksum_of(memoryview(body))
            sent = [*self._headers, *headers]
            reply = await self._container.ask("PUT", self._key, sent, {"comp": "blocklist"}, body=memoryview(body))
            if reply.status != 201:
                raise self._refused(reply)
            size = sum(receipt.part.size for receipt in receipts)
            digests = {}
            if all(receipt.compared for receipt in receipts):
                parts = [(receipt.checksums[_CRC], receipt.part.size) for receipt in receipts]
                digests[_CRC] = checksums.combine(_CRC, parts)
            self._published = replace(stored(reply, self._key, size, digests), properties=self._properties)
        return self._published

    def _refused(self, reply: Response) -> Exception:
        error, why = self._container.error(reply, self._key), replies.code(reply)
        if why == "InvalidBlockList":
            cause = (
                f"another upload to {self._key!r} has ended meanwhile, and the service has dropped this one's blocks"
            )
            return ServiceError(cause, hint="upload it again", status=reply.status, code=why)
        if why == "InvalidBlobOrBlock":
            cause = f"blocks that another program has left unfinished are in the way of {self._key!r}"
            hint = "store something under the name in one request, such as an empty object; or wait a week"
            return ServiceError(cause, hint=hint, status=reply.status, code=why)
        return error

    async def abort(self) -> None:
        """Nothing: what has been stored goes by itself."""
