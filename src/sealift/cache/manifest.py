"""Which files a snapshot has, so that a hit is checked without reading them; blocking.

A manifest is written before its snapshot gets its name, and removed after the snapshot: a snapshot always has one.
"""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import field
from typing import Self

from ..frozen_dataclass import dataclass
from .directory import CacheDirectory

__all__ = ["CachedFile", "Manifest", "current_boot"]

_BLOCK = 4096  # bytes
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file of a snapshot.

    Attributes:
        path: Its path in the snapshot.
        size: Its size in bytes.
        modified: Its modification time in nanoseconds since the epoch.
        blob: Name of the blob that is the same file; "": none.
        digests: Algorithm → hex digest, as the service has listed them; "git" for the ID of a Git blob.
    """

    path: str
    size: int
    modified: int
    blob: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)

    def is_intact(self, root: str) -> bool:
        """Whether the file is there, and nobody has changed it since."""
        try:
            status = os.lstat(os.path.join(root, self.path))
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns) == (self.size, self.modified)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a snapshot.

    Attributes:
        snapshot: Its ID.
        uri: The URI that it was first downloaded from, without secrets.
        name: For one object: the path of its file in the snapshot. "": the snapshot is a directory of objects.
        files: Its files.
        boot: The boot of the machine that has written it: a crash of that machine may have lost bytes. "": all files
            were synced to the disk.
        created: When it was written, in seconds since the epoch.
    """

    snapshot: str
    uri: str
    name: str
    files: tuple[CachedFile, ...]
    boot: str = ""
    created: float = 0.0

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def occupied(self) -> int:
        """Bytes that the files occupy on most disks, if no other snapshot shares them."""
        return sum(-(-file.size // _BLOCK) * _BLOCK for file in self.files)

    def path_in(self, cache: CacheDirectory) -> str:
        """The path of the file or directory."""
        root = cache.snapshot(self.snapshot)
        return os.path.join(root, self.name) if self.name else root

    @property
    def survived(self) -> bool:
        """Whether no crash of this machine can have lost bytes of it.

        What was written since this machine has been started, but not by it, comes from another machine.
        """
        return self.boot in {"", current_boot()} or self.created > _boot_time()

    def damaged(self, cache: CacheDirectory) -> list[CachedFile]:
        """The files that are missing or were changed, or that a crash of the machine may have damaged."""
        root = cache.snapshot(self.snapshot)
        if not self.survived or not os.path.isdir(root):
            return list(self.files)
        return [file for file in self.files if not file.is_intact(root)]

    @classmethod
    def read(cls, cache: CacheDirectory, snapshot: str) -> Self | None:
        """Read a manifest; None: there is none, or it is damaged."""
        try:
            with open(cache.file("manifests", f"{snapshot}.json"), "rb") as file:
                facts = json.load(file)
            files = tuple(CachedFile(*each) for each in facts["files"])
            return cls(snapshot, facts["uri"], facts["name"], files, facts["boot"], facts["created"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, cache: CacheDirectory) -> None:
        """Write the manifest."""
        files = [(each.path, each.size, each.modified, each.blob, dict(each.digests)) for each in self.files]
        facts = {"uri": self.uri, "name": self.name, "boot": self.boot, "created": self.created, "files": files}
        cache.write(cache.file("manifests", f"{self.snapshot}.json"), json.dumps(facts))

    def rewrite(self, cache: CacheDirectory) -> None:
        """Write a changed manifest. That is no use of the files."""
        path = cache.file("manifests", f"{self.snapshot}.json")
        used = os.stat(path).st_mtime_ns
        self.write(cache)
        os.utime(path, ns=(used, used))


def current_boot() -> str:
    """Identifies the boot of this machine; "unknown" where the system does not say."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def _boot_time() -> float:
    """When this machine was started, in seconds since the epoch; 0.0 where the system does not say."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            return next((float(line.split()[1]) for line in file if line.startswith("btime ")), 0.0)
    except OSError:
        return 0.0
