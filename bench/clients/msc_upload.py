"""Upload with NVIDIA's multi-storage-client: `msc_upload.py PATH URI [--tuned]`.

Default: `upload_file`; a directory is `sync_from`, which uploads in worker processes. Tuned: the same with the Rust
client.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import multistorageclient as msc
from msc_profile import client


def main(path: Path, uri: str, tuned: bool) -> None:
    parts = urlsplit(uri)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    remote = client(bucket, rust=tuned)
    if path.is_file():
        remote.upload_file(key, str(path))
        return
    local, folder = msc.resolve_storage_client(str(path))
    remote.sync_from(local, folder, key)


# It starts worker processes.
if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], "--tuned" in sys.argv)
    if "--tuned" in sys.argv:
        # The threads of the Rust client crash about one interpreter in ten that ends in the usual way.
        os._exit(0)
