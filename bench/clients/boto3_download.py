"""Download with boto3: `boto3_download.py URI DEST [--tuned]`.

Default: `download_file` with its defaults; a prefix (a URI ending in `/`) is a loop over the listing, because boto3 has
no call for it. Tuned: fewer and larger parts with larger writes, objects of a prefix in parallel, and small ones with
one GET instead of a HEAD and a GET.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

MiB = 1 << 20
SMALL = 8 * MiB


def main(uri: str, dest: Path, tuned: bool) -> None:
    parts = urlsplit(uri)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    if tuned:
        client = boto3.client("s3", config=Config(max_pool_connections=32))
        transfer = TransferConfig(max_concurrency=8, multipart_chunksize=32 * MiB, io_chunksize=MiB)
    else:
        client, transfer = boto3.client("s3"), None

    if not key.endswith("/"):
        client.download_file(bucket, key, str(dest), Config=transfer)
        return

    made: set[Path] = set()

    def one(found: str, size: int) -> None:
        target = dest / found.removeprefix(key)
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        if tuned and size <= SMALL:
            target.write_bytes(client.get_object(Bucket=bucket, Key=found)["Body"].read())
        else:
            client.download_file(bucket, found, str(target), Config=transfer)

    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
    listing = ((found["Key"], found["Size"]) for page in pages for found in page.get("Contents", ()))
    if not tuned:
        for found, size in listing:
            one(found, size)
        return
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(one, found, size) for found, size in listing]:
            done.result()


main(sys.argv[1], Path(sys.argv[2]), "--tuned" in sys.argv)
