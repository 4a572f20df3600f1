"""How many requests each host gets: at once, and per second.

All requests of an instance to one host share its `HostPace`. A host that asks for fewer requests is left alone for as
long as it asks, by all of them. Then it gets fewer at once (half of those that were running), and no more per second
than it has accepted; both grow again while nothing is refused.

Everything here runs in the event loop's thread.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from .request_rate import RequestRate

__all__ = ["DOUBLING", "HostPace", "Hosts", "uniform"]

# Requests at once to a host that has not answered yet. They double with each round trip, but not in fewer seconds.
_FIRST_LEVEL = 4
DOUBLING = 0.1
# The first level of a distant host, and the round trip in seconds from which on a host is one.
_DISTANT_LEVEL = 16
_DISTANT = 0.01
# Bounds in seconds of the pause after a refusal without Retry-After. It doubles while every request is refused.
_PAUSE = 0.1
_LONGEST_PAUSE = 20.0
# Seconds after which a request that waits for its turn looks whether a pause has begun.
_TURN_STEP = 0.1
# If a host accepts fewer requests than this between two refusals, it refuses too many.
_FEW = 40
# A number of connections that was too many is tried again after so many requests, and after twice as many each time it
# still is, up to so many.
_FIRST_TRIAL = _FEW
_LAST_TRIAL = 16 * _FEW
# A host may refuse some requests whatever their rate. So many refusals that the rate does not explain are a reason to
# try any rate, if so many requests were accepted for each of them; and so many refusals show that this was wrong. It is
# tried again after four times as many reasons.
_REASONS = 8
_ACCEPTED_PER_REASON = 1.5
_REFUSALS_AT_ANY_RATE = 10
_MORE_REASONS = 4
# Once its rate is right, a host that limits it refuses nothing for so many seconds, and none of so many requests. A
# refusal that comes later is worth several that do not.
_EXPLAINED_AFTER = 1.0
_EXPLAINED_ACCEPTED = 10
_EXPLAINED_COUNTS = 3


def uniform(low: float, high: float) -> float:
    """A random number between two bounds."""
    import random  # noqa: PLC0415 - most transfers retry nothing

    return random.uniform(low, high)  # noqa: S311 - not for cryptography


class HostPace:
    """The pace of requests to one host.

    Args:
        most: Maximum number of requests at once.
        clock: Returns the time in seconds.
        sleep: Waits for a number of seconds.
        uniform: Returns a random number between two bounds.

    Attributes:
        limited: Requests wait with `resumed` and `turn`.
        last_success: Time of the last reply that was no failure.
        pauses: How often all requests were paused.
        last_pause: Time at which the last pause began.
        running: Returns how many requests have been sent and not been answered.
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = uniform,
    ) -> None:
        self.limited = False
        self.last_success = -math.inf
        self.pauses = 0
        self.last_pause = -math.inf
        self.running: Callable[[], int] = lambda: 0
        self._most = most
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform
        self._level: float = min(_FIRST_LEVEL, most)
        self._doubling_until: float = most  # beyond, they grow by one with each round trip
        self._ceiling: float = self._level  # until the next doubling
        self._allowed: float = math.inf  # connections, as far as is known
        self._trial = _FIRST_TRIAL  # requests until more connections are tried
        self._next_doubling: float | None = None  # before the first success
        self._paused_until = -math.inf
        self._vain = 0  # pauses since the last success
        self._earlier = 0  # requests that were sent before the last pause and are not answered yet
        self._rate: RequestRate | None = None
        self._accepted = 0  # since the last pause
        self._unexplained: list[int] = []  # accepted before each refusal that the rate does not explain
        self._reasons = _REASONS  # how many of those are needed
        self._at_any_rate = False  # the host refuses some requests at any rate

    @property
    def level(self) -> int:
        """How many requests may run at once."""
        return int(self._level)

    @property
    def paused(self) -> bool:
        """Whether no request may be sent now."""
        return self.limited and self._clock() < self._paused_until

    async def resumed(self) -> None:
        """Wait for the end of a pause."""
        while self.paused:
            await self._sleep(self._paused_until - self._clock())

    async def turn(self) -> bool:
        """Wait until the next request may be sent.

        A request waits for its turn last, when it could be sent at once: turns that are saved up would be a burst.

        Returns:
            Whether it may. False: a pause has begun.
        """
        if self._rate is not None:
            pauses = self.pauses
            at = self._rate.reserve(self._clock())
            while (left := at - self._clock()) > 0 and self.pauses == pauses:
                await self._sleep(min(left, _TURN_STEP))
            return self.pauses == pauses and not self.paused
        return not self.paused

    def connected(self, round_trip: float) -> None:
        """Record the round trip of a new connection, in seconds."""
        if round_trip >= _DISTANT and self._doubling_until == self._most:
            self._level = self._ceiling = max(self._level, min(_DISTANT_LEVEL, self._most))

    def waited(self) -> bool:
        """Record that requests have waited for `DOUBLING` seconds because others are running.

        Bodies that take long, or stall, must not hold up all other requests to a host that refuses none.

        Returns:
            Whether more requests may run now.
        """
        before = self.level
        if not self.limited:
            self._level = self._ceiling = max(self._level, min(self._doubling_until, 2 * self._level))
        return self.level > before

    def succeeded(self, requests: int = 1) -> None:
        """Record requests that the host has answered, and not with a failure."""
        now = self.last_success = self._clock()
        self._vain = 0
        self._accepted += requests
        self._earlier = max(0, self._earlier - requests)
        if self.paused:  # they were sent before the pause
            return
        if self._level < self._most:
            self._grow(requests, now)
        if self._rate is not None:
            self._rate.accepted(requests)
            if self._rate.is_lifted(now):
                self._rate = None
        if self._rate is None and self.limited:
            self.limited = False

    def _grow(self, requests: int, now: float) -> None:
        if self._level >= self._doubling_until:
            if self._accepted >= self._trial:
                self._allowed = math.inf
            self._level = min(self._most, max(self._level, self._allowed), self._level + requests / self._level)
            return
        if self._next_doubling is None:
            self._next_doubling = now + DOUBLING
        elif now >= self._next_doubling:
            self._ceiling, self._next_doubling = 2 * self._level, now + DOUBLING
        self._level = min(self._ceiling, self._doubling_until, self._level + requests)

    def throttled(self, asked: float | None = None, *, connections: bool = False) -> float:
        """Record that the host has asked for fewer requests, and pause all of them.

        Args:
            asked: Seconds that it asks to wait.
            connections: Whether there are too many connections; requests per second are not limited then.

        Returns:
            Seconds until requests may be sent again.
        """
        now = self._clock()
        until = now if asked is None else now + asked + self._uniform(0, _PAUSE)
        self._earlier = min(self._earlier, self.running() + 1)
        if self.paused or self._earlier:  # this request was sent before the pause
            self._earlier = max(0, self._earlier - 1)
        else:
            self._earlier = self.running()
            bound = min(_LONGEST_PAUSE, _PAUSE * 2 ** min(self._vain, 10))
            if self._rate is not None or self._at_any_rate:  # the share of refusals is known
                bound *= min(1.0, _FEW / max(self._accepted, 1))
            until = max(until, now + self._uniform(bound / 2, bound))
            self._vain += 1
            self.pauses += 1
            self.last_pause = now
            self._slow_down(now, asked=asked is not None, connections=connections)
        if until > self._paused_until:
            self._paused_until = until
            if self._rate is not None:
                self._rate.resume(now, until)
        self.limited = True
        return max(0.0, self._paused_until - now)

    def _slow_down(self, now: float, *, asked: bool, connections: bool) -> None:
        few = asked or self._accepted < _FEW
        others = max(1, min(self.level - 1, self.running()))  # that the host has not refused
        if connections and self._accepted >= self._trial:
            self._level = self._ceiling = self._doubling_until = self._allowed = others
            self._trial = min(2 * self._trial, _LAST_TRIAL)
        elif connections or few or self._rate is None:
            self._doubling_until = max(1, others // 2)
            self._level = self._ceiling = 1.0
            self._next_doubling = None
            self._allowed = others if connections else math.inf
            self._trial = _FIRST_TRIAL
        if not connections:
            self._doubt_rate(since_pause=now - self._paused_until)
            if self._at_any_rate:
                self._rate = None
            elif self._rate is None:
                self._rate = RequestRate(now)
            elif few:
                self._rate.refused(now)
            else:
                self._rate.rarely_refused(now)
        self._accepted = 0

    def _doubt_rate(self, since_pause: float) -> None:
        """Decide whether the host refuses some requests for another reason than their rate.

        If it does, the rate would fall and fall: what it accepts between two refusals is less than what it was sent.
        """
        if self._at_any_rate:
            self._unexplained.append(self._accepted)
            recent = self._unexplained = self._unexplained[-_REFUSALS_AT_ANY_RATE:]
            if len(recent) == _REFUSALS_AT_ANY_RATE and sum(recent) < len(recent):
                self._at_any_rate, self._unexplained = False, []
                self._reasons *= _MORE_REASONS
            return
        if since_pause > _EXPLAINED_AFTER and self._accepted > _EXPLAINED_ACCEPTED:
            del self._unexplained[-_EXPLAINED_COUNTS:]
            return
        self._unexplained.append(self._accepted)
        reasons = self._unexplained = self._unexplained[-self._reasons :]
        if len(reasons) == self._reasons and sum(reasons) >= _ACCEPTED_PER_REASON * len(reasons):
            self._at_any_rate, self._unexplained = True, []


class Hosts:
    """The hosts that an instance sends requests to.

    Args:
        most: Maximum number of requests at once to each.
        clock: As for `HostPace`.
        sleep: As for `HostPace`.
        uniform: As for `HostPace`.
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = uniform,
    ) -> None:
        self._most = most
        self._timing = clock, sleep, uniform
        self._paces: dict[str, HostPace] = {}

    def of(self, host: str) -> HostPace:
        """The pace of a host.

        Args:
            host: Its name and port.
        """
        if host not in self._paces:
            self._paces[host] = HostPace(self._most, *self._timing)
        return self._paces[host]
