"""Outcomes → text: the table for a terminal and for Markdown, and the JSON with every sample."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.scenarios import MiB, Page, Unit
from bench.startup import Startup
from bench.summary import BASELINE, Figure, Outcome, Row, cpu_ratio, throughput_ratio
from bench.targets import Target


@dataclass(frozen=True, slots=True)
class Context:
    """Where and how the figures of one page were made."""

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
    """The whole page."""
    machine = ", ".join(f"{name} {value}" for name, value in context.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in sorted(context.versions.items()))
    parts = [
        f"# {context.page.heading}, beside the tools a user would otherwise pick",
        _MADE.format(command=context.command, repeat=context.repeat),
        f"Machine: {machine}.",
        f"Versions: {versions}.",
        f"![speed and CPU time]({context.page}.svg)",
        _FIGURES.format(page=context.page),
        *([_SERVERS] if context.page is Page.CLOUDS else []),
        tables(outcomes),
    ]
    if startup is not None:
        parts.append(
            f"An interpreter that has imported sealift and its S3 backend, and transfers nothing, peaks at"
            f" {startup.idle_rss / MiB:.0f} MiB; `import sealift` takes {startup.import_ms:.0f} ms."
        )
    if targets:
        parts += ["## Targets", target_list(targets)]
    parts += ["## How to read this on a noisy machine", _READING]
    return "\n\n".join(part.strip() for part in parts) + "\n"


_MADE = """
Made by `{command}`: one warm-up whose bytes are all verified, then {repeat} counted runs of each, taking turns. A
variant that is clearly behind its peer's other one, or so slow that its warm-up counts, has fewer: see `runs`. Servers
and clients share the machine.
"""

_FIGURES = """
Each figure is a median, with the range of all runs in brackets, followed by its ratio to sealift's: a ratio of speeds
below 1 is slower than sealift, a ratio of CPU times above 1 is dearer. Each peer shows the better of its defaults and
one tuning; `{page}.json` has every sample of both and the command lines. CPU time is user and system time of the
client and its children, from its start to its end. Peak memory is that of the largest single process.
"""

_SERVERS = """
The servers are emulators, and a hub made for this: what a cloud's own servers and their distance do to a client is not
seen here. "Server CPU" is the user and system time of the server's processes during a run; no client's figures hold it.
"""

_READING = """
A shared or virtual machine has moods: the same command can differ by half between two minutes. What helps, in order:
compare ratios within one page, never figures of two pages; trust CPU time more than speed, since it depends less on
what the neighbours do; look whether the ranges overlap before calling a difference one; raise `--repeat`. Memory that
a host has taken back costs system time again on first touch; all clients pay that alike, and it pulls ratios towards 1.
"""


def write_json(
    path: Path, context: Context, outcomes: Sequence[Outcome], targets: Sequence[Target], startup: Startup | None
) -> None:
    """Everything that was measured, with all samples."""
    document = {
        **asdict(context),
        "startup": asdict(startup) if startup else None,
        "scenarios": {outcome.scenario.letter: _document(outcome) for outcome in outcomes},
        "targets": [asdict(target) for target in targets],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def _document(outcome: Outcome) -> dict[str, object]:
    scenario = outcome.scenario
    variants = [
        {
            "peer": run.peer.name,
            "variant": run.variant,
            # Program and options; where they are installed and where the data lay says nothing.
            "command": [Path(word).name if word.startswith("/") else word for word in run.command],
            "warm_up": asdict(run.warm_up) if run.warm_up else None,
            "samples": [asdict(sample) for sample in run.samples],
        }
        for run in outcome.runs
    ]
    return {
        "title": scenario.title,
        "server": scenario.service,
        "unit": scenario.unit,
        "bytes": outcome.total_bytes,
        "objects": outcome.objects,
        "rows": [asdict(row) for row in outcome.rows],
        "cannot": outcome.cannot,
        "variants": variants,
    }


def _table(outcome: Outcome) -> Iterator[str]:
    scenario = outcome.scenario
    per_gb = scenario.unit is Unit.MEGABYTES
    cost = "CPU s/GB" if per_gb else "CPU ms/object"
    served = scenario.page is Page.CLOUDS
    heads = ["peer", "variant", scenario.unit, "ratio", cost, "ratio", "peak MiB", "ratio", "runs"]
    rows: list[tuple[str, ...]] = [(*heads, *(["server CPU s/GB"] if served else []))]
    base = outcome.row(BASELINE)
    for row in outcome.rows:
        speed, cpu, memory = ("", "", "") if base is None else _ratios(row, base)
        figure = row.cpu_per_gb if per_gb else row.cpu_per_object_ms
        peak = f"{row.peak_rss.median / MiB:.0f}"
        shown = (_shown(row.speed), speed, _shown(figure), cpu, peak, memory, str(row.runs))
        server = [_shown(row.server_cpu_per_gb) if row.server_cpu_per_gb else ""] if served else []
        rows.append((row.peer, row.variant, *shown, *server))
    rows += [(peer, "cannot", *[""] * (len(rows[0]) - 2)) for peer in outcome.cannot]
    yield f"### {scenario.heading}"
    yield ""
    yield from _aligned(rows, left=2)
    yield ""
    for peer, reason in outcome.cannot.items():
        yield f"{peer} cannot: it {reason}."
        yield ""


def _ratios(row: Row, base: Row) -> tuple[str, str, str]:
    memory = row.peak_rss.median / base.peak_rss.median
    return f"{throughput_ratio(row, base):.2f}", f"{cpu_ratio(row, base):.2f}", f"{memory:.2f}"


def _shown(figure: Figure) -> str:
    digits = 0 if figure.median >= 100 else 2
    return f"{figure.median:,.{digits}f} ({figure.low:,.{digits}f} to {figure.high:,.{digits}f})"


def _aligned(rows: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """A Markdown table whose source lines up, the first `left` columns to the left."""
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
