"""Kinds of faults, and the choice of the exchanges that a fault hits."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .messages import Reply, Request
from .proxy import Exchange

Direction = Literal["download", "upload"]
BOTH: tuple[Direction, ...] = ("download", "upload")


@dataclass(slots=True)
class Context:
    """The information that a fault needs.

    Attributes:
        rng: Seeded; chooses bytes.
        whole: The object that is read in ranges.
        expired: Returns the reply of the service to expired credentials or an expired signature.
        swap: Replaces the object that is being read.
    """

    rng: random.Random
    whole: bytes
    expired: Callable[[Request], Reply]
    swap: Callable[[], object] = lambda: None


Strike = Callable[[Exchange, Context], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        strike: What the proxy does to an exchange.
        where: The directions that it applies to.
        bodies: Only hit exchanges with an object's bytes.
        ranges: Only hit requests for a range.
        times: How many consecutive exchanges to hit, chosen from these; 0: all from then on.
        heals: A retry succeeds, so an error is a violation.
        corrupts: Only a checksum can detect it.
        impatient: It causes a stall, so the test uses a short idle timeout.
        tls: Seconds that each TLS handshake takes; None: no TLS.
    """

    strike: Strike
    where: tuple[Direction, ...] = BOTH
    bodies: bool = False
    ranges: bool = False
    times: tuple[int, ...] = (1,)
    heals: bool = True
    corrupts: bool = False
    impatient: bool = False
    tls: float | None = None

    def concerns(self, request: Request, *, carries: bool) -> bool:
        """Whether the fault can hit a request."""
        return (carries or not self.bodies) and (request.header("range") is not None or not self.ranges)


@dataclass(slots=True)
class Injection:
    """One fault, decided by its seed; the `fault` of one or several proxies.

    Args:
        kind: The kind of fault.
        context: See `Context`.
        carries: Whether an exchange carries an object's bytes.
        first: The index of the first exchange to hit, among those that can be hit.
        times: How many, as in `Kind`.

    Attributes:
        struck: The requests that were hit.
    """

    kind: Kind
    context: Context
    carries: Callable[[Request], bool]
    first: int
    times: int
    struck: list[Request] = field(default_factory=list)
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> bool:
        if not self.kind.concerns(exchange.request, carries=self.carries(exchange.request)):
            return False
        with self._lock:
            number = self._seen
            self._seen += 1
            if number < self.first or (self.times and number >= self.first + self.times):
                return False
            self.struck.append(exchange.request)
        self.kind.strike(exchange, self.context)
        return True
