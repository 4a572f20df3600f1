"""The limit on bytes in flight follows the load of the threads, and nothing else."""

from sealift.runtime.parts_in_flight import PartsInFlight
from sealift.types import GiB, MiB


class Clocks:
    """Clocks for wall time and CPU time that are advanced by hand."""

    def __init__(self) -> None:
        self.wall = 0.0
        self.work = 0.0
        self.window = PartsInFlight(lambda: self.work, lambda: self.wall)

    def move(self, size: int, *, seconds: float, load: float, limit: int = GiB) -> None:
        for _ in range(size // (8 * MiB)):
            self.wall += seconds * 8 * MiB / size
            self.work += load * seconds * 8 * MiB / size
            self.window.moved(8 * MiB, full=self.window.bound(8 * MiB) >= limit)

    @property
    def bound(self) -> int:
        return self.window.bound(8 * MiB) // MiB


def test_it_widens_while_the_threads_wait_up_to_the_budget() -> None:
    clocks = Clocks()
    seen = []
    for _ in range(5):
        clocks.move(clocks.bound * MiB, seconds=1, load=0.2, limit=512 * MiB)
        seen.append(clocks.bound)
    assert seen == [64, 128, 256, 256, 256]


def test_it_stays_where_the_threads_are_the_bottleneck() -> None:
    clocks = Clocks()
    clocks.move(GiB, seconds=1, load=0.9)
    assert clocks.bound == 32


def test_it_narrows_when_the_threads_become_the_bottleneck_and_keeps_between() -> None:
    clocks = Clocks()
    clocks.move(32 * MiB, seconds=1, load=0.2)
    assert clocks.bound == 64
    clocks.move(GiB, seconds=1, load=0.6)
    assert clocks.bound == 64
    clocks.move(GiB, seconds=1, load=0.9)
    assert clocks.bound == 32


def test_a_pause_is_not_taken_for_a_far_server() -> None:
    clocks = Clocks()
    clocks.move(24 * MiB, seconds=1, load=0.9)
    clocks.wall += 3600
    clocks.window.restart()
    clocks.move(32 * MiB, seconds=1, load=0.9)
    assert clocks.bound == 32


def test_a_distant_server_starts_with_more() -> None:
    round_trip = 0.001
    window = PartsInFlight(round_trip=lambda: round_trip)
    window.restart()
    assert window.bound(8 * MiB) == 32 * MiB
    round_trip = 0.03
    window.restart()
    assert window.bound(8 * MiB) == 128 * MiB


def test_large_parts_are_in_flight_together_too() -> None:
    assert PartsInFlight().bound(GiB) == 4 * GiB


def test_one_file_gets_half_of_the_threads() -> None:
    window = PartsInFlight(cpus=2)
    assert window.bound(8 * MiB) == 16 * MiB
    assert window.bound(8 * MiB, one_file=True) == 8 * MiB
    assert PartsInFlight(cpus=0.5).bound(8 * MiB) == 8 * MiB
    assert PartsInFlight(cpus=64).bound(8 * MiB, one_file=True) == 32 * MiB
