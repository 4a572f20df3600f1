"""Writing objects: in one request, or as a multipart upload.

A CRC goes with each body, so that the service refuses one that was damaged on the way; of a multipart upload, those of
the parts combine to that of the whole object, which it compares before it publishes. There are services that ignore
them: compared is what a reply tells again.
Sources, under https://docs.aws.amazon.com/AmazonS3/latest/userguide/: mpuoverview.html, checking-object-integrity.html
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from xml.etree import ElementTree as ET

from ...contract import Upload
from ...errors import IntegrityError, ModelMissingError, StorageError
from ...integrity import checksums
from ...types import ObjectInfo, Part, Receipt
from ...types.properties import NO_PROPERTIES, Properties
from ...wire import Response
from . import replies
from .bucket import Bucket, Headers
from .properties import to_headers
from .stored_parts import Landed, is_same, landed

__all__ = ["S3Upload", "checksum_of", "stored"]

_MD5 = re.compile('"[0-9a-f]{32}"')
# Amazon says 200; servers that are not only S3 say what HTTP has for it: https://www.rfc-editor.org/rfc/rfc9110#PUT
_STORED = {200, 201, 204}
_NO_CHECKSUM = "none"


def checksum_of(bucket: Bucket, data: memoryview) -> tuple[Mapping[str, str], Headers]:
    """What to send along with a body: its digests, and the headers that tell them."""
    algorithm = bucket.checksum
    if algorithm is None:
        return {}, []
    digest = checksums.digest(algorithm, data)
    return {algorithm: digest}, [_header(algorithm, digest)]


def stored(bucket: Bucket, reply: Response, key: str, size: int, digests: Mapping[str, str]) -> ObjectInfo:
    """What a reply to a body tells of what is stored now; of its checksums those that were sent.

    Raises:
        IntegrityError: The service tells another checksum than that of the bytes that were sent.
        StorageError: It refused them.
    """
    if reply.status not in _STORED:
        raise bucket.error(reply, key)
    compared = _compared(key, digests, replies.checksums(reply), retryable=True)
    tag = replies.quoted(reply.header("etag"))
    return ObjectInfo(key, size, tag, etag=tag, checksums=compared)


def _compared(key: str, sent: Mapping[str, str], told: Mapping[str, str], *, retryable: bool) -> dict[str, str]:
    """The checksums that were sent and are told too."""
    both = {algorithm: digest for algorithm, digest in sent.items() if algorithm in told}
    if any(told[algorithm] != digest for algorithm, digest in both.items()):
        raise IntegrityError(f"the service has stored other bytes of {key!r} than were sent", retryable=retryable)
    return both


class S3Upload(Upload):
    """A multipart upload.

    Args:
        bucket: Where.
        key: Under which the object is published in the end.
        name: The service's for the upload.
        properties: Those that it was begun with.
        landed: What it has already.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        name: str,
        properties: Properties = NO_PROPERTIES,
        landed: Mapping[int, Landed] | None = None,
    ) -> None:
        self.token = f"{bucket.checksum or _NO_CHECKSUM}:{name}"
        self._name = name
        self._properties = properties
        self._landed = dict(landed or {})
        self._bucket = bucket
        self._key = key
        self._published: ObjectInfo | None = None

    @classmethod
    async def begin(cls, bucket: Bucket, key: str, properties: Properties = NO_PROPERTIES) -> "S3Upload":
        """Begin one.

        Args:
            bucket: Where.
            key: Of the object.
            properties: To store with it.
        """
        kept, headers = to_headers(properties, key)
        algorithm = bucket.checksum
        if algorithm is not None:
            kind = [("x-amz-checksum-algorithm", algorithm.upper()), ("x-amz-checksum-type", "FULL_OBJECT")]
            headers += kind
        reply = await bucket.ask("POST", key, headers, {"uploads": ""})
        if reply.status != 200:
            raise bucket.error(reply, key)
        return cls(bucket, key, bucket.field(reply, "UploadId"), kept)

    @classmethod
    async def reopen(cls, bucket: Bucket, key: str, token: str, properties: Properties = NO_PROPERTIES) -> "S3Upload":
        """Go on with one that another process has begun.

        Args:
            bucket: Where.
            key: Of the object.
            token: Of the other one.
            properties: It was begun with these.

        Raises:
            ModelMissingError: There is none of this name any more, or its parts carry other checksums than ours would.
        """
        algorithm, _, name = token.partition(":")
        if not name:
            raise ModelMissingError(key, cause=f"there is no upload of {key!r} that could be continued")
        upload = cls(bucket, key, name, to_headers(properties, key)[0])
        try:
            if upload.token != token:
                raise ModelMissingError(key, cause=f"the upload of {key!r} was begun with the checksum {algorithm}")
            upload._landed = await landed(bucket, key, name)
        except StorageError as error:
            if not error.retryable:  # nobody will come back to it
                with suppress(StorageError):
                    await upload.abort()
            raise
        return upload

    async def write_part(self, part: Part, data: memoryview) -> Receipt:
        digests, headers = checksum_of(self._bucket, data)
        there = self._landed.get(part.index)
        if there is not None and await is_same(there, data, digests, self._bucket.instance.disk):
            told = bool(digests) and there.checksums == digests
            return Receipt(part, there.etag, digests, compared=told, reused=True)
        self._landed.pop(part.index, None)
        reply = await self._bucket.ask("PUT", self._key, headers, self._part(part), body=data)
        info = stored(self._bucket, reply, self._key, part.size, digests)
        return Receipt(part, info.etag or "", digests, compared=info.checksums == digests)

    async def copy_part(self, part: Part, source: str, headers: Headers) -> Receipt:
        """Let the service take a part from another object.

        Args:
            part: Which.
            source: The other object's key, for messages.
            headers: That name the object, its version and the range.
        """
        reply = await self._bucket.ask("PUT", self._key, headers, self._part(part), iam=True)
        if reply.status != 200:
            raise self._bucket.error(reply, source)
        return Receipt(part, self._bucket.field(reply, "ETag"))

    def _part(self, part: Part) -> dict[str, str]:
        return {"partNumber": str(part.index + 1), "uploadId": self._name}

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        if self._published is None:
            self._published = replace(await self._complete(receipts), properties=self._properties)
        return self._published

    async def _complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        key, size = self._key, sum(receipt.part.size for receipt in receipts)
        digests = _whole(receipts)
        headers = [_header(*each) for each in digests.items()]
        if headers:
            headers.append(("x-amz-checksum-type", "FULL_OBJECT"))
        body = memoryview(_parts_xml(receipts))
        reply = await self._bucket.ask("POST", key, headers, {"uploadId": self._name}, body=body)
        if reply.status == 404 and replies.code(reply) == "NoSuchUpload":
            # An earlier attempt may have ended well without its reply coming through.
            there = await self._published_before(receipts, size, digests)
            if there is not None:
                return there
        if reply.status != 200:
            raise self._bucket.error(reply, key)
        tag = replies.quoted(self._bucket.field(reply, "ETag"))
        compared = _compared(key, digests, replies.completed(reply), retryable=False)
        if not compared and all(receipt.compared for receipt in receipts):
            compared = digests
        return ObjectInfo(key, size, tag, etag=tag, checksums=compared)

    async def _published_before(
        self, receipts: Sequence[Receipt], size: int, digests: Mapping[str, str]
    ) -> ObjectInfo | None:
        try:
            there = await self._bucket.stat(self._key)
        except ModelMissingError:
            return None
        told = {name: there.checksums[name] for name in digests if name in there.checksums}
        same = [digests[name] == digest for name, digest in told.items()]
        if not same:
            same = [there.etag is not None and there.etag == _multipart_etag(receipts)]
        return replace(there, checksums=told) if there.size == size and all(same) else None

    async def abort(self) -> None:
        if self._published is not None:
            return
        reply = await self._bucket.ask("DELETE", self._key, query={"uploadId": self._name})
        if reply.status not in {200, 204, 404}:
            raise self._bucket.error(reply, self._key)


