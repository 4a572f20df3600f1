"""A clock that a test advances, and random numbers that it chooses."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Time:
    """Seconds pass only in `sleep`, and where a test adds some to `now`.

    Attributes:
        now: The time in seconds.
        luck: What `uniform` returns, as a fraction of the range.
        slept: The seconds of each `sleep`.
        drawn: The bounds of each `uniform`.
    """

    now: float = 1000.0
    luck: float = 1.0
    slept: list[float] = field(default_factory=list)
    drawn: list[tuple[float, float]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def uniform(self, low: float, high: float) -> float:
        self.drawn.append((low, high))
        return low + self.luck * (high - low)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `HostPace`, `Hosts` and `Retry`."""
        return {"clock": self.clock, "sleep": self.sleep, "uniform": self.uniform}
