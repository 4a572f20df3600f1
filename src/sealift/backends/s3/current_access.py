"""The current access to a bucket, which replies change: to another region, with new credentials, or at another time."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from ...config import S3Config
from ...errors import StorageError
from ...instance import Instance
from ...wire import Response
from . import errors
from .access import BucketAccess, resolve_access

__all__ = ["CurrentAccess"]

# Seconds between two attempts to find new credentials.
_RENEWAL_INTERVAL = 1.0
# How much later or earlier a reply may arrive than it was dated.
_CLOCK_PRECISION = timedelta(minutes=1)
# Seconds to wait while another program is writing the credentials file.
_WRITE_PAUSES = (0.02, 0.1, 0.3)


class CurrentAccess:
    """How the next requests for a bucket are addressed and signed.

    Args:
        bucket: Name of the bucket, or an access point's ARN.
        config: The caller's configuration, or the one from the environment.
        access: The first access.
        instance: The instance that the bucket belongs to.

    Attributes:
        access: The access.
    """

    def __init__(self, bucket: str, config: S3Config, access: BucketAccess, instance: Instance) -> None:
        self.access = self._first = access
        self._bucket = bucket
        self._config = config
        self._instance = instance
        self._refreshing = asyncio.Lock()
        self._next_renewal = 0.0

    async def refresh(self, reply: Response, used: BucketAccess) -> bool:
        """Whether to resend a request: to the region that the reply names, with new credentials or the right time.

        Args:
            reply: The reply.
            used: The access that the request was sent with.
        """
        region = errors.bucket_region(reply)
        # A SigV4A signature is valid in several regions.
        moved = region is not None and region != used.region and used.scheme != "sigv4a"
        expired = errors.credentials_expired(reply)
        offset = errors.clock_offset(reply) if used.credentials is not None else None
        skewed = offset is not None and abs(offset - used.clock_offset) > _CLOCK_PRECISION
        if not moved and not expired and not skewed:
            return False
        async with self._refreshing:  # concurrent requests share one refresh
            if region is not None and region not in {used.region, self.access.region}:
                self.access = await self.access.at_region(region, self._bucket, self._config, self._instance)
            elif skewed and offset is not None and self.access is used:
                self.access = replace(used, clock_offset=offset)
            elif expired and self.access is used:
                self.access = await self._with_new_credentials(used)
            return self.access is not used

    async def _with_new_credentials(self, used: BucketAccess) -> BucketAccess:
        """The same access with newer credentials, or `used` itself if there are none.

        If the environment or the files now name another endpoint, role or profile, the new credentials may belong to
        another user and are not used.
        """
        if used.credentials is None or self._config.access_key_id is not None:
            return used
        now = asyncio.get_running_loop().time()
        if now < self._next_renewal:  # each renewal makes the SDK parse its files
            return used
        from .lazy_sdk import stable_variables  # noqa: PLC0415 - most credentials are accepted

        self._next_renewal = now + _RENEWAL_INTERVAL
        latest = self._instance.for_call()
        if stable_variables(latest.environ) != stable_variables(self._instance.environ):
            return used
        for pause in _WRITE_PAUSES:
            try:
                access = await resolve_access(self._bucket, self._config, latest)
                if (access.origin, access.path) != (self._first.origin, self._first.path):
                    return used
                if access.credentials is None or await access.credentials() == await used.credentials():
                    return used
                return replace(used, credentials=access.credentials)
            except StorageError:  # the file may be half written
                await asyncio.sleep(pause)
        return used  # report the service's error, not this one