def _header(algorithm: str, digest: str) -> tuple[str, str]:
    return f"x-amz-checksum-{algorithm}", base64.b64encode(bytes.fromhex(digest)).decode()


def _whole(receipts: Sequence[Receipt]) -> dict[str, str]:
    """The digests of the object, from those of its parts."""
    names = set.intersection(*(set(receipt.checksums) for receipt in receipts))
    return {
        name: checksums.combine(name, [(receipt.checksums[name], receipt.part.size) for receipt in receipts])
        for name in names
    }


def _multipart_etag(receipts: Sequence[Receipt]) -> str | None:
    """The ETag that unencrypted objects get: the MD5 of the parts' MD5s, and their number."""
    if not all(_MD5.fullmatch(receipt.token) for receipt in receipts):
        return None
    parts = b"".join(bytes.fromhex(receipt.token.strip('"')) for receipt in receipts)
    return f'"{hashlib.md5(parts, usedforsecurity=False).hexdigest()}-{len(receipts)}"'


def _parts_xml(receipts: Sequence[Receipt]) -> bytes:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html."""
    root = ET.Element("CompleteMultipartUpload", xmlns=replies.NAMESPACE)
    for receipt in receipts:
        entry = ET.SubElement(root, "Part")
        ET.SubElement(entry, "PartNumber").text = str(receipt.part.index + 1)
        ET.SubElement(entry, "ETag").text = receipt.token
        for algorithm, digest in receipt.checksums.items():
            ET.SubElement(entry, f"Checksum{algorithm.upper()}").text = _header(algorithm, digest)[1]
    return ET.tostring(root)
