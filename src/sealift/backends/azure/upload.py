"""Upload objects, in one request or as blocks that are then committed by a block list.

Each body is sent with a CRC, so that the service rejects corrupted data; the checksum in the response is compared too.
Sources, under
https://learn.microsoft.com/rest/api/storageservices/: put-blob, put-block, put-block-list
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...contract import Upload
from ...errors import IntegrityError, ModelMissingError, ObjectExists, ServiceError
from ...integrity import checksums
from ...lane_contract import ByteCount
from ...types import ObjectInfo, Part, Receipt
from ...types.properties import NO_PROPERTIES, Properties
from ...wire import Response
from . import replies
from .container import Container, Headers
from .customer_key import key_name
from .errors import error_code
from .properties import scope_headers, to_headers

__all__ = [
    "AzureUpload", "checksum_header", "condition", "put_headers", "refuse_existing", "stored_blob", "stored_info",
    "verified_checksums",
]  # fmt: skip

_CRC = "crc64nvme"
# The codes of 409 and 412: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
_EXISTS = {"BlobAlreadyExists", "TargetConditionNotMet", "UnauthorizedBlobOverwrite"}
# Prefix of all block ids; with a customer-provided key, its first letter and digits of the key's hash.
_PREFIX = "sealift1"


def checksum_header(data: memoryview) -> tuple[Mapping[str, str], Headers]:
    """Compute the checksum of a body, and the header to send it in.

    See `replies.crc64nvme`.
    """
    digest = checksums.digest(_CRC, data)
    return {_CRC: digest}, [("x-ms-content-crc64", base64.b64encode(bytes.fromhex(digest)[::-1]).decode())]


def verified_checksums(reply: Response, key: str, digests: Mapping[str, str]) -> Mapping[str, str]:
    """Return the checksums of a sent body that the response confirms.

    Raises:
        IntegrityError: The response contains a different checksum.
    """
    received = replies.crc64nvme(reply.header("x-ms-content-crc64"))
    if received not in {None, digests[_CRC]}:
        raise IntegrityError(f"the service has stored other bytes of {key!r} than were sent", retryable=True)
    return {} if received is None else digests


def stored_info(reply: Response, key: str, size: int, digests: Mapping[str, str]) -> ObjectInfo:
    """Describe an object that was just stored.

    Args:
        reply: The successful response.
        key: Key of the object.
        size: Size in bytes.
        digests: Its verified checksums.
    """
    tag = replies.quoted(reply.header("etag"))
    return ObjectInfo(key, size, tag, etag=tag, checksums=digests)


def condition(*, overwrite: bool) -> Headers:
    """The headers that make a request fail if the blob exists.

    https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
    """
    return [] if overwrite else [("if-none-match", "*")]


def refuse_existing(reply: Response, key: str, *, overwrite: bool) -> None:
    """Raise ObjectExists if a request failed because of its `condition`."""
    if not overwrite and error_code(reply) in _EXISTS:
        hint = "choose another destination, or skip or overwrite what exists"
        cause = f"the object {key!r} exists already"
        raise ObjectExists(cause, hint=hint, status=reply.status, code=error_code(reply))


def put_headers(key: str, data: memoryview, properties: Properties) -> tuple[Properties, Mapping[str, str], Headers]:
    """The headers to store an object with, in one request.

    Returns:
        The properties that are stored, the checksums of the body, and the headers.
    """
    digests, headers = checksum_header(data)
    kept, property_headers = to_headers(properties, key)
    return kept, digests, [("x-ms-blob-type", "BlockBlob"), *property_headers, *headers]


def stored_blob(container: Container, reply: Response, key: str, size: int, digests: Mapping[str, str]) -> ObjectInfo:
    """Describe the object that a request with `put_headers` has stored.

    Raises:
        StorageError: The service refused the request, or has stored other bytes.
    """
    if reply.status != 201:
        raise container.error(reply, key)
    return stored_info(reply, key, size, verified_checksums(reply, key, digests))


class AzureUpload(Upload):
    """Upload of an object as uncommitted blocks, which a block list commits.

    A block id is made of the part's index and the checksum that the service has verified. A resumed upload skips the
    blocks that exist already, and concurrent uploads of the same bytes succeed: the second one lists blocks that the
    first has committed.

    The service has no requests to begin or abort an upload. It discards uncommitted blocks when the next block list is
    committed for the same object, or after a week.

    Args:
        container: The container.
        key: Key of the object.
        properties: Properties to store with it.
        stored_blocks: Existing uncommitted blocks: id → size in bytes.

    Attributes:
        token: Prefix of the block ids. Blocks that are encrypted with another key have another one.
        overwrite: Whether `complete` replaces an object of the same key.
    """

    overwrite = True

    def __init__(
        self,
        container: Container,
        key: str,
        properties: Properties = NO_PROPERTIES,
        stored_blocks: Mapping[str, int] | None = None,
    ) -> None:
        self._container = container
        self._key = key
        self.token = _prefix(container)
        self._properties, self._headers = to_headers(properties, key)
        self._part_headers = scope_headers(properties.options)
        self._stored_blocks = stored_blocks or {}
        self.stored = sum(self._stored_blocks.values())
        self._published: ObjectInfo | None = None

    @classmethod
    async def reopen(
        cls, container: Container, key: str, token: str, properties: Properties = NO_PROPERTIES
    ) -> "AzureUpload":
        """Resume an upload that another process has started.

        Args:
            container: The container.
            key: Key of the object.
            token: Token of the other upload.
            properties: Properties to store with the object.

        Raises:
            ModelMissingError: The token is from another version, or for another customer-provided key, with other block
                ids.
        """
        if token != _prefix(container):
            raise ModelMissingError(key, cause=f"there is no upload of {key!r} to resume")
        reply = await container.send("GET", key, query={"comp": "blocklist", "blocklisttype": "uncommitted"})
        if reply.status == 404:  # neither the object nor blocks exist
            return cls(container, key, properties)
        if reply.status != 200:
            raise container.error(reply, key)
        return cls(container, key, properties, replies.blocks(reply))

    def _block(self, part: Part, digest: str) -> str:
        """Return the id of a block. The service requires ids of equal length."""
        name = self.token.encode() + part.index.to_bytes(4, "big") + bytes.fromhex(digest)
        return base64.b64encode(name).decode()

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        digests, headers = checksum_header(data)
        block = self._block(part, digests[_CRC])
        if self._stored_blocks.get(block) == part.size:
            return Receipt(part, block, digests, reused=True)
        query = {"comp": "block", "blockid": block}
        sent_headers = [*headers, *self._part_headers]
        reply = await self._container.send("PUT", self._key, sent_headers, query, body=data, sent=sent)
        if reply.status != 201:
            raise self._error(reply)
        return Receipt(part, block, digests, compared=bool(verified_checksums(reply, self._key, digests)))

    def holds(self, receipt: Receipt) -> bool:
        return self._stored_blocks.get(receipt.token) == receipt.part.size

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        if self._published is None:
            # "Latest" also finds blocks that an earlier attempt committed, if its response was lost.
            entries = "".join(f"<Latest>{receipt.token}</Latest>" for receipt in receipts)
            body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{entries}</BlockList>'.encode()
            _, headers = checksum_header(memoryview(body))
            sent = [*self._headers, *headers, *condition(overwrite=self.overwrite)]
            reply = await self._container.send("PUT", self._key, sent, {"comp": "blocklist"}, body=memoryview(body))
            refuse_existing(reply, self._key, overwrite=self.overwrite)
            if reply.status != 201:
                raise self._error(reply)
            size = sum(receipt.part.size for receipt in receipts)
            digests = {}
            if all(receipt.compared for receipt in receipts):
                parts = [(receipt.checksums[_CRC], receipt.part.size) for receipt in receipts]
                digests[_CRC] = checksums.combine(_CRC, parts)
            self._published = replace(stored_info(reply, self._key, size, digests), properties=self._properties)
        return self._published

    def _error(self, reply: Response) -> Exception:
        error, why = self._container.error(reply, self._key), error_code(reply)
        if why == "InvalidBlockList":
            cause = f"another upload to {self._key!r} has completed, and the service has discarded this upload's blocks"
            return ServiceError(cause, hint="upload it again", status=reply.status, code=why)
        if why == "InvalidBlobOrBlock":
            cause = f"uncommitted blocks of another program prevent the upload to {self._key!r}"
            hint = "store an empty object under this name to discard them, or wait a week"
            return ServiceError(cause, hint=hint, status=reply.status, code=why)
        return error

    async def abort(self) -> None:
        """Do nothing: the service discards uncommitted blocks."""


def _prefix(container: Container) -> str:
    """The prefix of block ids: always of the same length."""
    name = key_name(container.key_headers)
    return f"s{name[:7]}" if name else _PREFIX
