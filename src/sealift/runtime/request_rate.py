"""The rate of requests that a service allows, estimated from what it accepts and refuses.

Between two refusals, a service accepts as many requests as it allows for this time: a request is refused when nothing
is left, so nothing is left at either end. The rate begins a little below this estimate, stays near it for a while, and
then grows ever faster until the service refuses a request again, as in TCP CUBIC
(https://www.rfc-editor.org/rfc/rfc9438) and in the adaptive retry mode of AWS's SDKs (botocore/retries/throttling.py).
Those multiply the rate at which the client sent by 0.7 instead, so that many requests are refused until a rate that was
far too high has come down.
"""

import math

__all__ = ["RequestRate"]

# The rate begins this fraction below the estimate.
_DIP = 0.05
# Seconds until the rate reaches the estimate: the first ones while estimates still differ by more than `_STABLE`.
_SHORTEST_CLIMB = 1.0
_LONGEST_CLIMB = 6.0
_STABLE = 0.15
# An estimate needs this many seconds of observation, and as many requests; a shorter one is continued.
_WINDOW = 2.0
_WINDOW_ACCEPTED = 10
# The requests of the shortest climb.
_CLIMB_ACCEPTED = 10
# An estimate that the rate exceeds by this factor, without a refusal, was too low.
_TOO_LOW = 1.5
# Climbs without a refusal after which the rate is no limit any more: it is 18 times the estimate.
_LIFTED = 8.0
# Seconds by which a request may be late without delaying those after it.
_SLACK = 0.1
# Pauses that a service asks for count as this many seconds at most: few allow a longer burst.
_BURST = 1.0


class RequestRate:
    """A limit on requests per second, which follows a service that refuses some.

    The first refusal begins an observation, the second one limits the rate.

    Args:
        now: The time of the first refusal, in seconds.

    Example:
        >>> rate = RequestRate(now=10.0)
        >>> rate.accepted(99)
        >>> rate.refused(now=11.0)
        >>> rate.resume(now=11.0, at=11.0)
        >>> rate.per_second(12.0)
        100.0
    """

    def __init__(self, now: float) -> None:
        self._allowed = math.inf
        self._climb = _SHORTEST_CLIMB
        self._since = self._resumed = self._next = now
        self._accepted = 0

    def per_second(self, now: float) -> float:
        """The rate at this time."""
        return self._allowed * (1 + _DIP * ((now - self._resumed) / self._climb - 1) ** 3)

    def is_lifted(self, now: float) -> bool:
        """Whether nothing was refused for so long that requests need no limit."""
        return (now - self._resumed) > _LIFTED * self._climb

    def reserve(self, earliest: float) -> float:
        """The time at which the next request may be sent.

        Args:
            earliest: Not before this time.
        """
        at = max(self._next, earliest - _SLACK)
        self._next = at + 1 / self.per_second(max(at, self._resumed))
        return max(at, earliest)

    def accepted(self, count: int) -> None:
        """Record requests that the service accepted."""
        self._accepted += count

    def refused(self, now: float) -> None:
        """Record that the service refused a request; `resume` follows."""
        elapsed = max(now - self._since, 1e-3)
        if self._accepted:
            estimate = (self._accepted + 0.5) / elapsed
            stable = math.isfinite(self._allowed) and abs(estimate - self._allowed) <= _STABLE * self._allowed
            shortest = max(_SHORTEST_CLIMB, _CLIMB_ACCEPTED / estimate)
            self._climb = max(shortest, min(1.5 * self._climb, _LONGEST_CLIMB)) if stable else shortest
            self._allowed = estimate
        if (elapsed >= _WINDOW and self._accepted >= _WINDOW_ACCEPTED) or not self._accepted:
            self._since, self._accepted = now, 0

    def rarely_refused(self, now: float) -> None:
        """Record a refusal after so many requests that it is no reason to lower the rate; `resume` follows.

        If the rate has become much higher than the estimate, that was wrong: perhaps the service refuses some requests
        at any rate, and this one does not mean that the rate is too high now.
        """
        if (rate := self.per_second(now)) > _TOO_LOW * self._allowed:
            self._allowed = rate

    def resume(self, now: float, at: float) -> None:
        """Send the next request at this time, not now; may be called again with a later one."""
        self._since += max(0.0, at - max(now + _BURST, self._resumed))
        self._resumed = self._next = at
