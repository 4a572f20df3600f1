"""The pace of requests to a host: with a fake clock, and against simulated services."""

import asyncio
import statistics

import pytest

from sealift.runtime.host_pace import HostPace, Hosts
from sealift.runtime.request_rate import RequestRate

from .throttling_service import Simulation
from .timing import Time

pytestmark = pytest.mark.anyio


def pace_of(time: Time, most: int = 32) -> HostPace:
    return HostPace(most, **time.arguments)


def grow(pace: HostPace, time: Time, seconds: float = 1.0) -> None:
    for _ in range(int(seconds * 20)):
        time.now += 0.05
        pace.succeeded(pace.level)


class TestLevel:
    def test_begins_low_and_doubles_with_each_round_trip(self) -> None:
        time = Time()
        pace = pace_of(time)
        levels = [pace.level]
        for _ in range(5):
            pace.succeeded(pace.level)
            levels.append(pace.level)
            time.now += 0.1
        assert levels == [4, 4, 8, 16, 32, 32]

    def test_begins_higher_for_a_distant_host(self) -> None:
        pace = pace_of(Time())
        pace.connected(0.001)
        assert pace.level == 4
        pace.connected(0.05)
        assert pace.level == 16

    @pytest.mark.parametrize("most", [1, 2, 300])
    def test_stays_within_its_maximum(self, most: int) -> None:
        time = Time()
        pace = pace_of(time, most)
        pace.connected(0.05)
        assert pace.level == min(most, 16)
        grow(pace, time)
        assert pace.level == most

    def test_is_halved_and_found_again_step_by_step(self) -> None:
        time = Time()
        pace = pace_of(time)
        pace.connected(0.05)
        pace.running = lambda: 12
        pace.throttled(connections=True)
        assert pace.level == 1
        time.now += 0.2
        levels = []
        for _ in range(100):
            time.now += 0.05
            pace.succeeded()
            levels.append(pace.level)
        assert levels[11:17] == [6] * 6
        assert levels[-1] > 12

    def test_stays_at_what_the_host_has_accepted(self) -> None:
        """It is tried again whether there may be more connections, ever more seldom."""
        time = Time()
        pace = pace_of(time)
        grow(pace, time)
        tried = []
        for _ in range(6):
            pace.running = lambda: 20
            pace.throttled(connections=True)
            assert pace.level == 20
            time.now += 0.2
            pace.running = lambda: 0
            accepted = 0
            while pace.level == 20:
                time.now += 0.05
                pace.succeeded()
                accepted += 1
            tried.append(accepted)
        assert [round(each, -2) for each in tried] == [100, 200, 300, 700, 700, 700]

    def test_is_not_lowered_by_what_was_sent_before_a_pause(self) -> None:
        time = Time()
        pace = pace_of(time)
        pace.connected(0.05)
        pace.running = lambda: 12
        pace.throttled(connections=True)
        for left in range(11, 3, -1):  # these replies take longer than the pause
            time.now += 0.2
            pace.running = lambda left=left: left  # type: ignore[misc]
            assert pace.throttled(connections=True) == 0
        assert pace.pauses == 1
        pace.running = lambda: 0
        time.now += 1
        pace.throttled(connections=True)
        assert pace.throttled(connections=True) > 0
        assert pace.pauses == 2

    def test_stays_if_the_rate_is_the_problem(self) -> None:
        time = Time()
        pace = pace_of(time)
        pace.throttled()
        grow(pace, time)
        level = pace.level
        pace.throttled()
        assert pace.level == level > 1


