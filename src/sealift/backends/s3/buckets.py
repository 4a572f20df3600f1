"""List the buckets of an account: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html"""

from dataclasses import replace

from ...config import S3Config, StorageConfig
from ...errors import InvalidConfig, ServiceError
from ...instance import Instance
from ...runtime.paging import ContinuationTokens
from ...uri import Location
from . import xml
from .access import resolve_access
from .bucket import Bucket

__all__ = ["list_buckets"]

# The endpoint of the service is that of any bucket, addressed by path, without the bucket.
_ANY = "sealift-any-bucket"


async def list_buckets(config: StorageConfig | None, instance: Instance) -> list[str]:
    """List the names of all buckets that the caller owns.

    Raises:
        StorageError: The service refused the request.
    """
    if config is None:
        config = S3Config.from_env(instance.environ)
    if not isinstance(config, S3Config):
        raise InvalidConfig(f"{type(config).__name__} is not for s3://", hint="pass an S3Config")
    access = await resolve_access(_ANY, replace(config, addressing_style="path"), instance)
    access = replace(access, path=access.path.removesuffix(f"/{_ANY}"))
    service = Bucket(Location("s3", "*"), config, access, instance)
    names: list[str] = []
    tokens, token = ContinuationTokens("the list of buckets"), ""
    while True:
        page, token = await instance.retry(lambda: _page(service, token))  # noqa: B023 - awaited here
        names += page
        if not token:
            return names
        tokens.check(token)


async def _page(service: Bucket, token: str) -> tuple[list[str], str]:
    reply = await service.send("GET", None, query={"continuation-token": token} if token else None)
    if reply.status != 200:
        raise service.error(reply, None)
    root = xml.parse(reply)
    if root is None or xml.local_name(root) != "ListAllMyBucketsResult":
        raise ServiceError("the list of buckets is not the XML that S3 sends", status=reply.status, retryable=True)
    found = [xml.children(element) for element in root.iter() if xml.local_name(element) == "Bucket"]
    return [each["Name"] for each in found if each.get("Name")], xml.children(root).get("ContinuationToken", "")
