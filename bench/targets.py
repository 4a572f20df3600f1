"""The performance targets of sealift, compared with the measurements."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.datasets import MiB
from bench.startup import Startup
from bench.summary import BASELINE, Outcome, Row, cpu_ratio, slowdown, throughput_ratio


@dataclass(frozen=True, slots=True)
class Target:
    """One target: its text, the measurement, and whether it was reached."""

    aim: str
    measured: str
    reached: bool


@dataclass(frozen=True, slots=True)
class _Against:
    """sealift compared with another client in one scenario: its least speed and its most CPU time, as ratios."""

    scenario: str
    other: str
    at_least: float | None = None
    cpu_at_most: float | None = None
    name: str = BASELINE


_RATIOS = (
    *(
        each
        for name in ("a", "a-tmpfs")
        for each in (_Against(name, "s5cmd", 1.3, 0.75), _Against(name, "rclone", 1.0))
    ),
    *(
        each
        for name in ("b", "b-tmpfs", "b2", "b2-tmpfs")
        for each in (_Against(name, "s5cmd", 1.0, 1.05), _Against(name, "rclone", 1.0))
    ),
    *(_Against(name, "s5cmd", 0.9, 1.1, name="sealift-asyncio") for name in ("b", "b-tmpfs")),
    _Against("c", "s5cmd", 1.0),
    _Against("c", "obstore", 1.0),
    _Against("c-tmpfs", "s5cmd", 2.0),
    _Against("c-tmpfs", "obstore", 1.5),
    *(_Against(name, "kserve-storage", 1.0) for name in ("d", "d-tmpfs")),
    _Against("e2", "s5cmd", cpu_at_most=0.7),
    *(_Against(name, "s5cmd", 1.2) for name in ("e4", "e4-tmpfs")),
    *(_Against(name, "rclone", 1.0) for name in ("g1", "g2", "w4")),
    *(_Against(name, "s5cmd", 2.0) for name in ("w2", "w3")),
)
_AGAINST_FASTEST = {"d2": 1.2, "d2-tmpfs": 1.2, "e1": 1.0}
_MOST_USER_MS_PER_OBJECT = 0.12
_LONGEST_COLD_START_MS = 110
_MOST_MEMORY_THREADS, _MOST_MEMORY_WORKERS = 60 * MiB, 80 * MiB
_LONGEST_IMPORT_MS = 60


def check(outcomes: Mapping[str, Outcome], startup: Startup | None, *, worker_processes: bool) -> list[Target]:
    """Check every target for which the scenarios and peers were measured.

    Args:
        outcomes: By the name of the scenario, such as "a" or "a-tmpfs".
        startup: The cost of starting, if it was measured.
        worker_processes: Whether this sealift downloads large objects with worker processes by default.
    """
    found: list[Target] = []
    for ratio in _RATIOS:
        found += _against(outcomes, ratio)
    for name, least in _AGAINST_FASTEST.items():
        if (fastest := _fastest_peer(outcomes, name)) is not None:
            found += _against(outcomes, _Against(name, fastest, least))
    found += _absolute(outcomes)
    found += _serving(outcomes)
    found += _memory(outcomes, worker_processes=worker_processes)
    if startup is not None:
        found += _startup(startup)
    return found


def _row(outcomes: Mapping[str, Outcome], scenario: str, name: str = BASELINE) -> Row | None:
    return outcomes[scenario].row(name) if scenario in outcomes else None


def _against(outcomes: Mapping[str, Outcome], ratio: _Against) -> Iterator[Target]:
    ours, theirs = (_row(outcomes, ratio.scenario, name) for name in (ratio.name, ratio.other))
    if ours is None or theirs is None:
        return
    title = f"({ratio.scenario}) {outcomes[ratio.scenario].scenario.title}: {ratio.name}"
    if ratio.at_least is not None:
        faster = throughput_ratio(ours, theirs)
        aim = f"{title} at ≥ {ratio.at_least} times the speed of {ratio.other}"
        yield Target(aim, f"{faster:.2f} times", faster >= ratio.at_least)
    if ratio.cpu_at_most is not None:
        cost = cpu_ratio(ours, theirs)
        aim = f"{title} at ≤ {ratio.cpu_at_most} times the CPU time of {ratio.other}"
        yield Target(aim, f"{cost:.2f} times", cost <= ratio.cpu_at_most)


def _fastest_peer(outcomes: Mapping[str, Outcome], name: str) -> str | None:
    rows = outcomes[name].rows if name in outcomes else ()
    peers = [row for row in rows if not row.peer.startswith(BASELINE)]
    return min(peers, key=lambda row: row.wall_s.median).peer if peers else None


def _absolute(outcomes: Mapping[str, Outcome]) -> Iterator[Target]:
    for name in ("c", "c-tmpfs"):
        if (row := _row(outcomes, name)) is not None:
            cost = row.user_per_object_ms.median
            aim = f"({name}) user CPU time of sealift at most {_MOST_USER_MS_PER_OBJECT} ms per object"
            yield Target(aim, f"{cost:.3f} ms", cost <= _MOST_USER_MS_PER_OBJECT)
    if (row := _row(outcomes, "f")) is not None:
        aim = f"(f) cold start of sealift in at most {_LONGEST_COLD_START_MS} ms"
        yield Target(aim, f"{row.speed.median:.0f} ms", row.speed.median <= _LONGEST_COLD_START_MS)


def _serving(outcomes: Mapping[str, Outcome]) -> Iterator[Target]:
    for name in ("i1", "i2"):
        if (row := _row(outcomes, name)) is None:
            continue
        title = f"({name}) {outcomes[name].scenario.title}"
        slower = slowdown(row)
        yield Target(f"{title}: at most 1.5 times its time alone", f"{slower:.2f} times", slower <= 1.5)
        for figure, what, most in (("p99", "99th percentile of the delay", 5), ("max", "longest delay", 10)):
            more = row.report[f"busy_{figure}_ms"].median - row.report[f"idle_{figure}_ms"].median
            yield Target(f"{title}: {what} at most {most} ms above idle", f"{more:+.1f} ms", more <= most)


def _memory(outcomes: Mapping[str, Outcome], *, worker_processes: bool) -> Iterator[Target]:
    """Peak memory of scenario a: with its defaults, and with threads only, which j measures if they differ."""
    for letter in ("a", "a-tmpfs"):
        most, kind = (_MOST_MEMORY_WORKERS, "workers") if worker_processes else (_MOST_MEMORY_THREADS, "threads")
        yield from _peak(_row(outcomes, letter), letter, kind, most)
    for letter in ("j", "j-tmpfs"):
        yield from _peak(_row(outcomes, letter, f"{BASELINE}-processes-0"), letter, "threads", _MOST_MEMORY_THREADS)


def _peak(row: Row | None, letter: str, kind: str, most: int) -> Iterator[Target]:
    if row is not None and row.peak_pss is not None:
        peak = row.peak_pss.high
        aim = f"({letter}) peak memory with {kind}, all processes together, at most {most // MiB} MiB"
        yield Target(aim, f"{peak / MiB:.0f} MiB", peak <= most)


def _startup(startup: Startup) -> Iterator[Target]:
    aim = f"`import sealift` takes less than {_LONGEST_IMPORT_MS} ms"
    yield Target(aim, f"{startup.import_ms:.0f} ms", startup.import_ms < _LONGEST_IMPORT_MS)
    yield Target("`import sealift` imports no SDK", startup.sdks or "none", not startup.sdks)