class TestPause:
    async def test_delays_all_requests(self) -> None:
        time = Time()
        pace = pace_of(time)
        assert not pace.limited
        assert pace.throttled(5) == pytest.approx(5.1)
        assert pace.limited
        assert pace.paused
        await pace.resumed()
        assert time.slept == [pytest.approx(5.1)]
        assert not pace.paused

    def test_doubles_while_every_request_is_refused(self) -> None:
        time = Time()
        pace, waits = pace_of(time), []
        for _ in range(10):
            waits.append(pace.throttled())
            time.now += waits[-1]
        assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20, 20])
        pace.succeeded()
        assert pace.throttled() == pytest.approx(0.1)

    def test_is_not_prolonged_by_what_was_sent_before_it(self) -> None:
        pace = pace_of(Time())
        assert [pace.throttled() for _ in range(10)] == pytest.approx([0.1] * 10)
        assert pace.pauses == 1

    async def test_that_begins_while_a_request_waits_is_waited_for(self) -> None:
        time = Time()
        pace = pace_of(time)
        pace.throttled()
        sleep = pace._sleep

        async def meanwhile(seconds: float) -> None:
            await sleep(seconds)
            if len(time.slept) == 1:
                time.now -= 0.05
                pace.throttled(7)

        pace._sleep = meanwhile
        await pace.resumed()
        assert time.slept == [pytest.approx(0.1), pytest.approx(7.1)]

    async def test_ends_without_a_limit_if_nothing_had_been_accepted(self) -> None:
        """A service that was down has said nothing about a rate."""
        time = Time()
        pace = pace_of(time)
        for _ in range(10):
            time.now += pace.throttled()
        pace.succeeded()
        assert all([await pace.turn() for _ in range(100)])
        assert time.slept == []

    async def test_that_begins_while_a_request_waits_for_its_turn(self) -> None:
        time = Time()
        pace = pace_of(time)
        for _ in range(2):
            time.now += pace.throttled()
            pace.succeeded()
        pace.throttled()
        time.now += 1
        assert all([await pace.turn() for _ in range(5)])
        sleep = pace._sleep

        async def meanwhile(seconds: float) -> None:
            await sleep(seconds)
            pace.throttled()

        pace._sleep = meanwhile
        assert not await pace.turn()

    async def test_ends_the_wait_for_a_turn_soon(self) -> None:
        """Who waits for a turn has a connection."""
        time = Time()
        pace = pace_of(time)
        for _ in range(2):
            time.now += pace.throttled()
            pace.succeeded()
        pace.throttled()
        time.now += 1
        for _ in range(50):
            assert await pace.turn()
        sleep, time.slept = pace._sleep, []

        async def meanwhile(seconds: float) -> None:
            await sleep(seconds)
            pace.throttled()

        pace._sleep = meanwhile
        assert not await pace.turn()
        assert sum(time.slept) <= 0.1

    async def test_of_one_host_delays_no_other(self) -> None:
        time = Time()
        hosts = Hosts(32, **time.arguments)
        hosts.of("a:80").throttled(5)
        await hosts.of("b:80").resumed()
        assert time.slept == []
        assert hosts.of("a:80").paused


async def test_a_waiting_request_can_be_cancelled() -> None:
    pace = HostPace(32)
    pace.throttled(1000)
    waiting = asyncio.ensure_future(pace.resumed())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_host_that_refuses_nothing_any_more_is_not_limited() -> None:
    time = Time()
    pace = pace_of(time)
    for _ in range(2):
        pace.succeeded(10)
        time.now += pace.throttled()
    for _ in range(100):
        time.now += 1
        pace.succeeded(10)
    assert not pace.limited


@pytest.mark.parametrize("latency", [0.002, 0.02])
@pytest.mark.parametrize(
    ("per_second", "requests", "refused"), [(300, 1500, 0.05), (10, 400, 0.05), (3000, 12_000, 0.01)]
)
def test_a_service_that_limits_requests(per_second: float, requests: int, refused: float, latency: float) -> None:
    """It gets nearly as many as it allows, and few more."""
    times, refusals = [], []
    for seed in range(4):
        service = Simulation(per_second, per_second, latency, seed=seed)
        # Of what takes the longer, requests or round trips.
        ideal = max((requests - per_second) / per_second, requests * latency / 32)
        times.append(service.run(requests) / ideal)
        refusals.append(service.refused / service.sent)
    assert statistics.mean(times) < 1.1
    assert statistics.mean(refusals) < refused


