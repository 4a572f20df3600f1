"""Download with obstore: `obstore_download.py URI DEST [--tuned]`.

Default: the stream of one GET, written to the file; a prefix (a URI ending in `/`) is a loop over the listing on a
thread pool of default size. Tuned: ranges in parallel into a preallocated file, and of a prefix more objects at once.
"""

import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store

PART = 8 << 20


def main(uri: str, dest: Path, tuned: bool) -> None:
    parts = urlsplit(uri)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    options: dict[str, object] = {"allow_http": True}
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        options["root_certificate"] = Path(bundle).read_bytes()
    store = S3Store(bucket, virtual_hosted_style_request=False, client_options=options)
    if key.endswith("/"):
        tree(store, key, dest, tuned=tuned)
    elif tuned:
        ranges(store, key, dest, obstore.head(store, key)["size"])
    else:
        stream(store, key, dest)


def stream(store: S3Store, key: str, target: Path) -> None:
    with target.open("wb") as out:
        for chunk in obstore.get(store, key):
            out.write(chunk)


def ranges(store: S3Store, key: str, target: Path, size: int) -> None:
    if size <= PART:
        stream(store, key, target)
        return
    descriptor = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o666)
    os.ftruncate(descriptor, size)

    def part(start: int) -> None:
        data = memoryview(obstore.get_range(store, key, start=start, end=min(start + PART, size)))
        while data:
            written = os.pwrite(descriptor, data, start)
            data, start = data[written:], start + written

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(part, range(0, size, PART)):
            pass
    os.close(descriptor)


def tree(store: S3Store, prefix: str, dest: Path, *, tuned: bool) -> None:
    made: set[Path] = set()
    running: list[Future[None]] = []
    with ThreadPoolExecutor(16 if tuned else None) as pool:
        for page in obstore.list(store, prefix=prefix):
            for found in page:
                target = dest / found["path"].removeprefix(prefix)
                if target.parent not in made:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    made.add(target.parent)
                if tuned and found["size"] > PART:
                    running.append(pool.submit(ranges, store, found["path"], target, found["size"]))
                else:
                    running.append(pool.submit(stream, store, found["path"], target))
        for done in running:
            done.result()


main(sys.argv[1], Path(sys.argv[2]), "--tuned" in sys.argv)
