"""Store an object, or a part of one, in one request.

The body carries a checksum, so that the service rejects one that was damaged in transit. Some services ignore
checksums, so only a checksum that the reply repeats counts as compared.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
from collections.abc import Mapping

from ...errors import IntegrityError, ObjectExists
from ...integrity import checksums
from ...types import ObjectInfo
from ...types.properties import Properties
from ...wire import Response
from .bucket import Bucket, Headers
from .errors import error_code
from .object_info import quoted_etag
from .properties import to_headers
from .reply_checksums import header_checksums

__all__ = [
    "body_checksum", "checksum_header", "compare", "condition", "put_headers", "refuse_existing", "stored_object",
]  # fmt: skip

# Amazon answers 200, other services also 201 or 204: https://www.rfc-editor.org/rfc/rfc9110#PUT
_SUCCESS = {200, 201, 204}


def body_checksum(bucket: Bucket, data: memoryview) -> tuple[Mapping[str, str], Headers]:
    """The digests of a body, and the headers to send them in."""
    algorithm = bucket.checksum
    if algorithm is None:
        return {}, []
    digest = checksums.digest(algorithm, data)
    return {algorithm: digest}, [checksum_header(algorithm, digest)]


def condition(*, overwrite: bool) -> Headers:
    """The headers that make a request fail if the object exists.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    return [] if overwrite else [("if-none-match", "*")]


def refuse_existing(reply: Response, key: str, *, overwrite: bool) -> None:
    """Raise ObjectExists if a request failed because of its `condition`."""
    if not overwrite and reply.status == 412:
        hint = "choose another destination, or skip or overwrite what exists"
        raise ObjectExists(f"the object {key!r} exists already", hint=hint, status=412, code=error_code(reply))


def put_headers(
    bucket: Bucket, key: str, data: memoryview, properties: Properties
) -> tuple[Properties, Mapping[str, str], Headers]:
    """The headers to store an object with, in one request.

    Returns:
        The properties that are stored, the digests of the body, and the headers.

    Raises:
        UnsupportedOperation: A property contains a control character.
    """
    digests, headers = body_checksum(bucket, data)
    kept, property_headers = to_headers(properties, key)
    return kept, digests, [*property_headers, *headers]


def stored_object(bucket: Bucket, reply: Response, key: str, size: int, digests: Mapping[str, str]) -> ObjectInfo:
    """The object or part that was stored according to the reply to a PUT, with the checksums that were compared.

    Args:
        bucket: The bucket.
        reply: The reply.
        key: Key of the object.
        size: How many bytes were sent.
        digests: Digests of the bytes that were sent.

    Raises:
        IntegrityError: The service reports a different checksum.
        StorageError: The service refused the request.
    """
    if reply.status not in _SUCCESS:
        raise bucket.error(reply, key)
    compared = compare(key, digests, header_checksums(reply), retryable=True)
    tag = quoted_etag(reply.header("etag"))
    return ObjectInfo(key, size, tag, etag=tag, checksums=compared)


def compare(key: str, sent: Mapping[str, str], reported: Mapping[str, str], *, retryable: bool) -> dict[str, str]:
    """Compare checksums, and return those that were both sent and reported."""
    compared = {algorithm: digest for algorithm, digest in sent.items() if algorithm in reported}
    if any(reported[algorithm] != digest for algorithm, digest in compared.items()):
        raise IntegrityError(f"the service has stored different bytes for {key!r} than were sent", retryable=retryable)
    return compared


def checksum_header(algorithm: str, digest: str) -> tuple[str, str]:
    """The header with the checksum of a body or an object."""
    return f"x-amz-checksum-{algorithm}", base64.b64encode(bytes.fromhex(digest)).decode()
