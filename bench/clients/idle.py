"""An interpreter that is ready to download from S3 and does not: the memory to compare peak memory with."""

import aiobotocore.session

import sealift
import sealift.backends.s3

__all__ = ["aiobotocore", "sealift"]
