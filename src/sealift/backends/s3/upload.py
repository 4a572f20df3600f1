"""Upload an object as a multipart upload.

The CRCs of the parts combine to that of the whole object, which the service compares before it publishes the upload.
Sources, under https://docs.aws.amazon.com/AmazonS3/latest/userguide/: mpuoverview.html, checking-object-integrity.html
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from xml.etree import ElementTree as ET

from ...contract import Upload
from ...errors import ModelMissingError, StorageError
from ...integrity import checksums
from ...lane_contract import ByteCount
from ...types import ObjectInfo, Part, Receipt
from ...types.properties import NO_PROPERTIES, Properties
from . import xml
from .access_headers import key_digest
from .begun_upload import begun_upload
from .bucket import Bucket, Headers
from .errors import error_code
from .object_info import quoted_etag
from .properties import to_headers
from .put import body_checksum, checksum_header, compare, condition, refuse_existing, stored_object
from .reply_checksums import completion_checksums
from .stored_parts import StoredPart, is_identical, list_stored_parts

__all__ = ["S3Upload"]

_MD5 = re.compile('"[0-9a-f]{32}"')
_NO_CHECKSUM = "none"


class S3Upload(Upload):
    """A multipart upload.

    Args:
        bucket: The bucket.
        key: Key of the object.
        upload_id: The service's identifier of the upload.
        properties: The properties that the upload was created with.

    Attributes:
        overwrite: Whether `complete` replaces an object of the same key.
    """

    overwrite = True

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        upload_id: str,
        properties: Properties = NO_PROPERTIES,
    ) -> None:
        self.token = f"{_parts_kind(bucket)}:{upload_id}"
        self._upload_id = upload_id
        self._properties = properties
        self._stored_parts: dict[int, StoredPart] = {}
        self._bucket = bucket
        self._key = key
        self._published: ObjectInfo | None = None

    @classmethod
    async def begin(cls, bucket: Bucket, key: str, properties: Properties = NO_PROPERTIES) -> "S3Upload":
        """Create a multipart upload.

        Args:
            bucket: The bucket.
            key: Key of the object.
            properties: Properties to store with the object.
        """
        kept, headers = to_headers(properties, key)
        algorithm = bucket.checksum
        if algorithm is not None:
            headers += [("x-amz-checksum-algorithm", algorithm.upper()), ("x-amz-checksum-type", "FULL_OBJECT")]
        reply = await bucket.send("POST", key, headers, {"uploads": ""})
        if reply.status != 200:
            raise bucket.error(reply, key)
        return cls(bucket, key, await begun_upload(bucket, key, reply), kept)

    @classmethod
    async def reopen(cls, bucket: Bucket, key: str, token: str, properties: Properties = NO_PROPERTIES) -> "S3Upload":
        """Resume a multipart upload that another process created.

        Args:
            bucket: The bucket.
            key: Key of the object.
            token: Token of that upload.
            properties: The properties that the upload was created with.

        Raises:
            ModelMissingError: The upload no longer exists, or its parts have checksums of another algorithm or are
                encrypted with another customer-provided key.
        """
        kind, _, upload_id = token.partition(":")
        if not upload_id:
            raise ModelMissingError(key, cause=f"there is no upload of {key!r} to resume")
        upload = cls(bucket, key, upload_id, to_headers(properties, key)[0])
        try:
            if upload.token != token:
                cause = f"the upload of {key!r} was created with the checksum {kind.partition('+')[0]}, or another key"
                raise ModelMissingError(key, cause=cause)
            upload._stored_parts = await list_stored_parts(bucket, key, upload_id)
            upload.stored = sum(part.size for part in upload._stored_parts.values())
        except StorageError as error:
            if not error.retryable:  # no later attempt will resume it
                with suppress(StorageError):
                    await upload.abort()
            raise
        return upload

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        digests, headers = body_checksum(self._bucket, data)
        stored = self._stored_parts.get(part.index)
        if stored is not None and await is_identical(stored, data, digests, self._bucket.instance.disk):
            compared = bool(digests) and stored.checksums == digests
            return Receipt(part, stored.etag, digests, compared=compared, reused=True)
        self._stored_parts.pop(part.index, None)
        reply = await self._bucket.send("PUT", self._key, headers, self._query(part), body=data, sent=sent)
        info = stored_object(self._bucket, reply, self._key, part.size, digests)
        return Receipt(part, info.etag or "", digests, compared=info.checksums == digests)

    def holds(self, receipt: Receipt) -> bool:
        stored = self._stored_parts.get(receipt.part.index)
        return stored is not None and (stored.size, stored.etag) == (receipt.part.size, receipt.token)

    async def copy_part(self, part: Part, source: str, headers: Headers) -> Receipt:
        """Copy a part from another object within the service.

        Args:
            part: The part to store.
            source: Key of the source object, for messages.
            headers: Headers with the source object, its version and the range.
        """
        reply = await self._bucket.send("PUT", self._key, headers, self._query(part), iam=True)
        if reply.status != 200:
            raise self._bucket.error(reply, source)
        return Receipt(part, self._bucket.required_field(reply, "ETag"))

    def _query(self, part: Part) -> dict[str, str]:
        return {"partNumber": str(part.index + 1), "uploadId": self._upload_id}

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        if self._published is None:
            self._published = replace(await self._complete(receipts), properties=self._properties)
        return self._published

    async def _complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        key, size = self._key, sum(receipt.part.size for receipt in receipts)
        digests = _object_digests(receipts)
        headers = [checksum_header(*each) for each in digests.items()]
        if headers:
            headers.append(("x-amz-checksum-type", "FULL_OBJECT"))
        headers += condition(overwrite=self.overwrite)
        body = memoryview(_parts_xml(receipts))
        reply = await self._bucket.send("POST", key, headers, {"uploadId": self._upload_id}, body=body)
        if reply.status == 404 and error_code(reply) == "NoSuchUpload":
            # An earlier attempt may have succeeded although its reply was lost.
            published = await self._already_published(receipts, size, digests)
            if published is not None:
                return published
        refuse_existing(reply, key, overwrite=self.overwrite)
        if reply.status != 200:
            raise self._bucket.error(reply, key)
        tag = quoted_etag(self._bucket.required_field(reply, "ETag"))
        compared = compare(key, digests, completion_checksums(reply), retryable=False)
        if not compared and all(receipt.compared for receipt in receipts):
            compared = digests
        return ObjectInfo(key, size, tag, etag=tag, checksums=compared)

    async def _already_published(
        self, receipts: Sequence[Receipt], size: int, digests: Mapping[str, str]
    ) -> ObjectInfo | None:
        """The object under this key, if its content is that of the upload."""
        try:
            obj = await self._bucket.stat(self._key)
        except ModelMissingError:
            return None
        reported = {name: obj.checksums[name] for name in digests if name in obj.checksums}
        matches = [digests[name] == digest for name, digest in reported.items()]
        if not matches:
            matches = [obj.etag is not None and obj.etag == _multipart_etag(receipts)]
        return replace(obj, checksums=reported) if obj.size == size and all(matches) else None

    async def abort(self) -> None:
        if self._published is not None:
            return
        reply = await self._bucket.send("DELETE", self._key, query={"uploadId": self._upload_id})
        if reply.status not in {200, 204, 404}:
            raise self._bucket.error(reply, self._key)


def _parts_kind(bucket: Bucket) -> str:
    """What all parts of an upload have in common: the checksum algorithm, and the customer-provided key, if any."""
    algorithm, digest = bucket.checksum or _NO_CHECKSUM, key_digest(bucket.object_headers)
    return f"{algorithm}+{digest}" if digest else algorithm


def _object_digests(receipts: Sequence[Receipt]) -> dict[str, str]:
    """Combine the parts' digests to those of the whole object."""
    names = set.intersection(*(set(receipt.checksums) for receipt in receipts))
    return {
        name: checksums.combine(name, [(receipt.checksums[name], receipt.part.size) for receipt in receipts])
        for name in names
    }


def _multipart_etag(receipts: Sequence[Receipt]) -> str | None:
    """The ETag of an unencrypted multipart object: the MD5 of its parts' MD5s, and the number of parts."""
    if not all(_MD5.fullmatch(receipt.token) for receipt in receipts):
        return None
    parts = b"".join(bytes.fromhex(receipt.token.strip('"')) for receipt in receipts)
    return f'"{hashlib.md5(parts, usedforsecurity=False).hexdigest()}-{len(receipts)}"'


def _parts_xml(receipts: Sequence[Receipt]) -> bytes:
    """The body of a CompleteMultipartUpload request.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    root = ET.Element("CompleteMultipartUpload", xmlns=xml.NAMESPACE)
    for receipt in receipts:
        entry = ET.SubElement(root, "Part")
        ET.SubElement(entry, "PartNumber").text = str(receipt.part.index + 1)
        ET.SubElement(entry, "ETag").text = receipt.token
        for algorithm, digest in receipt.checksums.items():
            ET.SubElement(entry, f"Checksum{algorithm.upper()}").text = checksum_header(algorithm, digest)[1]
    return ET.tostring(root)
