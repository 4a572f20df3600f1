"""Cached files by their content, which snapshots share; blocking.

    HASH-DIGEST.TIME     the bytes were compared with this hash: SHA-256, SHA-1 or MD5
    from-DIGEST.TIME     the bytes were compared with something weaker, or with nothing: shared within one bucket only

TIME is the modification time of the file: another one means that somebody has written to it.

What a service claims about its bytes must not decide what users of another service get. So a file has the name of a
hash only if its bytes were compared with it: when they arrived, or when a second service claims the same hash. For
that, a text file `claim-HASH-DIGEST` names the blob to compare. A blob is a hard link. Where the file system has none,
nothing is shared.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from ..integrity.content import Facts, content_id
from ..types import MiB, ObjectInfo
from .directory import CacheDirectory

__all__ = ["Blobs", "digest_of", "digests_of", "remove_blob"]

_HASHES = ("sha256", "sha1", "md5")


def digests_of(scheme: str, obj: ObjectInfo) -> dict[str, str]:
    """What the service claims about the content of an object: algorithm → hex digest; "git" for a Git blob's ID."""
    found = dict(obj.checksums)
    for tag in Facts.of(scheme, obj, obj.size or 0).tags:
        algorithm, _, digest = tag.partition(":")
        if algorithm in {"md5", "git"}:
            found.setdefault(algorithm, digest)
    return found


def digest_of(path: str, algorithm: str, is_stopped: Callable[[], bool] = lambda: False) -> str:
    """Read a file and compute its hash: one of hashlib's, or "git"; "" if `is_stopped`, which is asked often."""
    with open(path, "rb") as file:
        if algorithm == "git":
            size = os.fstat(file.fileno()).st_size
            running = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        else:
            running = hashlib.new(algorithm, usedforsecurity=False)
        while data := file.read(MiB):
            running.update(data)
            if is_stopped():
                return ""
    return running.hexdigest()


