"""The one retry loop.

What may be tried again is the backend's verdict (`StorageError.retryable`). How often is bounded twice: by attempts per
request, and by a budget per instance, so that an outage does not multiply the load on the service. Delays grow
exponentially with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio

from ..errors import StorageError

__all__ = ["Retry", "RetryBudget"]

T = TypeVar("T")

_ATTEMPTS = 5
_LONGEST_ASKED = 120.0  # seconds; a service that asks for more is told of as an error


class RetryBudget:
    """How many retries an instance may still make: a bucket of tokens that successes refill slowly.

    Args:
        capacity: Tokens when full.
        cost: Tokens of one retry.
        refund: Tokens that a success gives back.
    """

    def __init__(self, capacity: float = 500, cost: float = 5, refund: float = 1) -> None:
        self._capacity = capacity
        self._cost = cost
        self._refund = refund
        self._tokens = capacity

    def take(self) -> bool:
        """Whether one more retry is allowed now."""
        if self._tokens < self._cost:
            return False
        self._tokens -= self._cost
        return True

    def succeeded(self) -> None:
        """A request went well."""
        if self._tokens < self._capacity:
            self._tokens = min(self._capacity, self._tokens + self._refund)


@dataclass(frozen=True)
class Retry:
    """Calls a function until it succeeds, fails for good, or the patience ends.

    Args:
        budget: Shared by all requests of an instance.
        attempts: Calls of one function at most, the first included. None: what the error says, else 5.
        base: Upper bound of the first delay in seconds; it doubles with each further one.
        longest: Upper bound of any delay in seconds, but for one that the service asks for.
        sleep: Waits some seconds.
        uniform: Draws a number from between two.

    Example:
        >>> async def fetch(retry: Retry) -> bytes:
        ...     return await retry(lambda: read_part(3))
    """

    budget: RetryBudget
    attempts: int | None = None
    base: float = 0.2
    longest: float = 20.0
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    uniform: Callable[[float, float], float] = random.uniform

    async def __call__(
        self,
        function: Callable[[], Awaitable[T]],
        *,
        on_retry: Callable[[StorageError, float], None] | None = None,
    ) -> T:
        """Call `function` until it succeeds.

        Args:
            function: Must be safe to call again.
            on_retry: Told of each failure that is followed by another attempt, and of the delay in seconds.

        Raises:
            StorageError: The last failure; a note says how often it was tried.
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
        """Seconds until the next attempt; None: there is none."""
        if not error.retryable:
            return None
        if attempt >= (self.attempts or error.attempts or _ATTEMPTS):
            reason = f"given up after {attempt} attempts"
        elif (error.retry_after or 0) > _LONGEST_ASKED:
            reason = f"given up: the service asks to wait {error.retry_after:.0f} s"
        elif not self.budget.take():
            reason = f"given up after {attempt} attempts: too many requests fail at the moment"
        else:
            jitter = self.uniform(0, min(self.longest, self.base * 2 ** (attempt - 1)))
            return max(jitter, error.retry_after or 0)
        error.add_note(reason)
        return None
