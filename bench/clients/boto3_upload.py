"""Upload with boto3: `boto3_upload.py PATH URI [--tuned]`.

Default: `upload_file` with its defaults; a directory is an `upload_file` per file on a thread pool of default size,
since boto3 has no call for it. Tuned: larger parts, payloads hashed neither for the signature nor for a checksum, more
files at once, and one plain PUT each. The files of a directory are sent without multipart, which not every server
supports.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

MiB = 1 << 20
IN_ONE_PUT = TransferConfig(multipart_threshold=64 * MiB)


def main(path: Path, uri: str, tuned: bool) -> None:
    parts = urlsplit(uri)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    if tuned:
        client = boto3.client(
            "s3",
            config=Config(
                max_pool_connections=32,
                request_checksum_calculation="when_required",
                s3={"payload_signing_enabled": False},
            ),
        )
        transfer = TransferConfig(max_concurrency=8, multipart_chunksize=16 * MiB)
    else:
        client, transfer = boto3.client("s3"), None

    if path.is_file():
        client.upload_file(str(path), bucket, key, Config=transfer)
        return

    def one(file: Path) -> None:
        name = key + file.relative_to(path).as_posix()
        if tuned:
            with file.open("rb") as body:
                client.put_object(Bucket=bucket, Key=name, Body=body)
        else:
            client.upload_file(str(file), bucket, name, Config=IN_ONE_PUT)

    with ThreadPoolExecutor(16 if tuned else None) as pool:
        for done in [pool.submit(one, file) for file in path.rglob("*") if file.is_file()]:
            done.result()


main(Path(sys.argv[1]), sys.argv[2], "--tuned" in sys.argv)