class Blobs:
    """The blobs for the objects of one source.

    Args:
        cache: The cache.
        scheme: Scheme of the source.
        source: Identifies the bucket, container, repository or server, and how its objects are verified.
        shared: Whether blobs of other sources may be used: not if this caller does not want to verify anything.
    """

    def __init__(self, cache: CacheDirectory, scheme: str, source: str, *, shared: bool) -> None:
        self._cache = cache
        self._scheme = scheme
        self._source = source
        self._shared = shared
        self._stopped = False
        self._listed: dict[str, dict[str, list[str]]] = {}  # directory → name → blobs of this name

    def own_name(self, obj: ObjectInfo) -> str | None:
        """The name of an object's blob among those of this source; None: the object has no version."""
        content = content_id(self._scheme, obj)
        if content is None:
            return None
        key = obj.key if content == obj.version else ""
        text = "\0".join(map(str, (self._source, key, content, obj.size)))
        return f"from-{hashlib.blake2b(text.encode(errors='backslashreplace'), digest_size=16).hexdigest()}"

    def _hash(self, obj: ObjectInfo) -> tuple[str, str] | None:
        """The best hash that the service claims for an object."""
        digests = digests_of(self._scheme, obj)
        return next(((name, digests[name]) for name in _HASHES if name in digests), None) if self._shared else None

    def find(self, obj: ObjectInfo) -> str | None:
        """The path of a blob with the bytes of an object; None: there is none."""
        for name in self._candidates(obj):
            for blob in self._list(name):
                path = _path(self._cache, blob)
                if _is_intact(path, obj.size):
                    return path
        return None

    def stop(self) -> None:
        """End a search in another thread soon: comparing the bytes of a large file takes long."""
        self._stopped = True

    def _list(self, name: str) -> list[str]:
        """The blobs of a name; more than one if somebody has written to one of them."""
        directory = os.path.dirname(_path(self._cache, name))
        if directory not in self._listed:
            found: dict[str, list[str]] = {}
            with suppress(FileNotFoundError):
                for blob in os.listdir(directory):
                    found.setdefault(_name_of(blob), []).append(blob)
            self._listed[directory] = found
        return self._listed[directory].get(name, [])

    def _candidates(self, obj: ObjectInfo) -> Iterator[str]:
        if (own := self.own_name(obj)) is not None:
            yield own
        if (claimed := self._hash(obj)) is not None:
            name = "-".join(claimed)
            yield name
            if self._prove(obj, *claimed):
                self._listed.clear()
                yield name

    def _prove(self, obj: ObjectInfo, algorithm: str, digest: str) -> bool:
        """Give a blob the name of a hash if another source has claimed it and the bytes have it."""
        claim = _path(self._cache, f"claim-{algorithm}-{digest}")
        try:
            with open(claim, encoding="ascii") as file:
                path = _path(self._cache, file.read())
            # A link of its own: the bytes that are compared stay there even if the blob is replaced meanwhile.
            held = f"{claim}.{os.urandom(8).hex()}.tmp"
            os.link(path, held)
        except (OSError, ValueError):
            return False
        try:
            if os.lstat(held).st_size != obj.size or digest_of(held, algorithm, lambda: self._stopped) != digest:
                if not self._stopped:
                    os.unlink(claim)  # it was a false claim
                return False
            proven = _path(self._cache, f"{algorithm}-{digest}.{os.lstat(held).st_mtime_ns:x}")
            self._cache.make(os.path.dirname(proven))
            with suppress(FileExistsError):
                os.link(held, proven)
            return True
        finally:
            os.unlink(held)

    def name(self, obj: ObjectInfo, verified: str | None, modified: int) -> str:
        """The name that the file of an object will have as a blob.

        Args:
            obj: The object.
            verified: The checksum algorithm that its bytes were compared with.
            modified: Its modification time in nanoseconds since the epoch.

        Returns:
            The name; "": it cannot be shared.
        """
        if not obj.size:  # an empty file costs nothing, and would get too many links
            return ""
        claimed = self._hash(obj)
        if claimed is not None and claimed[0] == verified:
            return f"{'-'.join(claimed)}.{modified:x}"
        own = self.own_name(obj)
        return "" if own is None else f"{own}.{modified:x}"

    def add(self, name: str, obj: ObjectInfo, path: str) -> None:
        """Make a file of a complete snapshot a blob. A crash before leaves the snapshot without blobs, which are
        downloaded again for another snapshot.
        """
        blob = _path(self._cache, name)
        self._cache.make(os.path.dirname(blob))
        try:
            os.link(path, blob)
        except FileExistsError:
            if not _is_intact(blob, obj.size):
                temporary = f"{blob}.{os.urandom(8).hex()}.tmp"
                os.link(path, temporary)
                os.rename(temporary, blob)
        except OSError:  # no hard links here, or too many of this file
            return
        claimed = self._hash(obj)
        if claimed is not None and _name_of(name) != "-".join(claimed):
            claim = _path(self._cache, f"claim-{claimed[0]}-{claimed[1]}")
            self._cache.make(os.path.dirname(claim))
            self._cache.write(claim, name)


def remove_blob(cache: CacheDirectory, name: str) -> None:
    """Remove a blob whose bytes may be damaged."""
    with suppress(OSError):
        os.unlink(_path(cache, name))


def _path(cache: CacheDirectory, blob: str) -> str:
    return cache.file("blobs", hashlib.blake2b(_name_of(blob).encode(), digest_size=1).hexdigest(), blob)


def _name_of(blob: str) -> str:
    """The name of a blob without its time."""
    return blob.partition(".")[0]


def _is_intact(path: str, size: int | None) -> bool:
    """Whether a blob is there, and nobody has written to it."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return status.st_size == size and f"{status.st_mtime_ns:x}" == path.rpartition(".")[2]
