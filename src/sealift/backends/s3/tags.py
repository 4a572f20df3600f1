"""The tags of an object: replies tell only how many there are.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html
"""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from ...errors import AccessDenied, ServiceError, UnsupportedOperation
from ...types import ObjectInfo
from .bucket import Bucket

__all__ = ["tags"]

# How services say that they do not know tags.
_UNKNOWN = {405, 501}


async def tags(bucket: Bucket, obj: ObjectInfo) -> Mapping[str, str]:
    """See `Backend.tags`."""
    reply = await bucket.ask("GET", obj.key, query={"tagging": ""})
    if reply.status in _UNKNOWN:
        raise UnsupportedOperation("the service does not know the tags of objects", status=reply.status)
    if reply.status != 200:
        error = bucket.error(reply, obj.key)
        if isinstance(error, AccessDenied) and reply.status == 403:
            cause = f"no permission to read the tags of {obj.key!r}"
            raise AccessDenied(cause, hint="allow s3:GetObjectTagging", status=403, code=error.code)
        raise error
    try:
        root = ET.fromstring(reply.body.strip())  # noqa: S314 - expat bounds entity expansion since 2.4.1
    except ET.ParseError as problem:
        raise ServiceError(f"the tags of {obj.key!r} are not XML: {problem}", retryable=True) from None
    return {tag.findtext("{*}Key", ""): tag.findtext("{*}Value", "") for tag in root.iterfind(".//{*}Tag")}
