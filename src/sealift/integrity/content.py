"""What identifies the bytes of an object: checksums, content tags, and the version of one object at one place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..types import ObjectInfo

__all__ = ["Facts", "content_of", "same_bytes"]

# An ETag of S3 is the MD5 of an unencrypted object that was stored in one request, or an MD5 over those of its parts:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html. One of an encrypted object has the same form, but is
# no hash, so different tags prove nothing.
_S3_TAG = re.compile(r'"([0-9a-f]{32})(-[0-9]+)?"')
# The hub's tag of a file that Git itself stores is Git's object id, a hash of the content.
_GIT_TAG = re.compile(r'"([0-9a-f]{40}|[0-9a-f]{64})"')
# Two versions of a large file share a 32-bit checksum too easily to mix their parts.
_LONG = ("sha256", "sha1", "md5", "crc64nvme")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an object.

    Attributes:
        size: In bytes.
        marks: Versions and entity tags. Two sets of the same place that intersect are of the same bytes; sets of
            different places say nothing about each other.
        checksums: Algorithm → digest as lower-case hex, of the whole object.
        tags: Names of the content. Two sets that intersect are of the same bytes, wherever they are; two that do not
            intersect prove nothing.
    """

    size: int
    marks: frozenset[str] = frozenset()
    checksums: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()

    @classmethod
    def of(cls, scheme: str, obj: ObjectInfo, size: int) -> "Facts":
        """The facts in a listing, a stat, or the reply to an upload.

        Args:
            scheme: Of the storage, which decides what its entity tags mean.
            obj: Of that storage.
            size: Of the object, which the reply to an upload may lack.
        """
        found = {mark for mark in (obj.version, obj.etag) if mark and not mark.startswith("W/")}
        tags = {f"md5:{obj.checksums['md5']}"} if "md5" in obj.checksums else set()
        return cls(size, frozenset(found), dict(obj.checksums), frozenset(tags | _content_tags(scheme, obj.etag)))

    def unchanged(self, now: "Facts") -> bool:
        """Whether the object at one place still has the bytes that it had when these facts were recorded."""
        return self.size == now.size and not self.marks.isdisjoint(now.marks)

    def with_content(self, other: "Facts") -> "Facts":
        """These facts, and what others say of the same bytes."""
        return replace(self, checksums={**other.checksums, **self.checksums}, tags=self.tags | other.tags)


def same_bytes(first: Facts, second: Facts) -> bool | None:
    """Whether two objects have the same bytes, by the checksums and content tags of both.

    Returns:
        None: They have neither a checksum nor an equal tag in common.

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


def content_of(scheme: str, obj: ObjectInfo) -> str | None:
    """The name under which a later run recognizes these bytes: of their content if there is one, else their version.

    Args:
        scheme: Of the storage.
        obj: As the storage lists it.

    Returns:
        None: Nothing identifies them.
    """
    for algorithm in _LONG:
        if algorithm in obj.checksums:
            return f"{algorithm}:{obj.checksums[algorithm]}"
    return min(_content_tags(scheme, obj.etag), default=obj.version)


def _content_tags(scheme: str, etag: str | None) -> set[str]:
    """The names of the content in an entity tag; none where a storage's tags do not depend on the bytes alone."""
    if scheme == "s3" and (found := _S3_TAG.fullmatch(etag or "")):
        return {f"s3-parts:{found[1]}{found[2]}" if found[2] else f"md5:{found[1]}"}
    if scheme == "hf" and (found := _GIT_TAG.fullmatch(etag or "")):
        return {f"git:{found[1]}"}
    return set()
