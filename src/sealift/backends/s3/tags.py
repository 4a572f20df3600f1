"""Fetch the tags of an object; replies to HEAD and GET only contain their number.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html
"""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from ...errors import AccessDenied, ServiceError, UnsupportedOperation
from ...types import ObjectInfo
from ...wire.lenient_xml import parse_xml
from .bucket import Bucket
from .errors import explanation
from .object_info import version_query

__all__ = ["fetch_tags"]

# Statuses of services that do not implement tags.
_NOT_IMPLEMENTED = {405, 501}


async def fetch_tags(bucket: Bucket, obj: ObjectInfo) -> Mapping[str, str]:
    """Fetch the tags of an object; see `Backend.tags`."""
    reply = await bucket.send("GET", obj.key, query={"tagging": "", **version_query(obj)})
    if reply.status in _NOT_IMPLEMENTED:
        raise UnsupportedOperation("the service does not support object tags", status=reply.status)
    if reply.status != 200:
        error = bucket.error(reply, obj.key)
        if isinstance(error, AccessDenied) and reply.status == 403:
            error.cause = f"no permission to read the tags of {obj.key!r}{explanation(reply)}"
            error.hint = "allow s3:GetObjectTagging"
        raise error
    try:
        root = parse_xml(reply.body)
    except ET.ParseError as parse_error:
        raise ServiceError(f"the tags of {obj.key!r} are not XML: {parse_error}", retryable=True) from None
    return {tag.findtext("{*}Key", ""): tag.findtext("{*}Value", "") for tag in root.iterfind(".//{*}Tag")}