def test_a_service_that_allows_no_burst() -> None:
    service = Simulation(per_second=300, burst=20)
    assert service.run(3000) < 1.5 * 3000 / 300
    assert service.refused < 0.05 * service.sent


# Fewer refusals of one request than it has attempts: an answer with 403 is tried five times.
@pytest.mark.parametrize("latency", [0.02, 1.0])
@pytest.mark.parametrize("connections", [1, 2, 4, 16])
def test_a_service_that_limits_connections(connections: int, latency: float) -> None:
    service = Simulation(connections=connections, latency=latency)
    assert service.run(100 * connections) < 1.2 * 100 * latency + 1
    assert service.refused < 0.08 * service.sent
    assert service.most_refused < 5


@pytest.mark.parametrize(
    ("service", "requests", "longest", "refused"),
    [
        pytest.param(Simulation(connections=4, latency=0.2, says_why=False), 200, 20, 0.2, id="connections, with 503"),
        pytest.param(Simulation(connections=8, latency=0.2, hosts=2), 400, 16, 0.12, id="connections, of two names"),
        pytest.param(Simulation(300, 300, hosts=2), 3000, 1.15 * 9, 0.05, id="requests, of two names"),
        pytest.param(Simulation(30, 5, hosts=2), 300, 12, 0.08, id="requests without a burst, of two names"),
        pytest.param(Simulation(2, 1), 60, 40, 0.25, id="2 requests per second"),
        pytest.param(Simulation(1, 1), 40, 50, 0.35, id="1 request per second"),
        pytest.param(Simulation(300, 300, retry_after=0.0), 3000, 1.1 * 9, 0.05, id="a date in the past"),
        pytest.param(Simulation(down=60), 600, 70, 0.1, id="down for a minute"),
        pytest.param(Simulation(300, 300, down=60), 1500, 70, 0.1, id="down for a minute, then limited"),
    ],
)
def test_an_odd_service(service: Simulation, requests: int, longest: float, refused: float) -> None:
    assert service.run(requests) < longest
    assert service.refused < refused * service.sent
    assert service.most_refused < 6


@pytest.mark.parametrize("latency", [0.01, 0.1])
@pytest.mark.parametrize("unlucky", [0.005, 0.02, 0.2])
def test_a_service_that_refuses_some_at_any_rate(unlucky: float, latency: float) -> None:
    """It does not become slower and slower."""
    for seed in range(3):
        service = Simulation(unlucky=unlucky, latency=latency, seed=seed)
        service.run(300)
        assert service.now < (0.1 + 4 * latency) * service.refused + 30


def test_a_rate_that_was_much_too_low_is_not_returned_to() -> None:
    rate = RequestRate(now=0.0)
    rate.accepted(20)
    for refused, expected in ((0.2, 100), (3.2, 100), (8.2, 420)):
        if refused == 0.2:
            rate.refused(refused)
        else:
            rate.rarely_refused(refused)
        rate.resume(refused, refused)
        assert rate.per_second(refused + 1) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("retry_after", [1.0, 10.0])
def test_a_service_that_asks_to_wait(retry_after: float) -> None:
    service = Simulation(per_second=300, burst=300, retry_after=retry_after)
    service.run(3000)
    assert service.refused < 0.05 * service.sent


def test_requests_that_wait_for_long_bodies_are_let_through() -> None:
    pace = HostPace(20)
    levels = [pace.level]
    while pace.waited():
        levels.append(pace.level)
    assert levels == [4, 8, 16, 20]


def test_requests_that_wait_for_a_host_that_refuses_some_go_on_waiting() -> None:
    pace = HostPace(20)
    pace.throttled()
    assert not pace.waited()
