"""One repository in the cache of huggingface_hub, as its client reads and writes it; blocking.

    models--OWNER--NAME/blobs/HASH               files, by their SHA-256 or the ID of the Git object
    models--OWNER--NAME/refs/REVISION            the commit of a branch or tag
    models--OWNER--NAME/snapshots/COMMIT/PATH    links to the blobs
    models--OWNER--NAME/trees/COMMIT.json        all files of the commit, which tells an incomplete snapshot
    models--OWNER--NAME/.sealift/                unfinished downloads of sealift
    .locks/models--OWNER--NAME/                  who downloads

Sources: https://huggingface.co/docs/huggingface_hub/guides/manage-cache, and `_tree_cache.py` of that client.
"""

import errno
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from ..types import ObjectInfo, Revalidate

__all__ = ["HubRepository", "blob_of"]

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TREE_FORMAT = 1


def blob_of(obj: ObjectInfo) -> str | None:
    """The name of a file's blob: its SHA-256, or the ID of the Git object; None: the hub reports neither."""
    name = obj.checksums.get("sha256") or (obj.etag or "").strip('"')
    return name if _HASH.fullmatch(name) else None


class HubRepository:
    """A repository in the cache.

    Args:
        cache: The directory of the cache.
        kind: "models", "datasets" or "spaces".
        name: "OWNER/NAME", or "NAME".
        revision: The branch, tag or commit that is wanted.

    Attributes:
        revision: As above.
        root: The directory of the repository.
        locks: The directory of its locks.
    """

    def __init__(self, cache: str, kind: str, name: str, revision: str) -> None:
        self.revision = revision
        folder = "--".join([kind, *name.split("/")])
        self.root = os.path.join(cache, folder)
        self.locks = os.path.join(cache, ".locks", folder)

    def open(self) -> None:
        """Create the directories.

        Raises:
            OSError: They cannot be created, or this process cannot write to them.
        """
        for directory in (self.root, self.locks):
            os.makedirs(directory, exist_ok=True)
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), directory)

    def commit(self, revalidate: Revalidate) -> str | None:
        """The commit of the revision, if the cache knows one that is fresh enough.

        Args:
            revalidate: How old an answer of the hub may be.
        """
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        if revalidate == "always":
            return None
        try:
            with open(self._ref, encoding="ascii") as file:
                age, commit = time.time() - os.fstat(file.fileno()).st_mtime, file.read().strip()
        except (OSError, ValueError):
            return None
        fresh = revalidate == "never" or 0 <= age < revalidate
        return commit if fresh and _COMMIT.fullmatch(commit) else None

    def note_commit(self, commit: str) -> None:
        """Note that the hub has just said which commit the revision is."""
        if self.revision == commit:
            return
        path = self._ref
        with suppress(OSError):
            with open(path, encoding="ascii") as file:
                same = file.read() == commit
            if same:
                os.utime(path)
                return
        _write(path, commit)

    @property
    def _ref(self) -> str:
        return os.path.join(self.root, "refs", self.revision)

    def snapshot(self, commit: str, path: str = "") -> str:
        """The path of a file or directory of a commit."""
        return os.path.join(self.root, "snapshots", commit, *([path] if path else []))

    def blob(self, name: str) -> str:
        """The path of a blob."""
        return os.path.join(self.root, "blobs", name)

    def has(self, commit: str, path: str, size: int | None) -> bool:
        """Whether a file of a commit is there, with this size."""
        return _has_size(self.snapshot(commit, path), size)

    def has_blob(self, name: str, size: int | None) -> bool:
        """Whether a blob is there, with this size."""
        return _has_size(self.blob(name), size)

    def add(self, commit: str, path: str, blob: str, file: str | None) -> None:
        """Add a file to a commit.

        Args:
            commit: The commit.
            path: Its path in the repository.
            blob: Name of its blob.
            file: The path of the complete file, which is moved. None: the blob is there already.
        """
        there = self.blob(blob)
        if file is not None:
            os.makedirs(os.path.dirname(there), exist_ok=True)
            os.replace(file, there)
        elif not os.path.exists(there):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), there)
        link = self.snapshot(commit, path)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        temporary = f"{link}.{os.urandom(8).hex()}.tmp"
        os.symlink(os.path.relpath(there, os.path.dirname(link)), temporary)
        os.replace(temporary, link)

    def tree(self, commit: str) -> Mapping[str, int] | None:
        """Path → size of all files of a commit; None: unknown."""
        try:
            with open(self._tree(commit), encoding="utf-8") as file:
                tree = json.load(file)
            if tree["format_version"] != _TREE_FORMAT:
                return None
            return {str(path): int(entry["size"]) for path, entry in tree["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write_tree(self, commit: str, files: Iterable[tuple[str, ObjectInfo]]) -> None:
        """Note all files of a commit, by their paths in the repository. Nothing is noted if one has no hash or size."""
        entries = dict[str, Mapping[str, object]]()
        for path, obj in sorted(files, key=lambda each: each[0]):
            blob, sha256 = blob_of(obj), obj.checksums.get("sha256")
            if blob is None or obj.size is None:
                return
            entry = {"size": obj.size, "blob_id": blob}
            if sha256 is not None:
                entry |= {"blob_id": _pointer_id(sha256, obj.size), "lfs_sha256": sha256, "lfs_size": obj.size}
            entries[path] = entry
        _write(self._tree(commit), json.dumps({"format_version": _TREE_FORMAT, "files": entries}, indent=1))

    def _tree(self, commit: str) -> str:
        return os.path.join(self.root, "trees", f"{commit}.json")


def _has_size(path: str, size: int | None) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and size in {None, status.st_size}


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.urandom(4).hex()}.tmp"
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _pointer_id(sha256: str, size: int) -> str:
    """The ID of the Git object that stands for a file in Git LFS.

    Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
    """
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    return hashlib.sha1(b"blob %d\0" % len(pointer) + pointer, usedforsecurity=False).hexdigest()
