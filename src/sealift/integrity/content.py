"""Decide whether two objects have the same bytes, from checksums, content tags and versions."""

import re
from collections.abc import Mapping
from dataclasses import field, replace

from ..frozen_dataclass import dataclass
from ..types import ObjectInfo

__all__ = ["Facts", "cached_content_id", "content_id", "same_bytes", "same_content_tag"]

# The S3 ETag of an unencrypted object is its MD5, or for a multi-part upload an MD5 over the MD5s of its parts:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html. The ETag of an encrypted object has the same form
# but is not a hash of its content, so different ETags do not prove different content.
_S3_TAG = re.compile(r'"([0-9a-f]{32})(-[0-9]+)?"')
# For files stored in Git itself, the hub's ETag is the Git object ID, a hash of the content.
_GIT_TAG = r'"([0-9a-f]{40}|[0-9a-f]{64})"'
# Without 32-bit checksums: a collision between two versions of a large file would mix their parts.
_COLLISION_SAFE = ("sha256", "sha1", "md5", "crc64nvme")
# For these, nobody can make other bytes than those of a given object. For a CRC, that is easy.
_HASHES = ("sha256", "sha1", "md5")


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts that identify the bytes of one object.

    Attributes:
        size: Size in bytes.
        versions: Versions and ETags. If two sets of the same object intersect, its bytes are unchanged. Sets of
            different objects cannot be compared.
        checksums: Algorithm → lower-case hex digest of the whole object.
        tags: Content tags. If two sets intersect, the objects have the same bytes, wherever they are stored; disjoint
            sets prove nothing.
    """

    size: int
    versions: frozenset[str] = frozenset()
    checksums: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()

    @classmethod
    def of(cls, scheme: str, obj: ObjectInfo, size: int) -> "Facts":
        """Extract the facts from a listing, a stat or an upload response.

        Args:
            scheme: Scheme of the storage, which determines the meaning of its ETags.
            obj: The object.
            size: Size of the object in bytes, which an upload response may lack.
        """
        versions = {each for each in (obj.version, obj.etag) if each and not each.startswith("W/")}
        tags = {f"md5:{obj.checksums['md5']}"} if "md5" in obj.checksums else set()
        if (tag := _content_tag(scheme, obj.etag)) is not None:
            tags.add(tag)
        return cls(size, frozenset(versions), dict(obj.checksums), frozenset(tags))

    def unchanged(self, now: "Facts") -> bool:
        """Check whether the object still has the bytes it had when these facts were recorded."""
        return self.size == now.size and not self.versions.isdisjoint(now.versions)

    def with_content(self, other: "Facts") -> "Facts":
        """Add the checksums and content tags of another object with the same bytes."""
        return replace(self, checksums={**other.checksums, **self.checksums}, tags=self.tags | other.tags)


def same_bytes(first: Facts, second: Facts) -> bool | None:
    """Compare two objects by their checksums and content tags.

    Returns:
        Whether they have the same bytes; None if they share neither a checksum algorithm nor a content tag.

    Example:
        >>> same_bytes(Facts(4, checksums={"md5": "aa"}), Facts(4, checksums={"md5": "bb"}))
        False
    """
    if first.size != second.size:
        return False
    common = first.checksums.keys() & second.checksums.keys()
    if common:
        return all(first.checksums[name] == second.checksums[name] for name in common)
    return None if first.tags.isdisjoint(second.tags) else True


def same_content_tag(scheme: str, first: ObjectInfo, second: ObjectInfo) -> bool:
    """Whether two objects of one kind of storage have the same content tag and no checksums. Cheaper than `same_bytes`.

    Args:
        scheme: Scheme of both storages.
        first: An object.
        second: Another object.

    Returns:
        Whether they have the same bytes; False says nothing.
    """
    tag = first.etag
    return (
        tag is not None
        and tag == second.etag
        and first.size == second.size
        and not first.checksums
        and not second.checksums
        and _content_tag(scheme, tag) is not None
    )


def content_id(scheme: str, obj: ObjectInfo) -> str | None:
    """Return an identifier by which a later run recognizes the same bytes: a content hash, otherwise the version.

    Args:
        scheme: Scheme of the storage.
        obj: The object as listed by the storage.

    Returns:
        The identifier; None if the object has neither.
    """
    for algorithm in _COLLISION_SAFE if obj.checksums else ():
        if algorithm in obj.checksums:
            return f"{algorithm}:{obj.checksums[algorithm]}"
    return _content_tag(scheme, obj.etag) or obj.version


def cached_content_id(scheme: str, obj: ObjectInfo) -> str | None:
    """Return an identifier that only objects of one bucket with the same bytes have.

    Args:
        scheme: Scheme of the storage.
        obj: The object as listed by the storage.

    Returns:
        A content hash, otherwise a CRC or the version, together with the key. None if the object has none of them.
    """
    hashed = next((f"{name}:{obj.checksums[name]}" for name in _HASHES if name in obj.checksums), None)
    if (hashed := hashed or _content_tag(scheme, obj.etag)) is not None:
        return hashed
    content = content_id(scheme, obj)
    if content is None:
        return None
    modified = obj.modified if content.startswith("W/") else ""  # a weak ETag alone may be that of other bytes
    return f"{content}\0{obj.key}\0{modified}"


def _content_tag(scheme: str, etag: str | None) -> str | None:
    """The content tag in an ETag; None: the ETag does not depend on the bytes alone."""
    if scheme == "s3" and (matched := _S3_TAG.fullmatch(etag or "")):
        return f"s3-parts:{matched[1]}{matched[2]}" if matched[2] else f"md5:{matched[1]}"
    if scheme == "hf" and (matched := re.fullmatch(_GIT_TAG, etag or "")):
        return f"git:{matched[1]}"
    return None
