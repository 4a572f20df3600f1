"""The pace of requests to a host: with a fake clock, and against simulated services."""

import asyncio
import statistics

import pytest

from sealift.runtime.host_pace import HostPace, Hosts

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
        grow(pace, time)
        pace.running = lambda: 20
        pace.throttled(connections=True)
        assert pace.level == 1
        grow(pace, time, 0.6)
        assert 5 <= pace.level <= 16
        grow(pace, time, 10)
        assert pace.level == 32

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


def test_a_service_that_limits_connections() -> None:
    service = Simulation(connections=4, latency=1.0)
    assert service.run(400) < 2 * 400 / 4
    assert service.refused < 0.3 * service.sent


@pytest.mark.parametrize("latency", [0.01, 0.1])
@pytest.mark.parametrize("unlucky", [0.005, 0.02, 0.2])
def test_a_service_that_refuses_some_at_any_rate(unlucky: float, latency: float) -> None:
    """It does not become slower and slower."""
    for seed in range(3):
        service = Simulation(unlucky=unlucky, latency=latency, seed=seed)
        service.run(300)
        assert service.now < (0.1 + 4 * latency) * service.refused + 30


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
