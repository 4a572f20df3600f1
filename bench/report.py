"""Write the results: tables for the terminal and for Markdown, and JSON with every sample."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.datasets import MiB
from bench.scenarios import Page, Scenario, Unit
from bench.startup import Startup
from bench.summary import BASELINE, Figure, Outcome, Row, cpu_ratio, pss_ratio, slowdown, throughput_ratio
from bench.targets import Target


@dataclass(frozen=True, slots=True)
class Context:
    """How and on which machine the figures of one page were measured."""

    page: Page
    command: str
    repeat: int
    machine: Mapping[str, str]
    versions: Mapping[str, str]


def tables(outcomes: Sequence[Outcome]) -> str:
    """One Markdown table per scenario."""
    return "\n".join(line for outcome in outcomes for line in _table(outcome))


def target_list(targets: Sequence[Target]) -> str:
    """The targets as a Markdown table."""
    rows = [(one.aim, one.measured, "yes" if one.reached else "**no**") for one in targets]
    return "\n".join(_aligned([("target", "measured", "reached"), *rows], left=2))


def markdown(context: Context, outcomes: Sequence[Outcome], targets: Sequence[Target], startup: Startup | None) -> str:
    """The complete page."""
    machine = ", ".join(f"{name} {value}" for name, value in context.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in sorted(context.versions.items()))
    parts = [
        f"# {context.page.heading}, compared with other tools",
        _MADE.format(command=context.command, repeat=context.repeat),
        f"Machine: {machine}.",
        f"Versions: {versions}.",
        f"![speed and CPU time]({context.page}.svg)",
        _FIGURES.format(page=context.page),
        *([_SERVERS] if context.page is Page.CLOUDS else []),
        *([_DELAYS] if context.page is Page.SERVER else []),
        tables(outcomes),
    ]
    if startup is not None:
        parts.append(
            f"An idle interpreter that has imported sealift and its S3 backend has a peak memory of"
            f" {startup.idle_rss / MiB:.0f} MiB; `import sealift` takes {startup.import_ms:.0f} ms."
        )
    if targets:
        parts += ["## Targets", target_list(targets)]
    parts += ["## How to read this on a noisy machine", _READING]
    return "\n\n".join(part.strip() for part in parts) + "\n"


_MADE = """
Produced by `{command}`: one warm-up, after which all bytes are verified, then {repeat} counted runs of each variant,
interleaved. A variant has fewer runs if it is clearly slower than the other variant of its peer, or so slow that its
warm-up counts: see `runs`. Servers and clients share the machine.
"""

_FIGURES = """
Each figure is a median, with the range of all runs in parentheses, followed by its ratio to that of sealift: a speed
ratio below 1 is slower than sealift, a CPU time ratio above 1 costs more. Each peer is shown with the better of its
defaults and one tuning; `{page}.json` has every sample of both and the command lines. CPU time is the user and system
time of the client and its children, from start to end. Peak PSS is the memory of all processes of the client together,
sampled up to 20 times a second, in which shared pages count once; peak RSS is that of the largest single process.
"""

_DELAYS = """
In i, the client runs inside an asyncio server, on one CPU; nginx, and the processes that the client starts, have
another. The delay is how late a timer of 1 ms of the server is: its median, 99th percentile and maximum, each the
median of all runs. "Alone" is the download in the same process while the server has no work.
"""

_SERVERS = """
The servers are emulators, and a hub written for these benchmarks: the effects of real cloud servers and of their
distance are not measured. "Server CPU" is the user and system time of the server processes during a run; it is not
included in the figures of the clients.
"""

_READING = """
On a shared or virtual machine, the same command can differ by half between two minutes. In order of usefulness:
compare ratios within one page, never figures of two pages; rely on CPU time more than on speed, because other load
affects it less; check whether the ranges overlap before you call a difference real; raise `--repeat`. Memory that the
host has taken back costs system time on first touch; this is the same for all clients and moves ratios towards 1.
"""


def write_json(
    path: Path, context: Context, outcomes: Sequence[Outcome], targets: Sequence[Target], startup: Startup | None
) -> None:
    """Write everything that was measured, with all samples."""
    document = {
        **asdict(context),
        "startup": asdict(startup) if startup else None,
        "scenarios": {outcome.scenario.id: _document(outcome) for outcome in outcomes},
        "targets": [asdict(target) for target in targets],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def _document(outcome: Outcome) -> dict[str, object]:
    scenario = outcome.scenario
    variants = [
        {
            "peer": run.peer.name,
            "variant": run.variant,
            # Program and options, without the paths of this machine.
            "command": [Path(word).name if word.startswith("/") else word for word in run.command],
            "warm_up": asdict(run.warm_up) if run.warm_up else None,
            "samples": [asdict(sample) for sample in run.samples],
        }
        for run in outcome.runs
    ]
    return {
        "title": scenario.title,
        "server": scenario.service,
        "file_system": scenario.file_system,
        "unit": scenario.unit,
        "bytes": outcome.total_bytes,
        "objects": outcome.objects,
        "rows": [asdict(row) for row in outcome.rows],
        "cannot": outcome.cannot,
        "variants": variants,
    }


def _table(outcome: Outcome) -> Iterator[str]:
    scenario = outcome.scenario
    base = outcome.row(BASELINE)
    columns = _delay_columns() if scenario.work_ms is not None else _cost_columns(scenario, base)
    rows = [("peer", "variant", *columns, "runs")]
    for row in outcome.rows:
        rows += [(row.peer, row.variant, *(shown(row) for shown in columns.values()), str(row.runs))]
    rows += [(peer, "cannot", *[""] * (len(rows[0]) - 2)) for peer in outcome.cannot]
    yield f"### {scenario.heading}"
    yield ""
    yield from _aligned(rows, left=2)
    yield ""
    for peer, reason in outcome.cannot.items():
        yield f"{peer} cannot run this scenario: it {reason}."
        yield ""


Columns = dict[str, Callable[[Row], str]]


def _cost_columns(scenario: Scenario, base: Row | None) -> Columns:
    """Speed, CPU time and memory, each with its ratio to sealift."""
    per_gb = scenario.unit is Unit.MEGABYTES

    def ratio(of: Callable[[Row, Row], float | None]) -> Callable[[Row], str]:
        return lambda row: "" if base is None or (found := of(row, base)) is None else f"{found:.2f}"

    columns: Columns = {
        scenario.unit: lambda row: _shown(row.speed),
        "speed ratio": ratio(throughput_ratio),
        "CPU s/GB" if per_gb else "CPU ms/object": lambda row: _shown(
            row.cpu_per_gb if per_gb else row.cpu_per_object_ms
        ),
        "CPU ratio": ratio(cpu_ratio),
        "peak PSS MiB": lambda row: _memory(row.peak_pss),
        "PSS ratio": ratio(pss_ratio),
        "peak RSS MiB": lambda row: _memory(row.peak_rss),
    }
    if scenario.unit is Unit.OBJECTS:
        columns["user ms/object"] = lambda row: _shown(row.user_per_object_ms)
    if scenario.page is Page.CLOUDS:
        columns["server CPU s/GB"] = lambda row: _shown(row.server_cpu_per_gb) if row.server_cpu_per_gb else ""
    return columns


def _delay_columns() -> Columns:
    """The download's time, and the delays of the server's timers, each beside its value without the other."""

    def delay(phase: str) -> Callable[[Row], str]:
        return lambda row: " / ".join(
            f"{row.report[f'{phase}_{name}_ms'].median:.1f}" for name in ("p50", "p99", "max")
        )

    return {
        "alone s": lambda row: _shown(row.report["alone_s"]),
        "in the server s": lambda row: _shown(row.report["download_s"]),
        "time ratio": lambda row: f"{slowdown(row):.2f}",
        "delay idle ms": delay("idle"),
        "during download": delay("busy"),
        "peak PSS MiB": lambda row: _memory(row.peak_pss),
    }


def _memory(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.median / MiB:.0f}"


def _shown(figure: Figure) -> str:
    digits = 0 if figure.median >= 100 else 2
    return f"{figure.median:,.{digits}f} ({figure.low:,.{digits}f} to {figure.high:,.{digits}f})"


def _aligned(rows: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """A Markdown table with aligned source; the first `left` columns are left-aligned."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    yield line(rows[0])
    marks = ("-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths))
    yield f"| {' | '.join(marks)} |"
    yield from (line(row) for row in rows[1:])
