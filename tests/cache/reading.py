"""What a server was asked for, and what a cache contains."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from sealift.cache import syncing
from tests.api.servers import FakeS3


def bodies(server: FakeS3) -> list[str]:
    """The keys whose bytes were sent, once for each request."""
    asked = [each for each in server.asked if each.method == "GET" and "list-type" not in each.query]
    return sorted(each.path.removeprefix("/b/") for each in asked)


def snapshots(cache: Path) -> list[str]:
    """The IDs of the complete snapshots."""
    return sorted(os.listdir(cache / "v1/snapshots"))


def manifest(cache: Path, snapshot: str) -> Mapping[str, object]:
    """The manifest of a snapshot."""
    found: Mapping[str, object] = json.loads((cache / f"v1/manifests/{snapshot}.json").read_bytes())
    return found


def snapshot_of(path: str, cache: Path) -> str:
    """The ID of the snapshot that a path in the cache belongs to."""
    return Path(path).relative_to(cache / "v1/snapshots").parts[0]


def last_used(cache: Path, snapshot: str, when: float) -> None:
    """Let a snapshot have been used last at this time, in seconds since the epoch."""
    while syncing._waiting:  # ends with a new manifest
        time.sleep(0.01)
    os.utime(cache / f"v1/manifests/{snapshot}.json", (when, when))


def inode(*parts: object) -> tuple[int, int]:
    """The device and inode of a file."""
    status = os.stat(os.path.join(*map(str, parts)))
    return status.st_dev, status.st_ino
