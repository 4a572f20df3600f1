"""moto: the semantics of AWS, in memory, with STS and S3 on the same endpoint.

Observed behavior of version 5.2.5 that matters to a client:

- It accepts any key and any secret, and expired URLs. Without a signature, a private object is a 403, but a listing
  works.
- Every key is kept unchanged, including `//`, a leading `/` and `..`; only a newline is rejected (404).
- If-Match: the right ETag passes, another or a weak one is a 412; so is `*`, unlike in AWS.
- Checksums are stored as sent and never verified: a wrong one is stored. With `x-amz-checksum-mode: ENABLED` they are
  returned by GET of the whole object and by HEAD, not by a ranged GET. In HEAD, those of a multipart object lack the
  type unless the upload named it, and composite ones lack `-N`: they look like checksums of the whole object. The
  composite CRC32C is one of CRC32s.
- Checksums are returned only for objects sent with `x-amz-sdk-checksum-algorithm`, and for multipart objects.
- GetObjectAttributes returns checksums, but no parts. An unknown upload ID is a 500. Completing twice returns 200.
- `x-amz-copy-source-if-match` is ignored.
- Each reply closes its connection: there is no keep-alive.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from sealift.demo.seaweedfs import HOST
from tests.services.process import serve
from tests.services.s3 import S3Service

# So that tests do not have to send 5 MiB for each part.
_SMALL_PARTS = {"S3_UPLOAD_PART_MIN_SIZE": "1", "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(5 << 20)}


@contextlib.contextmanager
def start(directory: Path) -> Iterator[S3Service]:
    """Run the server during the block."""

    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]

    with serve("moto", command, directory, environment=_SMALL_PARTS) as port:
        yield S3Service("moto", f"http://{HOST}:{port}", "AKIAMOTO", "any-secret-will-do")
