"""Read an object's attributes from replies to HEAD and GET; `listing_page.py` reads listings.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""

from ...errors import UnsupportedOperation
from ...types import ObjectInfo
from ...wire import Response
from .properties import from_reply
from .reply_checksums import has_composite_checksum, object_checksums

__all__ = ["object_info", "quoted_etag", "version_query"]


def quoted_etag(tag: str | None) -> str | None:
    """An ETag with its quotes, which some services leave out."""
    return tag if not tag or tag.endswith('"') else f'"{tag}"'


def version_query(obj: ObjectInfo) -> dict[str, str]:
    """The query of requests for an object: names its version, if that is not the current one."""
    return {} if obj.version_id is None else {"versionId": obj.version_id}


def object_info(key: str, reply: Response, *, md5_tags: bool = True, version_id: str | None = None) -> ObjectInfo:
    """The object described by the reply to a HEAD.

    Args:
        key: Key of the object.
        reply: The reply.
        md5_tags: As for `object_checksums`.
        version_id: The version that was requested; None: the current one.

    Raises:
        UnsupportedOperation: The reply is about another version: the service ignores version IDs.
    """
    if version_id is not None and (reply.header("x-amz-version-id") or "null") != version_id:
        cause = f"the service has not returned version {version_id!r} of {key!r}"
        raise UnsupportedOperation(cause, hint="leave out the version ID: the bucket, or the service, has no versions")
    length = reply.header("content-length")
    tag = quoted_etag(reply.header("etag"))
    return ObjectInfo(
        key=key,
        size=int(length) if length is not None and length.isdecimal() else None,
        version=tag,
        modified=reply.time("last-modified"),
        etag=tag,
        checksums=object_checksums(reply, md5_tags=md5_tags),
        properties=from_reply(reply),
        composite=has_composite_checksum(reply),
        version_id=version_id,
    )
