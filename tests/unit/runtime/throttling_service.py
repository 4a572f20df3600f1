"""Simulates a service that allows so many requests per second, or connections, and a client with a `HostPace`."""

import heapq
import itertools
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from sealift.runtime.host_pace import HostPace


@dataclass
class Simulation:
    """Requests, one after the other in each of many workers, in simulated time.

    Args:
        per_second: Requests per second that the service allows.
        burst: How many it allows at once, after a while without any.
        latency: Seconds until a reply.
        connections: How many requests the service allows at once.
        unlucky: Fraction of the requests that the service refuses for no reason.
        retry_after: Seconds that a refusal asks to wait.
        workers: How many requests the client would like to send at once.
        seed: Of the jitter.
    """

    per_second: float = 1e9
    burst: float = 1e9
    latency: float = 0.01
    connections: int = 1000
    unlucky: float = 0.0
    retry_after: float | None = None
    workers: int = 64
    seed: int = 0

    now: float = 0.0
    sent: int = 0
    refused: int = 0
    done: int = 0
    running: int = 0
    _events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = field(default_factory=list)
    _waiting: int = 0  # for a connection

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._numbers = itertools.count()
        self._tokens, self._filled_at = self.burst, 0.0
        self.pace = HostPace(32, lambda: self.now, uniform=self._random.uniform)
        self.pace.running = lambda: self.running

    def run(self, requests: int) -> float:
        """Send so many requests; return the seconds until the last one has succeeded."""
        self._left = requests
        self.pace._sleep = _Sleep
        for _ in range(min(self.workers, requests)):
            self._next_request()
        while self.done < requests:
            self.now, _, function, arguments = heapq.heappop(self._events)
            function(*arguments)
        return self.now

    def _at(self, time: float, function: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), function, arguments))

    def _next_request(self) -> None:
        if self._left:
            self._left -= 1
            self._await(self.pace.resumed(), self._connect)

    def _await(self, coroutine: Coroutine[Any, Any, Any], then: Callable[..., None]) -> None:
        """Run a coroutine that sleeps in simulated time; then call a function with its result, if it has one."""
        try:
            seconds = coroutine.send(None)
        except StopIteration as returned:
            then(*([] if returned.value is None else [returned.value]))
        else:
            self._at(self.now + seconds, self._await, coroutine, then)

    def _connect(self) -> None:
        if self.running >= self.pace.level:
            self._waiting += 1
        else:
            self.running += 1
            self._await(self.pace.turn(), self._send)

    def _send(self, granted: bool) -> None:
        if not granted:
            self._disconnect()
            self._await(self.pace.resumed(), self._connect)
            return
        self.sent += 1
        self._tokens = min(self.burst, self._tokens + (self.now - self._filled_at) * self.per_second)
        self._filled_at = self.now
        accepted = self._tokens >= 1 and self.running <= self.connections and self._random.random() >= self.unlucky
        self._tokens -= accepted
        self.refused += not accepted
        self._at(self.now + self.latency * self._random.uniform(0.8, 1.2), self._reply, accepted)

    def _reply(self, accepted: bool) -> None:
        if accepted:
            self.pace.succeeded()
            self.done += 1
        self._disconnect()
        if accepted:
            self._next_request()
        else:
            limited = self.connections < 1000
            wait = self.pace.throttled(self.retry_after, connections=limited)
            self._at(self.now + wait, self._await, self.pace.resumed(), self._connect)

    def _disconnect(self) -> None:
        self.running -= 1
        for _ in range(self._waiting):
            if self.running < self.pace.level:
                self._waiting -= 1
                self._connect()


@dataclass
class _Sleep:
    seconds: float

    def __await__(self) -> Any:
        yield self.seconds
