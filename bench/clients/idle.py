"""An idle interpreter that has imported everything for a download from S3: the baseline for peak memory."""

import aiobotocore.session

import sealift
import sealift.backends.s3

__all__ = ["aiobotocore", "sealift"]
