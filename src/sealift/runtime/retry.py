"""The retry loop.

The backend decides which failures are transient (`StorageError.retryable`). Retries are limited twice: by attempts per
request, and by a budget per instance, so that an outage does not multiply the load on the service. Delays grow
exponentially with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import StorageError
from ..frozen_dataclass import dataclass

__all__ = ["Retry", "RetryBudget"]

T = TypeVar("T")

_ATTEMPTS = 5
_MAX_RETRY_AFTER = 120.0  # seconds; if a service asks for a longer delay, the request fails


class RetryBudget:
    """Limits the retries of an instance: a token bucket that successful requests refill slowly.

    Args:
        capacity: Tokens in the full bucket.
        cost: Tokens that one retry takes.
        refund: Tokens that one success returns.
    """

    def __init__(self, capacity: float = 500, cost: float = 5, refund: float = 1) -> None:
        self._capacity = capacity
        self._cost = cost
        self._refund = refund
        self._tokens = capacity

    def take(self) -> bool:
        """Take the tokens of one retry; returns whether there were enough."""
        if self._tokens < self._cost:
            return False
        self._tokens -= self._cost
        return True

    def succeeded(self) -> None:
        """Return tokens after a successful request."""
        if self._tokens < self._capacity:
            self._tokens = min(self._capacity, self._tokens + self._refund)


def _uniform(low: float, high: float) -> float:
    import random  # noqa: PLC0415 - most transfers retry nothing

    return random.uniform(low, high)  # noqa: S311 - not for cryptography


@dataclass(frozen=True, slots=True)
class Retry:
    """Calls a function until it succeeds, fails permanently, or no retry is left.

    Args:
        budget: The retry budget that all requests of an instance share.
        attempts: Maximum number of calls, including the first. None: `StorageError.attempts`, or 5.
        base: Upper bound of the first delay in seconds; doubles with each retry.
        longest: Upper bound of any delay in seconds, except one that the service asks for.
        sleep: Waits for a number of seconds.
        uniform: Returns a random number between two bounds.

    Example:
        >>> async def fetch(retry: Retry) -> bytes:
        ...     return await retry(lambda: read_part(3))
    """

    budget: RetryBudget
    attempts: int | None = None
    base: float = 0.2
    longest: float = 20.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = _uniform

    async def __call__(
        self,
        function: Callable[[], Awaitable[T]],
        *,
        on_retry: Callable[[StorageError, float], None] | None = None,
    ) -> T:
        """Call `function` until it succeeds.

        Args:
            function: The function; must be safe to call again.
            on_retry: Called before each retry with the failure and the delay in seconds.

        Raises:
            StorageError: The last failure; a note gives the number of attempts.
        """
        attempt = 1
        while True:
            try:
                result = await function()
            except StorageError as error:
                delay = self._delay(error, attempt)
                if delay is None:
                    raise
                if on_retry is not None:
                    on_retry(error, delay)
            else:
                self.budget.succeeded()
                return result
            await self.sleep(delay)
            attempt += 1

    def _delay(self, error: StorageError, attempt: int) -> float | None:
        """Seconds until the next attempt; None: do not retry."""
        if not error.retryable:
            return None
        if attempt >= (self.attempts or error.attempts or _ATTEMPTS):
            reason = f"given up after {attempt} attempts"
        elif (error.retry_after or 0) > _MAX_RETRY_AFTER:
            reason = f"given up: the service asks to wait {error.retry_after:.0f} s"
        elif not self.budget.take():
            reason = f"given up after {attempt} attempts: too many requests are failing"
        else:
            jitter = self.uniform(0, min(self.longest, self.base * 2 ** (attempt - 1)))
            return max(jitter, error.retry_after or 0)
        error.add_note(reason)
        return None
