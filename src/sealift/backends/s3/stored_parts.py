"""What a multipart upload has already: parts that an earlier process has sent.

A part is believed only if its size and a checksum are those of the bytes that would be sent. The ETag of an unencrypted
part is its MD5; any other equals none, and the part is sent again.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import ModelMissingError, UnsupportedOperation
from ...integrity import checksums as checksum
from ...runtime.disk_threads import DiskThreads
from ...runtime.paging import ContinuationTokens
from . import replies
from .bucket import Bucket

__all__ = ["Landed", "is_same", "landed"]

_MD5 = re.compile('"([0-9a-f]{32})"')
# How services say that they cannot list parts.
_UNKNOWN = {405, 501}


@dataclass(frozen=True, slots=True)
class Landed:
    """A part that is there.

    Attributes:
        size: In bytes.
        etag: Quoted.
        checksums: Algorithm → digest as lower-case hex.
    """

    size: int
    etag: str
    checksums: Mapping[str, str]


async def landed(bucket: Bucket, key: str, upload: str) -> dict[int, Landed]:
    """The parts that an upload has, by their index.

    Args:
        bucket: Where.
        key: Of the object.
        upload: The service's name for it.

    Raises:
        ModelMissingError: There is no such upload.
        StorageError: The service does not tell.
    """
    found: dict[int, Landed] = {}
    query = {"uploadId": upload}
    tokens = ContinuationTokens("the list of an upload's parts")
    while True:
        reply = await bucket.ask("GET", key, query=query)
        if reply.status == 404 and replies.code(reply) == "NoSuchUpload":
            raise ModelMissingError(key, cause=f"the upload of {key!r} has ended meanwhile", code="NoSuchUpload")
        if reply.status in _UNKNOWN:
            raise UnsupportedOperation("the service does not list the parts of uploads", status=reply.status)
        if reply.status != 200:
            raise bucket.error(reply, key)
        parts, following = replies.parts(reply)
        found |= {number - 1: Landed(*part) for number, part in parts.items()}
        if following is None:
            return found
        tokens.check(following)
        query["part-number-marker"] = following


async def is_same(there: Landed, data: memoryview, digests: Mapping[str, str], disk: DiskThreads) -> bool:
    """Whether a part that is there has these bytes.

    Args:
        there: The part.
        data: The bytes.
        digests: Those of their checksums that are known.
        disk: Computes others.
    """
    told = dict(there.checksums)
    if not told and (tag := _MD5.fullmatch(there.etag)):
        told = {"md5": tag[1]}
    algorithm = next((name for name in digests if name in told), None) or checksum.best(told, combinable=False)
    if there.size != len(data) or algorithm is None:
        return False
    mine = digests.get(algorithm) or await disk.run(lambda: checksum.digest(algorithm, data))
    return mine == told[algorithm]
