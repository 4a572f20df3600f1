"""The performance targets of sealift, compared with the measurements."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.scenarios import MiB
from bench.startup import Startup
from bench.summary import BASELINE, Outcome, cpu_ratio, throughput_ratio


@dataclass(frozen=True, slots=True)
class Target:
    """One target: its text, the measurement, and whether it was reached."""

    aim: str
    measured: str
    reached: bool


def check(outcomes: Mapping[str, Outcome], startup: Startup | None) -> list[Target]:
    """Check every target for which the scenarios and peers were measured."""
    found: list[Target] = []
    found += _against(outcomes, "a", BASELINE, "s5cmd", at_least=1.2, cpu_at_most=0.7)
    found += _against(outcomes, "b", BASELINE, "s5cmd", at_least=1.0, cpu_at_most=1.0)
    found += _against(outcomes, "b", "sealift-asyncio", "s5cmd", at_least=0.9, cpu_at_most=1.1)
    found += _against(outcomes, "c", BASELINE, "s5cmd", at_least=1.0)
    for peer in ("kserve-storage", "boto3"):
        found += _against(outcomes, "f", BASELINE, peer, at_least=1.0)
    if (fastest := _fastest_peer(outcomes, "e1")) is not None:
        found += _against(outcomes, "e1", BASELINE, fastest, at_least=1.0)
    found += _against(outcomes, "e2", BASELINE, "s5cmd", cpu_at_most=0.7)
    if startup is not None:
        found += _startup(outcomes, startup)
    return found


def _against(
    outcomes: Mapping[str, Outcome],
    letter: str,
    name: str,
    other: str,
    *,
    at_least: float | None = None,
    cpu_at_most: float | None = None,
) -> Iterator[Target]:
    outcome = outcomes.get(letter)
    ours, theirs = (outcome.row(name), outcome.row(other)) if outcome else (None, None)
    if outcome is None or ours is None or theirs is None:
        return
    title = f"({letter}) {outcome.scenario.title}: {name}"
    if at_least is not None:
        faster = throughput_ratio(ours, theirs)
        yield Target(f"{title} at ≥ {at_least} times the speed of {other}", f"{faster:.2f} times", faster >= at_least)
    if cpu_at_most is not None:
        cost = cpu_ratio(ours, theirs)
        yield Target(
            f"{title} at ≤ {cpu_at_most} times the CPU time of {other}", f"{cost:.2f} times", cost <= cpu_at_most
        )


def _fastest_peer(outcomes: Mapping[str, Outcome], letter: str) -> str | None:
    rows = outcomes[letter].rows if letter in outcomes else ()
    peers = [row for row in rows if not row.peer.startswith(BASELINE)]
    return min(peers, key=lambda row: row.wall_s.median).peer if peers else None


def _startup(outcomes: Mapping[str, Outcome], startup: Startup) -> Iterator[Target]:
    row = outcomes["a"].row(BASELINE) if "a" in outcomes else None
    if row is not None:
        above = (row.peak_rss.high - startup.idle_rss) / MiB
        yield Target(
            "(a) peak memory at most 200 MiB above an idle interpreter that has imported the backend",
            f"{above:.0f} MiB above {startup.idle_rss / MiB:.0f} MiB",
            above <= 200,
        )
    yield Target("`import sealift` takes less than 60 ms", f"{startup.import_ms:.0f} ms", startup.import_ms < 60)
    yield Target("`import sealift` imports no SDK", startup.sdks or "none", not startup.sdks)
