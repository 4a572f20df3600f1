"""moto: the semantics of AWS, in memory, with STS beside S3 on the same endpoint.

What version 5.2.5 was seen to do, where it matters to a client:

- It accepts any key and any secret, expired URLs too; without a signature a private object is 403, a listing is not.
- Every key is kept as it is, `//`, leading `/` and `..` too; only a newline is refused (404).
- If-Match: the right tag passes, another or a weak one is 412; so is `*`, unlike in AWS.
- Checksums are kept as sent and never checked: a wrong one is stored. With `x-amz-checksum-mode: ENABLED` they come in
  a whole GET and in HEAD, not in a ranged GET. In HEAD, those of a multipart object lack the type unless the upload
  named it, and composite ones their `-N`: they look like checksums of the whole. The composite CRC32C is one of CRC32s.
- Checksums are told only of what was sent with `x-amz-sdk-checksum-algorithm`, and of multipart objects.
- GetObjectAttributes has checksums, but no parts. An unknown upload id is a 500. Completing twice answers 200.
- A copy's `x-amz-copy-source-if-match` is ignored.
- A reply ends its connection: there is no keep-alive.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from sealift.demo.seaweedfs import HOST
from tests.services.process import serve
from tests.services.s3 import S3Service

# So that tests need not move 5 MiB for each part.
_SMALL_PARTS = {"S3_UPLOAD_PART_MIN_SIZE": "1", "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(5 << 20)}


@contextlib.contextmanager
def start(directory: Path) -> Iterator[S3Service]:
    """Run the server for the length of the block."""

    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]

    with serve("moto", command, directory, environment=_SMALL_PARTS) as port:
        yield S3Service("moto", f"http://{HOST}:{port}", "AKIAMOTO", "any-secret-will-do")
