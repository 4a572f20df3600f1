"""Store an object in one request.

Its CRC32C precedes the content, and the service compares it.
Sources, under https://cloud.google.com/storage/docs/: uploading-objects, data-validation
"""

import base64
import json
import secrets
from typing import Self

from ...errors import IntegrityError
from ...frozen_dataclass import dataclass
from ...integrity import checksums
from ...types import ObjectInfo
from ...types.properties import Properties
from ...wire import Response
from . import replies
from .bucket import Bucket, Headers, Query
from .preconditions import condition, refuse_existing
from .properties import DEFAULT_TYPE, to_resource, write_query
from .stored_object import stored_object

__all__ = ["PutRequest", "upload_path"]


@dataclass(frozen=True, slots=True)
class PutRequest:
    """The request that stores an object; see `Backend.put`.

    Attributes:
        method: HTTP method.
        path: URL path.
        query: Query parameters.
        headers: Headers in addition to Host and Authorization.
        body: The metadata and the content of the object.
    """

    method: str
    path: str
    query: Query
    headers: Headers
    body: memoryview
    _key: str
    _size: int
    _crc: str

    @classmethod
    def of(cls, bucket: Bucket, key: str, data: memoryview, properties: Properties, *, overwrite: bool = True) -> Self:
        """Build the request."""
        crc = checksums.digest("crc32c", data)
        bucket.path(key)  # raises for a key that JSON would change
        metadata = {"contentType": DEFAULT_TYPE} | to_resource(properties, key)
        metadata |= {"name": key, "crc32c": base64.b64encode(bytes.fromhex(crc)).decode()}
        boundary = f"sealift-{secrets.token_hex(16)}"
        head = (
            f"--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{json.dumps(metadata)}\r\n"
            f"--{boundary}\r\ncontent-type: {metadata['contentType']}\r\n\r\n"  # must equal the one in the metadata
        )
        # This copies the data: the metadata must precede it, and the HTTP client sends a single buffer.
        body = b"".join((head.encode(), data, f"\r\n--{boundary}--\r\n".encode()))
        headers = [("content-type", f"multipart/related; boundary={boundary}")]
        query = {"uploadType": "multipart", "fields": replies.FIELDS, **condition(overwrite=overwrite)}
        query |= write_query(properties, "predefinedAcl")
        return cls("POST", upload_path(bucket), query, headers, memoryview(body), key, len(data), crc)

    def stored(self, bucket: Bucket, reply: Response) -> ObjectInfo:
        """The object that was stored according to the reply.

        Raises:
            StorageError: The service refused the request, or has stored something else.
        """
        refuse_existing(reply, self._key, overwrite="ifGenerationMatch" not in self.query)
        if reply.status != 200:
            raise bucket.error(reply, None if reply.status == 404 else self._key)
        resource = replies.json_object(reply)
        if resource.get("name") != self._key:  # the checksum does not cover the name
            raise IntegrityError(f"the service has stored {self._key!r} under a different name", retryable=True)
        return stored_object(resource, self._key, self._size, self._crc)


def upload_path(bucket: Bucket) -> str:
    """The URL path to which objects of a bucket are uploaded."""
    return f"/upload{bucket.path()}"
