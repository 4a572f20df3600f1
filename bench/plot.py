"""A plot of the speed and CPU time of each peer in each scenario."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Drawing

from bench.scenarios import Unit
from bench.summary import BASELINE, Figure, Outcome, Row

_OURS, _THEIRS = "#0b7285", "#adb5bd"


def _cost(row: Row, *, per_gb: bool, delays: bool) -> Figure:
    if delays:
        return row.report["busy_p99_ms"]
    return row.cpu_per_gb if per_gb else row.cpu_per_object_ms


def draw(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write an SVG with a row of two bar charts per scenario; the whiskers span all runs."""
    # Text as text and fixed IDs keep the file small and its diffs readable.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9})
    heights = [len(outcome.rows) + 1 for outcome in outcomes]
    figure = Drawing(figsize=(10, 0.9 + 0.32 * sum(heights)), layout="constrained")
    grid = figure.subplots(len(outcomes), 2, squeeze=False, gridspec_kw={"height_ratios": heights})
    for (left, right), outcome in zip(grid, outcomes, strict=True):
        names = [row.peer for row in outcome.rows]
        colours = [_OURS if name.startswith(BASELINE) else _THEIRS for name in names]
        per_gb = outcome.scenario.unit is Unit.MEGABYTES
        delays = outcome.scenario.work_ms is not None
        costs = [_cost(row, per_gb=per_gb, delays=delays) for row in outcome.rows]
        for axes, figures in ((left, [row.speed for row in outcome.rows]), (right, costs)):
            medians = [one.median for one in figures]
            spread = [[one.median - one.low for one in figures], [one.high - one.median for one in figures]]
            axes.barh(names, medians, xerr=spread, color=colours, error_kw={"lw": 0.8, "capsize": 2})
            axes.invert_yaxis()
            axes.spines[["top", "right"]].set_visible(False)
        right.set_yticklabels([])
        faster = "lower is better" if outcome.scenario.unit is Unit.MILLISECONDS else "higher is better"
        left.set_title(outcome.scenario.heading, loc="left", fontweight="bold")
        left.set_xlabel(f"{outcome.scenario.unit}, {faster}")
        cost = "p99 of the server's delay, ms" if delays else f"CPU {'s/GB' if per_gb else 'ms/object'}"
        right.set_xlabel(f"{cost}, lower is better")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    # matplotlib writes trailing spaces, which linters reject.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
