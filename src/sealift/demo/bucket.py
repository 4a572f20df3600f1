"""Create a bucket with aiobotocore: sealift itself does not create buckets."""

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from ..config import S3Config

__all__ = ["create_bucket"]


async def create_bucket(name: str, config: S3Config) -> None:
    """Create an empty bucket."""
    async with AioSession().create_client(
        "s3",
        endpoint_url=config.endpoint_url,
        region_name=config.region,
        aws_access_key_id=config.access_key_id,
        aws_secret_access_key=config.secret_access_key,
        config=AioConfig(s3={"addressing_style": "path"}),
    ) as client:
        await client.create_bucket(Bucket=name)
