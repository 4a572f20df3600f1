"""Directories and prefixes of objects, written and read without the code under test."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sealift import S3Config
from tests.api.helpers import config_of, files_in
from tests.services.s3 import S3Service, client, put_objects

# Well before and well after anything a test does, in seconds since the epoch.
LONG_AGO = 1_500_000_000
FAR_AHEAD = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Store:
    """A directory or a prefix.

    Attributes:
        uri: Without a trailing "/".
        config: Credentials and endpoint.
        put: Stores objects under their paths relative to the URI.
        content: Returns all objects.
    """

    uri: str
    config: S3Config | None
    put: Callable[[Mapping[str, bytes]], object]
    content: Callable[[], dict[str, bytes]]


def directory(path: Path) -> Store:
    """A local directory; it need not exist yet."""

    def put(objects: Mapping[str, bytes]) -> None:
        for name, data in objects.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)

    return Store(str(path), None, put, lambda: files_in(path))


def prefix(service: S3Service, bucket: str, key: str) -> Store:
    """A prefix in a bucket."""

    def put(objects: Mapping[str, bytes]) -> None:
        put_objects(service, bucket, {f"{key}/{path}": data for path, data in objects.items()})

    def content() -> dict[str, bytes]:
        found = objects_in(service, bucket, f"{key}/")
        return {path.removeprefix(f"{key}/"): data for path, data in found.items()}

    return Store(f"s3://{bucket}/{key}", config_of(service), put, content)


def objects_in(service: S3Service, bucket: str, start: str = "") -> dict[str, bytes]:
    """Key → content of all objects whose keys begin with `start`."""
    s3 = client(service)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def written_at(directory: Path | str, seconds: float) -> None:
    """Set the modification time of all files below a directory."""
    for path in Path(directory).rglob("*"):
        if path.is_file():
            os.utime(path, (seconds, seconds))
