"""Which upload a reply to CreateMultipartUpload is about, also if the reply cannot be parsed.

Parts of an upload that nobody knows are charged for until somebody finds it.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
"""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from ...errors import ServiceError, StorageError
from ...wire import Response
from . import xml
from .bucket import Bucket

__all__ = ["begun_upload"]

_ID = re.compile(rb"<UploadId>([A-Za-z0-9._~/+=-]{1,1024})</UploadId>")
# Between the time of the reply and the start of the upload in a listing.
_TOLERANCE = timedelta(seconds=5)


async def begun_upload(bucket: Bucket, key: str, reply: Response) -> str:
    """Return the ID of the upload that was begun.

    Args:
        bucket: The bucket.
        key: Key of the object.
        reply: The reply to CreateMultipartUpload, with status 200.

    Raises:
        ServiceError: The reply does not contain the ID. The upload is aborted, if it is the only one for this key that
            has just begun.
    """
    try:
        return bucket.required_field(reply, "UploadId")
    except ServiceError:
        root = xml.parse(reply)
        # The rest of the reply, such as the key that it repeats, may not be XML.
        if root is None and (found := _ID.search(reply.body)):
            return found[1].decode()
        if root is None or xml.local_name(root) != "Error":
            with suppress(StorageError):  # the reply that cannot be parsed is what the user has to know
                await _abort_latest(bucket, key, reply)
        raise


async def _abort_latest(bucket: Bucket, key: str, reply: Response) -> None:
    """Abort the upload that a reply was about: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html"""
    listing = await bucket.send("GET", None, query={"uploads": "", "prefix": key})
    root = xml.parse(listing) if listing.status == 200 else None
    uploads = [xml.children(each) for each in root or () if xml.local_name(each) == "Upload"]
    date = reply.time("date") or datetime.now(UTC)
    latest = [
        upload["UploadId"]
        for upload in uploads
        if upload.get("Key") == key and upload.get("UploadId") and _is_near(date, upload.get("Initiated", ""))
    ]
    if len(latest) == 1:  # otherwise one of them may be that of another program
        await bucket.send("DELETE", key, query={"uploadId": latest[0]})


def _is_near(date: datetime, text: str) -> bool:
    try:
        initiated = datetime.fromisoformat(text)
    except ValueError:
        return False
    return initiated.tzinfo is not None and abs(date - initiated) <= _TOLERANCE
