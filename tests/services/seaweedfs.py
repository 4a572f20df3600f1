"""SeaweedFS with four identities: all permissions, read-only, one bucket only, and anonymous for the bucket `public`.

Observed behavior of version 4.48 that matters to a client:

- Signatures are verified, in headers and in presigned URLs: wrong secret 403 SignatureDoesNotMatch, unknown key 403
  InvalidAccessKeyId, no permission or no signature 403 AccessDenied, expired URL 403 AccessDenied "Request has
  expired". An `x-amz-*` header that a presigned URL does not sign is a SignatureDoesNotMatch; Range and If-Match need
  no signature.
- ETags are quoted and strong: the MD5 of an object sent in one request, `…-N` of a multipart one. If-Match: the right
  ETag, its unquoted form and `*` pass; another or a weak one is a 412, with and without Range.
- An object has a checksum only if the upload sent one. It is returned by GET of the whole object and by HEAD with
  `x-amz-checksum-mode: ENABLED`, not by a ranged GET and not without the mode. A multipart object has CRC64NVME as
  FULL_OBJECT and CRC32, CRC32C, SHA256 as COMPOSITE (`…-N`), unless the upload was created with the type FULL_OBJECT,
  which the CRCs can have; `x-amz-checksum-type` is returned for multipart objects only. GetObjectAttributes returns the
  sizes of the parts, but no checksums; ListParts returns none either.
- Wrong checksums and MD5s of an object, a part and a whole multipart object are rejected: 400 BadDigest.
- Completing a multipart upload twice returns 200 both times. Parts before the last need 5 MiB (EntityTooSmall).
- A range of an empty object is a 416. HEAD and GET with a part number treat the 4 MiB chunks of its own store as the
  parts of a plain object. No `x-amz-bucket-region`. A bucket is deleted with its objects; an identity with all
  permissions creates a missing bucket by storing an object in it.
- Keys are paths. `//` becomes `/` and a leading `/` is dropped, so that `a//b` overwrites `a/b`; a backslash becomes
  `/`; `.` and `..` segments are rejected with 400 InvalidRequest, segments above 255 bytes with KeyTooLongError. An
  object `a` and an object `a/b` can coexist, but `a` and the marker `a/` cannot. The body of a key that ends in `/` is
  lost.
- Listings are complete at any page size, but in the order of a tree walk, not of bytes: `a/b` comes before `a b`.
"""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from sealift.demo.seaweedfs import Identity, SeaweedFS
from tests.services.s3 import ONE_BUCKET, PUBLIC_BUCKET, Keys, S3Service, client


@contextlib.contextmanager
def start(directory: Path) -> Iterator[S3Service]:
    """Run the server during the block."""
    admin, reader, restricted = (Keys(f"AKIA{name}", secrets.token_urlsafe(24)) for name in ("ADMIN", "READER", "ONE"))
    identities = [
        Identity("admin", ("Admin",), admin.access_key, admin.secret_key),
        Identity("reader", ("Read", "List"), reader.access_key, reader.secret_key),
        Identity("restricted", _on(ONE_BUCKET, "Read", "Write", "List"), restricted.access_key, restricted.secret_key),
        Identity("anonymous", _on(PUBLIC_BUCKET, "Read", "List")),
    ]
    with SeaweedFS(directory, identities) as server:
        service = S3Service(
            "seaweedfs",
            server.endpoint,
            admin.access_key,
            admin.secret_key,
            read_only=reader,
            one_bucket=restricted,
            public_bucket=PUBLIC_BUCKET,
        )
        for bucket in (ONE_BUCKET, PUBLIC_BUCKET):
            client(service).create_bucket(Bucket=bucket)
        yield service


def _on(bucket: str, *actions: str) -> tuple[str, ...]:
    return tuple(f"{action}:{bucket}" for action in actions)
