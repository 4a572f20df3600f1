"""Presigned URLs: the signature is in the query, so that a client without credentials can send one kind of request.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from datetime import UTC, datetime

from ...errors import InvalidConfig, UnsupportedOperation
from .access import BucketAccess
from .bucket import Bucket
from .signature import UNSIGNED_PAYLOAD, Credentials, SigningKey, quote_key, quote_query

__all__ = ["presign", "presigned_url"]

# The maximum of the service: a week.
_MOST_SECONDS = 604_800


async def presign(bucket: Bucket, key: str, method: str, seconds: int) -> str:
    """Sign a URL; see `Backend.presign`.

    Raises:
        InvalidConfig: There are no credentials, or the URL would be valid for more than a week.
        UnsupportedOperation: The bucket needs signatures for several regions.
    """
    if seconds > _MOST_SECONDS:
        raise InvalidConfig(f"expires_in={seconds} is more than S3 allows", hint=f"at most {_MOST_SECONDS} s, a week")
    access, credentials = await bucket.located()
    if credentials is None:
        raise InvalidConfig("a URL cannot be signed without credentials", hint="pass S3Config with credentials")
    if access.scheme == "sigv4a":
        hint = "use the access point or the bucket of one region"
        raise UnsupportedOperation("URLs of multi-Region access points cannot be signed", hint=hint)
    return presigned_url(access, credentials, key, method, seconds, datetime.now(UTC))


def presigned_url(
    access: BucketAccess, credentials: Credentials, key: str, method: str, seconds: int, now: datetime
) -> str:
    """The URL of an object with a signature in its query.

    Args:
        access: Address of the bucket, and the scope of the signature.
        credentials: Credentials to sign with. The URL becomes invalid when they expire.
        key: Key of the object.
        method: HTTP method that the URL is for.
        seconds: How long the URL is valid.
        now: Current time in UTC.
    """
    signing, origin = SigningKey(credentials, access.region, access.service, now), access.origin
    path, query = f"{access.path}/{quote_key(key)}", quote_query(signing.parameters("host", seconds))
    signature = signing.signature(f"{method}\n{path}\n{query}\nhost:{origin.netloc}\n\nhost\n{UNSIGNED_PAYLOAD}")
    return f"{origin.scheme}://{origin.netloc}{path}?{query}&X-Amz-Signature={signature}"
