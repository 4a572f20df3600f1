"""What the connection pool knows about one host."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from ..runtime.host_pace import HostPace
from .message import TLS, Origin

__all__ = ["Dial", "Host", "Pooled", "Waiter"]


class Pooled(Protocol):
    """A connection, of this process or of a worker process; see `Connection`."""

    origin: Origin
    tls: TLS
    reusable: bool
    idle_since: float

    @property
    def round_trip(self) -> float: ...
    def interrupt(self, reason: BaseException) -> None: ...
    def close(self) -> None: ...
    def is_still_idle(self) -> bool: ...


Dial = Callable[[Origin, TLS], Awaitable[Pooled]]


class Waiter:
    """A request waiting for a connection. Granted: an idle connection, or a slot to open a new one (None)."""

    __slots__ = ("dial", "granted", "number", "tls")

    def __init__(self, dial: Dial, tls: TLS, number: int, granted: asyncio.Future[Pooled | None]) -> None:
        self.dial = dial
        self.tls = tls
        self.number = number
        self.granted = granted


class Host:
    """Connections to one origin, and the requests waiting for one."""

    __slots__ = ("idle", "open", "pace", "timer", "used", "waiting")

    def __init__(self, pace: HostPace) -> None:
        self.pace = pace
        pace.running = lambda: self.used
        self.open = 0  # idle, busy, opening and closing
        self.used = 0  # handed out by `Pool.acquire`, and not released yet
        self.idle: list[Pooled] = []  # longest idle first
        self.waiting: deque[Waiter] = deque()
        self.timer: asyncio.TimerHandle | None = None  # runs while requests wait

    @property
    def busy(self) -> int:
        return self.open - len(self.idle)
