"""Upload with obstore: `obstore_upload.py PATH URI [--tuned]`.

Default: `put` with its defaults; a directory is a `put` per file on a thread pool of default size, without multipart,
which not every server supports. Tuned: larger parts, payloads not hashed for the signature, more files at once.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store

PART = 16 << 20


def main(path: Path, uri: str, tuned: bool) -> None:
    parts = urlsplit(uri)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    store = S3Store(
        bucket, virtual_hosted_style_request=False, unsigned_payload=tuned, client_options={"allow_http": True}
    )
    if path.is_file():
        if tuned:
            obstore.put(store, key, path, chunk_size=PART, max_concurrency=8)
        else:
            obstore.put(store, key, path)
        return

    def one(file: Path) -> None:
        obstore.put(store, key + file.relative_to(path).as_posix(), file, use_multipart=False)

    with ThreadPoolExecutor(16 if tuned else None) as pool:
        for done in [pool.submit(one, file) for file in path.rglob("*") if file.is_file()]:
            done.result()


main(Path(sys.argv[1]), sys.argv[2], "--tuned" in sys.argv)
