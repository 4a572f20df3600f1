"""Download with NVIDIA's multi-storage-client: `msc_download.py URI DEST [--tuned]`.

Default: `download_file`; a prefix (a URI ending in `/`) is `sync_from`, which downloads in worker processes. Tuned: the
same with the Rust client.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import multistorageclient as msc
from msc_profile import client


def main(uri: str, dest: Path, tuned: bool) -> None:
    parts = urlsplit(uri)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    remote = client(bucket, rust=tuned)
    if not key.endswith("/"):
        remote.download_file(key, str(dest))
        return
    dest.mkdir(parents=True, exist_ok=True)
    local, folder = msc.resolve_storage_client(str(dest))
    local.sync_from(remote, key, folder)


# It starts worker processes.
if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "--tuned" in sys.argv)
    if "--tuned" in sys.argv:
        # The threads of the Rust client crash about one interpreter in ten that ends in the usual way.
        os._exit(0)
