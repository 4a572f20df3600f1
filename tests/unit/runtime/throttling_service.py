"""Simulates a service that allows so many requests per second, or connections, and a client with a `HostPace`."""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from sealift.runtime.host_pace import HostPace


class _Host:
    """A name of the service, with the requests that wait for a connection, that have one, and that are sent."""

    def __init__(self, pace: HostPace) -> None:
        self.pace = pace
        self.connected = 0
        self.sent = 0
        self.waiting: deque[_Request] = deque()
        pace.running = lambda: self.sent
        pace._sleep = _Sleep


@dataclass
class _Request:
    host: _Host
    refused: int = 0


@dataclass
class Simulation:
    """Requests, one after the other in each of many workers, in simulated time.

    Args:
        per_second: Requests per second that the service allows.
        burst: How many it allows at once, after a while without any.
        latency: Seconds until a reply.
        connections: How many requests the service allows at once.
        unlucky: Fraction of the requests that the service refuses for no reason.
        says_why: Whether a refusal of a connection differs from that of a request.
        retry_after: Seconds that a refusal asks to wait.
        down: Seconds in which every request is refused.
        hosts: How many host names the service has.
        workers: How many requests the client would like to send at once.
        seed: Of the jitter.

    Attributes:
        sent: How many requests were sent.
        refused: How many of them were refused.
        most_refused: How often one of them was refused.
    """

    per_second: float = 1e9
    burst: float = 1e9
    latency: float = 0.01
    connections: int = 1000
    says_why: bool = True
    unlucky: float = 0.0
    retry_after: float | None = None
    down: float = 0.0
    hosts: int = 1
    workers: int = 64
    seed: int = 0

    now: float = 0.0
    sent: int = 0
    refused: int = 0
    most_refused: int = 0
    done: int = 0
    _connected: int = 0
    _events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._numbers = itertools.count()
        self._tokens, self._filled_at = self.burst, 0.0
        self._hosts = [_Host(HostPace(32, lambda: self.now, uniform=self._random.uniform)) for _ in range(self.hosts)]

    def run(self, requests: int) -> float:
        """Send so many requests; return the seconds until the last one has succeeded."""
        self._left = requests
        for number in range(min(self.workers, requests)):
            self._next_request(self._hosts[number % len(self._hosts)])
        while self.done < requests:
            self.now, _, function, arguments = heapq.heappop(self._events)
            function(*arguments)
        return self.now

    def _at(self, time: float, function: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), function, arguments))

    def _next_request(self, host: _Host) -> None:
        if self._left:
            self._left -= 1
            self._resume(_Request(host))

    def _resume(self, request: _Request) -> None:
        self._await(request.host.pace.resumed(), lambda _: self._connect(request))

    def _await(self, coroutine: Coroutine[Any, Any, Any], then: Callable[[Any], None]) -> None:
        """Run a coroutine that sleeps in simulated time; then call a function with its result."""
        try:
            seconds = coroutine.send(None)
        except StopIteration as returned:
            then(returned.value)
        else:
            self._at(self.now + seconds, self._await, coroutine, then)

    def _connect(self, request: _Request) -> None:
        host = request.host
        if host.connected >= host.pace.level:
            host.waiting.append(request)
        else:
            host.connected += 1
            self._take_turn(request)

    def _take_turn(self, request: _Request) -> None:
        self._await(request.host.pace.turn(), lambda granted: self._send(request, granted))

    def _send(self, request: _Request, granted: bool) -> None:
        if not granted:
            self._disconnect(request.host)
            self._resume(request)
            return
        self.sent += 1
        self._connected += 1
        request.host.sent += 1
        self._tokens = min(self.burst, self._tokens + (self.now - self._filled_at) * self.per_second)
        self._filled_at = self.now
        lucky = self._random.random() >= self.unlucky and self.now >= self.down
        accepted = self._tokens >= 1 and self._connected <= self.connections and lucky
        self._tokens -= accepted
        self.refused += not accepted
        self._at(self.now + self.latency * self._random.uniform(0.8, 1.2), self._reply, request, accepted)

    def _reply(self, request: _Request, accepted: bool) -> None:
        host = request.host
        self._connected -= 1
        host.sent -= 1
        if accepted:
            host.pace.succeeded()
            self.done += 1
        self._disconnect(host)
        if accepted:
            self._next_request(host)
        else:
            request.refused += 1
            self.most_refused = max(self.most_refused, request.refused)
            wait = host.pace.throttled(self.retry_after, connections=self.connections < 1000 and self.says_why)
            self._at(self.now + wait, self._resume, request)

    def _disconnect(self, host: _Host) -> None:
        host.connected -= 1
        for _ in range(min(len(host.waiting), host.pace.level - host.connected)):
            host.connected += 1
            self._at(self.now, self._take_turn, host.waiting.popleft())


@dataclass
class _Sleep:
    seconds: float

    def __await__(self) -> Any:
        yield self.seconds
