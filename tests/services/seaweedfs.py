"""SeaweedFS with four identities: all rights, read-only, one bucket only, and anonymous on the bucket `public`.

What version 4.48 was seen to do, where it matters to a client:

- Signatures are checked, in headers and in presigned URLs: wrong secret 403 SignatureDoesNotMatch, unknown key 403
  InvalidAccessKeyId, no right or no signature 403 AccessDenied, expired URL 403 AccessDenied "Request has expired". An
  `x-amz-*` header that a presigned URL does not sign is a SignatureDoesNotMatch; Range and If-Match are free.
- ETags are quoted and strong: the MD5 of one request's object, `…-N` of a multipart one. If-Match: the right tag, its
  unquoted form and `*` pass, another or a weak one is 412, with and without Range.
- A checksum is there only if the upload brought one. It is then in the GET of a whole object and in HEAD with
  `x-amz-checksum-mode: ENABLED`, not in a ranged GET and not without the mode. A multipart object has CRC64NVME as
  FULL_OBJECT and CRC32, CRC32C, SHA256 as COMPOSITE (`…-N`), unless the upload began with the type FULL_OBJECT, which
  the CRCs can have; `x-amz-checksum-type` comes with multipart objects only.
  GetObjectAttributes has the sizes of the parts, but no checksums; ListParts has none either.
- Wrong checksums and MD5s are refused, of an object, a part and a whole multipart object: 400 BadDigest.
- A multipart upload completed twice answers 200 both times. Parts before the last need 5 MiB (EntityTooSmall).
- A range of an empty object is 416. HEAD and GET with a part number take the 4 MiB chunks of its own store for the
  parts of a plain object. No `x-amz-bucket-region`. A bucket is deleted with its objects; who may do everything makes
  a missing one by storing something in it.
- Keys are paths. `//` becomes `/` and a leading `/` goes, so that `a//b` overwrites `a/b`; a backslash becomes `/`;
  `.` and `..` segments are refused with 400 InvalidRequest, segments above 255 bytes with KeyTooLongError. An object
  `a` and an object `a/b` live together, but `a` and the marker `a/` do not. The body of a key that ends in `/` is lost.
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
    """Run the server for the length of the block."""
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
