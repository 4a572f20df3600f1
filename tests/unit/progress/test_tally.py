"""What is said about the progress of calls."""

import pytest

from sealift.errors import ServiceError, TransportError
from sealift.progress.tally import Rate, Tally
from sealift.progress.units import count, duration, size
from sealift.types import Event


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tally_of(*events: Event, clock: Clock | None = None) -> Tally:
    tally = Tally(clock or Clock())
    for event in events:
        tally.add(event)
    return tally


def test_totals_grow_while_the_listing_arrives() -> None:
    tally = tally_of(Event("listed", "a", 4_000_000), Event("progress", "a", 1_000_000))
    assert tally.describe(5e6) == "1.0 MB of 4.0 MB, 5.0 MB/s, 0 of 1 object"
    for event in (Event("listed", "b", 2_000_000), Event("progress", "a", 3_000_000), Event("object", "a", 4_000_000)):
        tally.add(event)
    assert tally.describe(5e6) == "4.0 MB of 6.0 MB, 5.0 MB/s, 1 of 2 objects"
    tally.add(Event("retry", "b"))
    assert tally.describe(0).endswith(", 1 retried")


def test_the_time_left_once_all_objects_are_listed() -> None:
    tally = tally_of(Event("listed", "a", 600_000_000, call="s3://b/"))
    assert "left" not in tally.describe(1e6)
    tally.add(Event("progress", "a", 100_000_000, call="s3://b/", total=600_000_000))
    assert tally.describe(1e6) == "100.0 MB of 600.0 MB, 1.0 MB/s, 8:20 left, 0 of 1 object"
    assert "left" not in tally.describe(0)
    tally.add(Event("listed", "c", 1, call="s3://other/"))
    assert "left" not in tally.describe(1e6)


def test_an_object_of_unknown_size() -> None:
    """It is never said to be complete, or verified, before it is."""
    tally = tally_of(Event("listed", "a"), Event("progress", "a", 0, total=0))
    assert tally.describe(0) == "0 B, 0 B/s, 0 of 1 object"
    tally.add(Event("progress", "a", 500, total=0))
    assert tally.describe(100) == "500 B, 100 B/s, 0 of 1 object"
    assert not tally.is_sized
    tally.add(Event("object", "a", 500, total=0))
    assert tally.describe(100) == "500 B, 100 B/s, 1 of 1 object"


def test_verification_is_named() -> None:
    events = Event("listed", "a", 5, total=5), Event("progress", "a", 5, total=5)
    tally = tally_of(*events)
    assert tally.describe(0) == "5 B of 5 B, 0 B/s, 0 of 1 object, verifying"
    tally.add(Event("object", "a", 5, total=5))
    assert tally.describe(0) == "5 B of 5 B, 0 B/s, 1 of 1 object"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            Event("retry", "a", error=TransportError("h:1 is down", host="h:1"), delay=8),
            "retrying in 8 s (h:1 is down)",
        ),
        (
            Event("paused", "", error=ServiceError("slow down", status=503, host="h:1"), delay=90),
            "paused, continuing in 1:30 (h:1: 503)",
        ),
        (Event("retry", "a", error=TransportError("x\n" * 90), delay=5), f"retrying in 5 s ({'x ' * 29}x…)"),
    ],
)
def test_a_wait_is_named_while_it_lasts(event: Event, text: str) -> None:
    clock = Clock()
    tally = tally_of(Event("listed", "a", 10), event, clock=clock)
    assert f"0 B/s, {text}, 0 of 1 object" in tally.describe(0)
    clock.now += event.delay
    assert "in 0 s" not in tally.describe(0)
    assert text.partition(" ")[0] + " in" not in tally.describe(0)


def test_a_short_wait_is_not_named() -> None:
    assert "retrying" not in tally_of(Event("listed", "a", 1), Event("retry", "a", delay=0.5)).describe(0)


def test_a_wait_for_the_listing() -> None:
    tally = tally_of(Event("retry", "", error=TransportError("h:1 is down"), delay=3))
    assert tally.describe(0) == "listing objects, retrying in 3 s (h:1 is down)"


def test_removed_objects_are_counted() -> None:
    tally = tally_of(Event("deleted", "a"), Event("deleted", "b"))
    assert tally.describe(0) == "2 objects removed"
    tally.add(Event("listed", "c", 1))
    assert tally.describe(0) == "0 B of 1 B, 0 B/s, 0 of 1 object, 2 removed"


def test_what_does_not_fit_is_left_out() -> None:
    tally = tally_of(Event("listed", "a", 4_000_000), Event("progress", "a", 1_000_000), Event("retry", "a"))
    whole = "1.0 MB of 4.0 MB, 5.0 MB/s, 0 of 1 object, 1 retried"
    assert tally.describe(5e6, len(whole)) == whole
    assert tally.describe(5e6, len(whole) - 1) == "1.0 MB of 4.0 MB, 5.0 MB/s, 0 of 1 object"
    assert tally.describe(5e6, 5) == "1.0 MB of 4.0 MB"


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    tally = tally_of(Event("resumed", "a", 5_000_000), Event("progress", "a", 5_000_000), clock=clock)
    rate = Rate(tally)
    for _ in range(10):
        clock.now += 1
        tally.add(Event("progress", "a", 1_000_000))
        assert rate.now() == pytest.approx(1e6)
    for _ in range(10):
        clock.now += 1
        last = rate.now()
    assert last == 0
    assert rate.average() == pytest.approx(500_000)
    tally.add(Event("progress", "a", -1_000_000))  # a body that is received again
    clock.now += 1
    assert rate.now() == 0


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (2.5e12, "2.5 TB")]
)
def test_sizes_are_formatted(number: float, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (60, "1:00"), (3608, "1:00:08")])
def test_times_are_formatted(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_are_formatted() -> None:
    assert [count(1, "object"), count(2000, "object")] == ["1 object", "2,000 objects"]
