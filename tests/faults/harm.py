"""What a fault is, and how its seed says which exchanges it strikes."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .messages import Asked, Reply
from .proxy import Exchange

Direction = Literal["download", "upload"]
BOTH: tuple[Direction, ...] = ("download", "upload")


@dataclass(slots=True)
class Around:
    """What a fault may know of where it strikes.

    Attributes:
        dice: Seeded: decides on bytes.
        whole: The object that is read in ranges.
        expired: What the service answers to who shows something that has expired.
        swap: Replaces the object that is being read.
    """

    dice: random.Random
    whole: bytes
    expired: Callable[[Asked], Reply]
    swap: Callable[[], object] = lambda: None


Strike = Callable[[Exchange, Around], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        strike: What the proxy does to an exchange.
        where: In which directions it makes sense.
        bodies: Only exchanges that carry an object's bytes are struck.
        ranges: Only requests for a range are.
        times: How many exchanges in a row, drawn from these; 0: all from then on.
        heals: Another attempt brings the right bytes, so that an error would be one too many.
        corrupts: Only a checksum can tell.
        impatient: It is told by a stall, and the test does not want to wait for long.
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

    def concerns(self, asked: Asked, *, carries: bool) -> bool:
        """Whether a request can be struck."""
        return (carries or not self.bodies) and (asked.header("range") is not None or not self.ranges)


@dataclass(slots=True)
class Harm:
    """A fault of a kind, decided by its seed; it is the `fault` of a proxy, or of several.

    Args:
        kind: What goes wrong.
        around: Where.
        carries: Whether an exchange carries an object's bytes.
        first: The number of the first exchange to be struck, among those that can be.
        times: How many, as in `Kind`.

    Attributes:
        struck: Requests that have been.
    """

    kind: Kind
    around: Around
    carries: Callable[[Asked], bool]
    first: int
    times: int
    struck: list[Asked] = field(default_factory=list)
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> bool:
        if not self.kind.concerns(exchange.asked, carries=self.carries(exchange.asked)):
            return False
        with self._lock:
            number = self._seen
            self._seen += 1
            if number < self.first or (self.times and number >= self.first + self.times):
                return False
            self.struck.append(exchange.asked)
        self.kind.strike(exchange, self.around)
        return True
