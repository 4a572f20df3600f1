"""The retry loop.

The backend decides which failures are transient (`StorageError.retryable`) and which ask for fewer requests
(`StorageError.throttled`). A request is repeated until nothing from its host has succeeded for `patience` seconds. So a
host that is down is waited for, also at the first request, and one that is slow is not given up. A host that asks for
fewer requests pauses all of them (`host_pace.py`). A quota that is used up is waited for until the service renews it.
Other failures delay only the request that failed, exponentially with full jitter:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import IntegrityError, StorageError
from ..frozen_dataclass import dataclass
from ..types import Event, Limits, OnEvent
from .host_pace import HostPace, Hosts, uniform
from .observers import retrying
from .request_record import resending

__all__ = ["Retry"]

T = TypeVar("T")

# How often a request is tried if waiting would hardly help: the bytes are damaged, or no host is known to be at fault.
_ATTEMPTS = 5
# How often a request may fail while others to the same host succeed.
_FAILURES_AMONG_SUCCESSES = 20
# How often it may be refused, if that takes longer than `patience`: a host that limits requests refuses any of them now
# and then.
_REFUSALS_AMONG_SUCCESSES = 200
# A quota that is renewed within so many seconds is waited for, whatever `patience` says; the windows of Hugging Face's
# Hub have this length.
_QUOTA_WINDOW = 300.0


class _Request:
    """The attempts of one request."""

    __slots__ = ("_failures", "_last_failure", "_refusals", "attempt", "began", "started")

    def __init__(self, now: float) -> None:
        self.attempt = 1
        self.started = self.began = self._last_failure = now
        self._failures = self._refusals = 0  # while others succeeded

    def failed(self, now: float, pace: HostPace | None, *, throttled: bool) -> None:
        if pace is not None and pace.last_success > self._last_failure:
            self._refusals += throttled
            self._failures += not throttled
        self._last_failure = now

    def is_alone(self, now: float, patience: float) -> bool:
        """Whether the host serves other requests, but not this one."""
        refused = self._refusals >= _REFUSALS_AMONG_SUCCESSES and now >= self.started + patience
        return refused or self._failures >= _FAILURES_AMONG_SUCCESSES


@dataclass(frozen=True, slots=True)
class Retry:
    """Calls a function until it succeeds, fails permanently, or nothing has succeeded for too long.

    Args:
        hosts: The hosts of the instance.
        limits: `attempts`, `patience`, `backoff_initial` and `backoff_max` apply.
        deadline: Clock time at which the caller cancels; a service that asks to wait longer is not waited for, unless
            a quota is used up. None: it may ask to wait until `patience` ends.
        on_event: Called with an event of the kind "retry" before each wait, unless the call has an `on_retry`, and with
            one of the kind "paused" if a request has paused all requests to its host.
        clock: Returns the time in seconds.
        sleep: Waits for a number of seconds.
        uniform: Returns a random number between two bounds.

    Example:
        >>> async def fetch(retry: Retry) -> bytes:
        ...     return await retry(lambda: read_part(3))
    """

    hosts: Hosts
    limits: Limits = Limits()
    deadline: float | None = None
    on_event: OnEvent | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = uniform

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
            StorageError: The last failure; its text says how often it was tried, and for how long.
        """
        request = _Request(self.clock())
        while True:
            try:
                if request.attempt == 1:
                    return await function()
                with resending(request.attempt - 1):
                    return await function()
            except StorageError as error:
                delay = self._delay(error, request)
                if delay is None:
                    raise
                retrying(error, delay)
                if on_retry is not None:
                    on_retry(error, delay)
                elif self.on_event is not None:
                    self.on_event(Event("retry", "", error=error, delay=delay))
            await self.sleep(delay)
            request.attempt += 1
            request.began = self.clock()

    def _delay(self, error: StorageError, request: _Request) -> float | None:
        """Seconds until the next attempt; None: do not retry."""
        pace = None if error.host is None else self.hosts.of(error.host)
        limited = pace is not None and _is_connection_limit(error, pace, request.began)
        if error.given_up or not (error.retryable or limited):
            return None
        throttled = error.throttled or limited
        now, asked = self.clock(), error.retry_after or 0.0
        request.failed(now, pace, throttled=throttled)
        ends = self.limits.patience + (request.started if pace is None else max(request.started, pace.last_success))
        latest = self.deadline if asked and self.deadline is not None else ends
        wait = self._wait(error, request, pace if throttled else None)
        if _is_renewed_soon(error) and request.attempt < (self.limits.attempts or _ATTEMPTS):
            request.started = now + asked  # patience begins when the quota is renewed
            return max(wait, asked)
        if asked and now + asked > latest:
            error.given_up = f"given up, because the service asks to wait {_seconds(asked)}"
        elif (
            now >= latest
            or request.attempt >= self._most_attempts(error, limited=limited)
            or request.is_alone(now, self.limits.patience)
        ):
            if request.attempt > 1:
                error.given_up = f"given up after {request.attempt} attempts in {_seconds(now - request.started)}"
        else:
            return max(wait, asked) if asked else min(wait, latest - now)
        return None

    def _wait(self, error: StorageError, request: _Request, pace: HostPace | None) -> float:
        """Seconds to wait, if the service has not asked for more; pauses the host if it asks for fewer requests."""
        if pace is None:
            bound = self.limits.backoff_initial * 2 ** min(request.attempt - 1, 30)
            return self.uniform(0, min(self.limits.backoff_max, bound))
        pauses = pace.pauses
        longest = _QUOTA_WINDOW if _is_renewed_soon(error) else self.limits.patience
        asked = None if error.retry_after is None else min(error.retry_after, longest)
        wait = pace.throttled(asked, connections=error.status in {None, 403})
        if pace.pauses > pauses:
            retrying(error, wait, paused=True)
            if self.on_event is not None:
                self.on_event(Event("paused", "", error=error, delay=wait))
        return wait

    def _most_attempts(self, error: StorageError, *, limited: bool) -> float:
        most = self.limits.attempts or error.attempts
        if most is not None:
            return most
        return _ATTEMPTS if limited or error.host is None or isinstance(error, IntegrityError) else math.inf


def _is_renewed_soon(error: StorageError) -> bool:
    """Whether a quota is used up that is worth waiting for."""
    return error.quota_used_up and (error.retry_after or 0.0) <= _QUOTA_WINDOW


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def _is_connection_limit(error: StorageError, pace: HostPace, began: float) -> bool:
    """Whether a host denies access perhaps only because it has too many connections from this address.

    Args:
        error: The error.
        pace: The pace of the host.
        began: When the attempt began. Another refusal since then may have ended what ran beside it.
    """
    if error.status != 403 or error.code is not None or pace.last_success == -math.inf:
        return False
    return pace.last_pause >= began or (pace.level > 1 and pace.running() > 0)
