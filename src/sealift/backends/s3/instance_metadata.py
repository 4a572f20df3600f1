"""Ask the EC2 instance metadata service for credentials. Imports the SDK (0.4 s).

It may not answer for a moment, for example while an instance starts or while a proxy for pods is replaced. The SDK asks
once; this client asks for some seconds. Where nothing says that there is such a service, it gives up sooner.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from aiobotocore.utils import AioInstanceMetadataFetcher

__all__ = ["InstanceMetadata"]

# Seconds during which the service is asked again: where there must be one, and elsewhere.
_PATIENCE = 10.0
_SHORT_PATIENCE = 2.0
_INTERVAL = 0.3
# Statuses of a service that is starting or busy.
_BUSY = {429, 500, 502, 503, 504}


class InstanceMetadata(AioInstanceMetadataFetcher):  # type: ignore[misc]
    """The SDK's client of the metadata service, with more patience.

    Args:
        expected: Whether there must be such a service: this is an EC2 instance, or the configuration names the service.
        patience: Seconds that a host is waited for.
        options: As for the SDK's client.

    Attributes:
        unanswered: Whether the service did not answer, or was busy, when it was last asked.
    """

    def __init__(self, *, expected: bool, patience: float, **options: Any) -> None:
        super().__init__(**options)
        self._patience = min(patience, _PATIENCE if expected else _SHORT_PATIENCE)
        self.unanswered = False

    async def retrieve_iam_role_credentials(self) -> Any:
        """Return the credentials; {}: the service has none, or does not answer."""
        now = asyncio.get_running_loop().time
        end = now() + self._patience
        while True:
            self.unanswered = False
            found = await super().retrieve_iam_role_credentials()
            if found or not self.unanswered or now() >= end:
                return found
            await asyncio.sleep(_INTERVAL)

    async def _get_request(
        self, url_path: str, retry_func: Callable[[Any], Any] | None, token: str | None = None
    ) -> Any:
        check: Callable[[Any], bool | Awaitable[bool]] = retry_func or self._default_retry
        self.unanswered = True

        async def received(response: Any) -> bool:
            self.unanswered = response.status_code in _BUSY
            unusable = check(response)
            return await unusable if inspect.isawaitable(unusable) else bool(unusable)

        return await super()._get_request(url_path, received, token)
