"""The retry loop, with a fake clock and fake random numbers."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from sealift.errors import AccessDenied, IntegrityError, ServiceError, StorageError, TransportError
from sealift.runtime.host_pace import HostPace, Hosts
from sealift.runtime.retry import Retry
from sealift.types import Event, Limits

from .timing import Time

pytestmark = pytest.mark.anyio

HOST = "s3.test:443"


@dataclass
class Script:
    """Raises the given errors, then succeeds; each call takes some seconds."""

    failures: list[StorageError] = field(default_factory=list)
    takes: float = 0.0
    time: Time = field(default_factory=Time)
    calls: int = 0

    def __post_init__(self) -> None:
        self.hosts = Hosts(32, **self.time.arguments)

    async def __call__(self) -> str:
        self.calls += 1
        self.time.now += self.takes
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    @property
    def pace(self) -> HostPace:
        return self.hosts.of(HOST)

    def retry(self, *, deadline: float | None = None, on_event: Any = None, **limits: Any) -> Retry:
        return Retry(self.hosts, Limits(**limits), deadline, on_event, **self.time.arguments)


def busy(retry_after: float | None = None, **facts: Any) -> ServiceError:
    return ServiceError("busy", **{"retryable": True, "retry_after": retry_after, "host": HOST, **facts})


def slow_down(retry_after: float | None = None) -> ServiceError:
    return busy(retry_after, throttled=True, status=503)


async def test_a_success_is_not_tried_again() -> None:
    script = Script()
    assert await script.retry()(script) == "done"
    assert (script.calls, script.time.slept) == (1, [])


async def test_transient_failures_are_tried_again() -> None:
    script = Script([busy(), busy()])
    assert await script.retry()(script) == "done"
    assert script.calls == 3
    assert len(script.time.slept) == 2


async def test_what_is_not_retryable_passes_at_once() -> None:
    script = Script([ServiceError("no", host=HOST)])
    with pytest.raises(ServiceError, match="^no$"):
        await script.retry()(script)
    assert (script.calls, script.time.slept) == (1, [])


async def test_other_exceptions_pass_at_once() -> None:
    async def broken() -> None:
        script.calls += 1
        raise ZeroDivisionError

    script = Script()
    with pytest.raises(ZeroDivisionError):
        await script.retry()(broken)
    assert script.calls == 1


class TestPatience:
    async def test_ends_so_many_seconds_after_the_first_attempt(self) -> None:
        failures: list[StorageError] = [busy() for _ in range(1000)]
        script = Script(list(failures))
        with pytest.raises(ServiceError) as caught:
            await script.retry(patience=100)(script)
        assert sum(script.time.slept) == pytest.approx(100)
        assert caught.value is failures[script.calls - 1]
        assert str(caught.value) == f"busy; given up after {script.calls} attempts in 100 s"

    async def test_begins_anew_with_each_success_of_the_host(self) -> None:
        async def fail() -> None:
            script.calls += 1
            if script.calls == 3:  # another request
                script.pace.succeeded()
            raise busy()

        script = Script()
        with pytest.raises(ServiceError):
            await script.retry(patience=10)(fail)
        assert sum(script.time.slept[2:]) == pytest.approx(10)

    async def test_is_not_prolonged_by_another_host(self) -> None:
        async def fail() -> None:
            script.hosts.of("other:80").succeeded()
            raise busy()

        script = Script()
        with pytest.raises(ServiceError):
            await script.retry(patience=10)(fail)
        assert sum(script.time.slept) == pytest.approx(10)

    async def test_counts_the_time_of_the_attempts(self) -> None:
        script = Script([busy() for _ in range(1000)], takes=30)
        with pytest.raises(ServiceError, match=r"given up after 2 attempts in 60 s"):
            await script.retry(patience=60, backoff_initial=0)(script)

    async def test_of_none_tries_once(self) -> None:
        script = Script([busy()])
        with pytest.raises(ServiceError, match="^busy$"):
            await script.retry(patience=0)(script)
        assert (script.calls, script.time.slept) == (1, [])

    async def test_has_no_end_if_it_is_infinite(self) -> None:
        script = Script([busy() for _ in range(10_000)])
        assert await script.retry(patience=float("inf"))(script) == "done"


class TestAttempts:
    @pytest.mark.parametrize(("own", "of_error", "calls"), [(None, 3, 3), (2, 3, 2), (7, 3, 7), (1, None, 1)])
    async def test_are_limited(self, own: int | None, of_error: int | None, calls: int) -> None:
        failures: list[StorageError] = [slow_down() for _ in range(10)]
        for failure in failures:
            failure.attempts = of_error
        script = Script(list(failures))
        with pytest.raises(ServiceError, match="busy") as caught:
            await script.retry(attempts=own)(script)
        assert script.calls == calls
        assert caught.value is failures[calls - 1]

    async def test_are_few_if_waiting_hardly_helps(self) -> None:
        for failure in (IntegrityError("damaged", retryable=True, host=HOST), TransportError("odd", retryable=True)):
            script = Script([failure] * 10)
            with pytest.raises(StorageError, match="given up after 5 attempts"):
                await script.retry()(script)

    async def test_are_limited_while_the_host_serves_others(self) -> None:
        async def fail() -> None:
            script.calls += 1
            script.time.now += 1
            script.pace.succeeded()
            script.time.now += 1
            raise busy()

        script = Script()
        with pytest.raises(ServiceError, match="given up after 20 attempts"):
            await script.retry()(fail)

    async def test_that_were_given_up_are_not_begun_anew(self) -> None:
        script = Script([busy() for _ in range(10)])
        retry = script.retry(attempts=3)
        with pytest.raises(ServiceError):
            await retry(lambda: retry(script))
        assert script.calls == 3


class TestDelays:
    async def test_have_full_jitter_below_a_doubling_bound(self) -> None:
        script = Script([busy() for _ in range(11)])
        with pytest.raises(ServiceError):
            await script.retry(attempts=11)(script)
        bounds = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0, 20.0]
        assert [low for low, _ in script.time.drawn[:10]] == [0] * 10
        assert [high for _, high in script.time.drawn[:10]] == pytest.approx(bounds)
        assert script.time.slept == pytest.approx(bounds)
        lucky = Script([busy(), busy()], time=Time(luck=0))
        await lucky.retry()(lucky)
        assert lucky.time.slept == [0, 0]

    async def test_are_those_of_the_limits(self) -> None:
        script = Script([busy() for _ in range(4)])
        await script.retry(backoff_initial=1, backoff_max=3)(script)
        assert script.time.slept == [1, 2, 3, 3]

    async def test_are_at_least_what_the_service_asks_for(self) -> None:
        script = Script([busy(7), busy(0.01)])
        await script.retry()(script)
        assert script.time.slept == [7, pytest.approx(0.4)]

    async def test_that_the_service_asks_for_end_with_patience(self) -> None:
        script = Script([busy(100), busy(100)])
        with pytest.raises(ServiceError, match="given up, because the service asks to wait 100 s"):
            await script.retry(patience=180)(script)
        assert script.time.slept == [100]

    async def test_that_the_service_asks_for_end_with_the_timeout_of_the_call(self) -> None:
        script = Script([busy(100), busy(100), busy(100)])
        with pytest.raises(ServiceError, match="the service asks to wait 100 s"):
            await script.retry(patience=10, deadline=1250)(script)
        assert script.time.slept == [100, 100]


def used_up(seconds: float) -> ServiceError:
    error = busy(seconds, throttled=True, status=429)
    error.quota_used_up = True
    return error


class TestQuotas:
    async def test_are_waited_for_longer_than_patience(self) -> None:
        script = Script([used_up(300), busy(), used_up(175)])
        assert await script.retry(patience=10)(script) == "done"
        assert script.time.slept == [pytest.approx(300, abs=1), pytest.approx(0.4), pytest.approx(175, abs=1)]

    async def test_are_waited_for_until_the_caller_cancels(self) -> None:
        script = Script([used_up(175)])
        assert await script.retry(deadline=1008)(script) == "done"  # in this test, nobody cancels
        assert script.time.slept == [pytest.approx(175, abs=1)]

    async def test_are_not_waited_for_if_they_are_renewed_too_late(self) -> None:
        script = Script([used_up(301)])
        with pytest.raises(ServiceError, match="given up, because the service asks to wait 301 s"):
            await script.retry()(script)
        assert script.time.slept == []

    @pytest.mark.parametrize(("attempts", "calls"), [(None, 5), (2, 2), (1, 1)])
    async def test_count_as_attempts(self, attempts: int | None, calls: int) -> None:
        script = Script([used_up(200) for _ in range(10)])
        with pytest.raises(ServiceError, match="busy"):
            await script.retry(attempts=attempts)(script)
        assert script.calls == calls

    async def test_pause_the_host(self) -> None:
        script = Script([used_up(250)])
        await script.retry(patience=10)(script)
        assert sum(script.time.slept) == pytest.approx(250, abs=1)
        assert script.pace.limited


class TestThrottling:
    async def test_pauses_the_host(self) -> None:
        script = Script([slow_down(5)])
        await script.retry()(script)
        assert script.time.slept == [pytest.approx(5.1)]
        assert script.pace.limited

    async def test_is_no_failure_while_anything_succeeds(self) -> None:
        async def fail() -> str:
            script.calls += 1
            script.pace.succeeded()
            if script.calls < 500:
                raise slow_down()
            return "done"

        script = Script()
        assert await script.retry(patience=60)(fail) == "done"

    async def test_of_one_request_only_ends_with_patience(self) -> None:
        """For example, if a service refuses what is too large for it."""

        async def fail() -> None:
            script.calls += 1
            script.pace.succeeded()
            raise slow_down()

        script = Script()
        with pytest.raises(ServiceError, match=r"given up after \d+ attempts in 60 s"):
            await script.retry(patience=60)(fail)
        assert script.calls > 200

    async def test_ends_with_patience(self) -> None:
        script = Script([slow_down() for _ in range(1000)])
        with pytest.raises(ServiceError, match="given up after"):
            await script.retry(patience=60)(script)
        assert sum(script.time.slept) == pytest.approx(60)
        assert max(script.time.slept) <= 20

    async def test_does_not_pause_the_host_longer_than_patience(self) -> None:
        script = Script([slow_down(3600)])
        with pytest.raises(ServiceError, match="asks to wait 3600 s"):
            await script.retry(patience=60)(script)
        await script.pace.resumed()
        assert script.time.slept == [pytest.approx(60.1)]

    @pytest.mark.parametrize(("others", "calls"), [(3, 5), (0, 1)])
    async def test_may_be_a_denial_if_other_requests_are_running(self, others: int, calls: int) -> None:
        async def fail() -> None:
            script.calls += 1
            script.pace.succeeded(50)
            raise AccessDenied("no", status=403, host=HOST)

        script = Script()
        script.pace.running = lambda: others
        for _ in range(50):  # many requests at once
            script.time.now += 1
            script.pace.succeeded(50)
        with pytest.raises(AccessDenied):
            await script.retry()(fail)
        assert script.calls == calls

    async def test_may_be_a_denial_that_was_sent_before_a_pause(self) -> None:
        """Of requests that are denied at once, the first one lowers the level; what ran beside them may have ended."""
        script = Script([AccessDenied("no", status=403, host=HOST)])
        script.pace.succeeded()
        script.pace.throttled(connections=True)
        assert script.pace.level == 1
        assert await script.retry()(script) == "done"

    async def test_is_no_denial_with_a_reason(self) -> None:
        script = Script([AccessDenied("no", status=403, code="AccessDenied", host=HOST)])
        script.pace.running = lambda: 3
        script.pace.succeeded()
        with pytest.raises(AccessDenied):
            await script.retry()(script)
        assert script.calls == 1


class TestEvents:
    async def test_each_retry_is_told(self) -> None:
        told: list[tuple[StorageError, float]] = []
        failures: list[StorageError] = [busy(), busy(3), ServiceError("no")]
        script = Script(list(failures))
        with pytest.raises(ServiceError, match="no"):
            await script.retry()(script, on_retry=lambda error, delay: told.append((error, delay)))
        assert told == [(failures[0], pytest.approx(0.2)), (failures[1], 3)]
        assert [delay for _, delay in told] == script.time.slept

    async def test_of_requests_that_belong_to_no_object(self) -> None:
        events: list[Event] = []
        script = Script([busy(3)])
        await script.retry(on_event=events.append)(script)
        assert [(event.kind, event.key, event.delay) for event in events] == [("retry", "", 3)]

    async def test_a_pause_is_told_once(self) -> None:
        events: list[Event] = []
        script = Script([slow_down(3)])
        retry = script.retry(on_event=events.append)
        script.pace.throttled(1)  # another request has paused the host, which now asks for more
        await retry(script)
        assert [event.kind for event in events] == ["retry"]
        script.failures = [slow_down(3)]
        await retry(script)
        assert [(event.kind, event.key, event.delay) for event in events[1:]] == [
            ("paused", "", pytest.approx(3.1)),
            ("retry", "", pytest.approx(3.1)),
        ]
