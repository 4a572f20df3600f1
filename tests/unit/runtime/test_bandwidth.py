"""The limit of the bytes per second, in one process and in several."""

import os
from collections.abc import Iterator

import pytest

from sealift.runtime import bandwidth
from sealift.runtime.bandwidth import Bandwidth, Bandwidths


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The current time, which the test sets."""
    now = [1000.0]
    monkeypatch.setattr(bandwidth.time, "monotonic", lambda: now[0])
    yield now


def test_bytes_are_paid_for_in_turn(clock: list[float]) -> None:
    limit = Bandwidth(1000)
    assert limit.spend(100) == pytest.approx(0)  # the credit
    assert limit.spend(500) == pytest.approx(0.5)
    assert limit.spend(250) == pytest.approx(0.75)
    clock[0] += 0.75
    assert limit.spend(100) == pytest.approx(0.1)


def test_a_pause_gives_no_more_than_a_little_credit(clock: list[float]) -> None:
    limit = Bandwidth(1000)
    clock[0] += 3600
    assert limit.spend(1000) == pytest.approx(0.9)


def test_pieces_are_small_enough_to_wait_for() -> None:
    assert [Bandwidth(rate).piece for rate in (1, 80_000, 1 << 30)] == [1024, 10_000, 1 << 18]


def test_several_processes_share_a_limit(clock: list[float]) -> None:
    limit = Bandwidth(1000)
    limit.spend(600)
    other = Bandwidth(1000, os.dup(limit.share()))
    assert limit.share() == limit.share()
    assert other.spend(500) == pytest.approx(1.0)
    assert limit.spend(500) == pytest.approx(1.5)
    other.close()
    limit.close()
    limit.close()
    with pytest.raises(OSError, match="closed"):
        limit.share()
    assert limit.spend(500) == pytest.approx(2.0)


def test_both_directions_are_limited_on_their_own(clock: list[float]) -> None:
    limits = Bandwidths.of(1000)
    assert limits.received.spend(1100) == limits.sent.spend(1100) == pytest.approx(1.0)
    limits.close()
