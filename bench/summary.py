"""Reduce samples to figures: medians and ranges, the better variant of each peer, ratios to sealift."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.measure import Sample
from bench.peers import Peer
from bench.scenarios import Scenario, Unit
from bench.session import Run

BASELINE = "sealift"


@dataclass(frozen=True, slots=True)
class Figure:
    """A median and the range around it."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One peer in one scenario, with the better of its variants.

    `speed` is in the scenario's unit. `report` has what the client measured itself.
    """

    peer: str
    variant: str
    runs: int
    speed: Figure
    wall_s: Figure
    cpu_s: Figure
    cpu_per_gb: Figure
    cpu_per_object_ms: Figure
    user_per_object_ms: Figure
    peak_rss: Figure
    peak_pss: Figure | None = None
    server_cpu_per_gb: Figure | None = None
    report: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one scenario."""

    scenario: Scenario
    total_bytes: int
    objects: int
    runs: Sequence[Run]
    rows: Sequence[Row]
    cannot: dict[str, str]

    def row(self, peer: str) -> Row | None:
        return next((row for row in self.rows if row.peer == peer), None)


def summarise(
    scenario: Scenario, total_bytes: int, objects: int, runs: Sequence[Run], chosen: Sequence[Peer]
) -> Outcome:
    """Reduce the runs of a scenario to one row for each peer."""
    rows = []
    for peer in chosen:
        own = [run for run in runs if run.peer is peer]
        if own:
            best = min(own, key=lambda run: statistics.median(sample.transfer_s for sample in run.samples))
            rows.append(_row(best, scenario.unit, total_bytes, objects))
    reasons = {peer.name: reason for peer in chosen if (reason := peer.cannot(scenario)) is not None}
    return Outcome(scenario, total_bytes, objects, runs, rows, reasons)


def throughput_ratio(row: Row, to: Row) -> float:
    """Speed relative to `to`: above 1 is faster, whatever the unit."""
    return to.wall_s.median / row.wall_s.median


def cpu_ratio(row: Row, to: Row) -> float:
    """CPU time relative to `to`: below 1 costs less."""
    return row.cpu_s.median / to.cpu_s.median


def pss_ratio(row: Row, to: Row) -> float | None:
    """Peak memory of all processes relative to `to`; None where it was not sampled."""
    return None if row.peak_pss is None or to.peak_pss is None else row.peak_pss.median / to.peak_pss.median


def slowdown(row: Row) -> float:
    """The time of a download inside an asyncio server, relative to its time alone."""
    return row.report["download_s"].median / row.report["alone_s"].median


def _row(run: Run, unit: Unit, total_bytes: int, objects: int) -> Row:
    def figure(value: Callable[[Sample], float]) -> Figure:
        return _figure([value(sample) for sample in run.samples])

    speeds: dict[Unit, Callable[[Sample], float]] = {
        Unit.MEGABYTES: lambda sample: total_bytes / 1e6 / sample.transfer_s,
        Unit.OBJECTS: lambda sample: objects / sample.transfer_s,
        Unit.MILLISECONDS: lambda sample: sample.transfer_s * 1e3,
    }
    served = [sample.server_cpu_s for sample in run.samples if sample.server_cpu_s is not None]
    shared = [sample.peak_pss for sample in run.samples if sample.peak_pss is not None]
    return Row(
        peer=run.peer.name,
        variant=run.variant,
        runs=len(run.samples),
        speed=figure(speeds[unit]),
        wall_s=figure(lambda sample: sample.transfer_s),
        cpu_s=figure(lambda sample: sample.cpu_s),
        cpu_per_gb=figure(lambda sample: sample.cpu_s / (total_bytes / 1e9)),
        cpu_per_object_ms=figure(lambda sample: sample.cpu_s * 1e3 / objects),
        user_per_object_ms=figure(lambda sample: sample.user_s * 1e3 / objects),
        peak_rss=figure(lambda sample: sample.peak_rss),
        peak_pss=_figure(shared) if shared else None,
        server_cpu_per_gb=_figure([seconds / (total_bytes / 1e9) for seconds in served]) if served else None,
        report={name: _figure([sample.report[name] for sample in run.samples]) for name in run.samples[0].report},
    )


def _figure(found: Sequence[float]) -> Figure:
    return Figure(statistics.median(found), min(found), max(found))
