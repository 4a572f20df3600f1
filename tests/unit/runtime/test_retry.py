"""The retry loop, with a fake clock and fake random numbers."""

from dataclasses import dataclass, field

import pytest

from sealift.errors import ServiceError, StorageError
from sealift.runtime.retry import Retry, RetryBudget

pytestmark = pytest.mark.anyio


@dataclass
class Script:
    """Raises the given errors, then succeeds; records the calls and the delays."""

    failures: list[StorageError] = field(default_factory=list)
    calls: int = 0
    slept: list[float] = field(default_factory=list)
    drawn: list[tuple[float, float]] = field(default_factory=list)
    luck: float = 1.0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def uniform(self, low: float, high: float) -> float:
        self.drawn.append((low, high))
        return low + self.luck * (high - low)

    def retry(self, budget: RetryBudget | None = None, attempts: int | None = None) -> Retry:
        return Retry(budget or RetryBudget(), attempts=attempts, sleep=self.sleep, uniform=self.uniform)


def busy(retry_after: float | None = None) -> ServiceError:
    return ServiceError("busy", retryable=True, retry_after=retry_after)


def notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


async def test_a_success_is_not_tried_again() -> None:
    script = Script()
    assert await script.retry()(script) == "done"
    assert (script.calls, script.slept) == (1, [])


async def test_transient_failures_are_tried_again() -> None:
    script = Script([busy(), busy()])
    assert await script.retry()(script) == "done"
    assert script.calls == 3
    assert len(script.slept) == 2


@pytest.mark.parametrize(("own", "of_error", "calls"), [(None, None, 5), (None, 3, 3), (2, 3, 2)])
async def test_an_error_may_say_how_often(own: int | None, of_error: int | None, calls: int) -> None:
    failures = [busy() for _ in range(10)]
    for failure in failures:
        failure.attempts = of_error
    script = Script(list(failures))
    with pytest.raises(ServiceError, match="busy"):
        await script.retry(attempts=own)(script)
    assert script.calls == calls


async def test_attempts_are_bounded() -> None:
    failures = [busy() for _ in range(10)]
    script = Script(list(failures))
    with pytest.raises(ServiceError, match="busy") as caught:
        await script.retry(attempts=4)(script)
    assert script.calls == 4
    assert len(script.slept) == 3
    assert caught.value is failures[3]
    assert notes(caught.value) == ["given up after 4 attempts"]


async def test_one_attempt_is_no_retry() -> None:
    script = Script([busy()])
    with pytest.raises(ServiceError):
        await script.retry(attempts=1)(script)
    assert (script.calls, script.slept) == (1, [])


async def test_what_is_not_retryable_passes_at_once() -> None:
    script = Script([ServiceError("no")])
    with pytest.raises(ServiceError) as caught:
        await script.retry()(script)
    assert (script.calls, script.slept, notes(caught.value)) == (1, [], [])


async def test_other_exceptions_pass_at_once() -> None:
    async def broken() -> None:
        script.calls += 1
        raise ZeroDivisionError

    script = Script()
    with pytest.raises(ZeroDivisionError):
        await script.retry()(broken)
    assert script.calls == 1


async def test_delays_have_full_jitter_below_a_doubling_bound() -> None:
    script = Script([busy() for _ in range(11)])
    with pytest.raises(ServiceError):
        await script.retry(attempts=11)(script)
    bounds = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0, 20.0]
    assert [low for low, _ in script.drawn] == [0] * 10
    assert [high for _, high in script.drawn] == pytest.approx(bounds)
    assert script.slept == pytest.approx(bounds)
    lucky = Script([busy(), busy()], luck=0)
    await lucky.retry()(lucky)
    assert lucky.slept == [0, 0]


async def test_the_service_says_how_long_to_wait() -> None:
    script = Script([busy(7), busy(0.01)])
    await script.retry()(script)
    assert script.slept == [7, pytest.approx(0.4)]  # at least the requested delay; jitter may be longer


async def test_a_service_that_asks_for_too_long_is_not_waited_for() -> None:
    script = Script([busy(3600)])
    with pytest.raises(ServiceError) as caught:
        await script.retry()(script)
    assert (script.calls, script.slept) == (1, [])
    assert notes(caught.value) == ["given up: the service asks to wait 3600 s"]


async def test_the_budget_bounds_the_retries_of_all_requests() -> None:
    budget = RetryBudget(capacity=10, cost=5, refund=1)
    first, second = Script([busy(), busy()]), Script([busy()])
    assert await first.retry(budget)(first) == "done"
    with pytest.raises(ServiceError) as caught:
        await second.retry(budget)(second)
    assert (second.calls, second.slept) == (1, [])
    assert notes(caught.value) == ["given up after 1 attempts: too many requests are failing"]


async def test_successes_refill_the_budget_up_to_its_capacity() -> None:
    budget = RetryBudget(capacity=5, cost=5, refund=1)
    assert budget.take()
    for _ in range(4):
        budget.succeeded()
    assert not budget.take()
    for _ in range(100):
        budget.succeeded()
    assert budget.take()
    assert not budget.take()


async def test_a_permanent_failure_costs_no_budget() -> None:
    budget = RetryBudget(capacity=5, cost=5)
    script = Script([ServiceError("no")])
    with pytest.raises(ServiceError):
        await script.retry(budget)(script)
    assert budget.take()


async def test_each_retry_is_told() -> None:
    told: list[tuple[StorageError, float]] = []
    failures: list[StorageError] = [busy(), busy(3), ServiceError("no")]
    script = Script(list(failures))
    with pytest.raises(ServiceError, match="no"):
        await script.retry()(script, on_retry=lambda error, delay: told.append((error, delay)))
    assert told == [(failures[0], pytest.approx(0.2)), (failures[1], 3)]
    assert [delay for _, delay in told] == script.slept
