"""One chart and one table of the results: `python -m bench.chart`.

Reads bench/results/*.json, and writes docs/benchmarks.svg and the table in docs/benchmarks.md.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

__all__ = ["BEGIN", "END", "PAGE", "chart", "main", "results", "table"]

ROOT = Path(__file__).parents[1]
PAGE, CHART = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks.svg"
BEGIN, END = "<!-- Written by `python -m bench.chart`. -->", "<!-- End. -->"
# The scenarios that are shown, by page, and their titles.
SHOWN = {
    "download": {
        "a": "Download one object of 2 GiB",
        "b": "The same over TLS 1.3",
        "c": "Download 20,000 objects of 10 KiB",
        "d2": "Download a model of 1.6 GB, with CRCs",
    },
    "upload": {"e1": "Upload 128 files of 8 MiB", "e2": "Upload one file of 1 GiB"},
    "wan": {"w1": "Download 2 GiB, 30 ms away", "w3": "Download 2,000 objects of 100 KiB, 100 ms away"},
}
PEERS = ("sealift", "s5cmd", "rclone", "obstore", "boto3")

# Colours that are readable on white and on dark pages.
_OURS, _THEIRS, _TEXT = "#1098ad", "#8c959f", "#768390"
_WIDTH, _LABEL, _BAR, _ROW, _GAP = 760, 92, 480, 17, 34


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one scenario: peer → speed in `unit` and CPU time."""

    title: str
    unit: str
    speed: Mapping[str, float]
    cpu: Mapping[str, str]


def results(directory: Path = ROOT / "bench" / "results") -> list[Result]:
    """Read the scenarios that are shown.

    Raises:
        KeyError: A page has no such scenario.
    """
    found = []
    for page, titles in SHOWN.items():
        scenarios = json.loads((directory / f"{page}.json").read_text("utf-8"))["scenarios"]
        found += [_result(title, scenarios[name]) for name, title in titles.items()]
    return found


def _result(title: str, scenario: Mapping[str, Any]) -> Result:
    rows = {row["peer"]: row for row in scenario["rows"] if row["peer"] in PEERS}
    per_object = scenario["unit"] == "objects/s"
    name, unit = ("cpu_per_object_ms", "ms/object") if per_object else ("cpu_per_gb", "s/GB")
    return Result(
        title,
        scenario["unit"],
        {peer: rows[peer]["speed"]["median"] for peer in PEERS if peer in rows},
        {peer: f"{rows[peer][name]['median']:.2f}\u00a0{unit}" for peer in PEERS if peer in rows},
    )


def table(found: Sequence[Result]) -> str:
    """Return a Markdown table: speed and CPU time of each peer; the fastest in bold."""
    peers = [peer for peer in PEERS if any(peer in result.speed for result in found)]
    lines = ["| speed, and CPU time of the client | " + " | ".join(peers) + " |", "|---|" + "---:|" * len(peers)]
    for result in found:
        best = max(result.speed.values())
        cells = [_cell(result, peer, best) for peer in peers]
        lines.append(f"| {result.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(result: Result, peer: str, best: float) -> str:
    if peer not in result.speed:
        return "–"  # noqa: RUF001 - as in the other tables
    speed = f"{result.speed[peer]:,.0f}\u00a0{result.unit}"
    return f"{f'**{speed}**' if result.speed[peer] == best else speed}<br>{result.cpu[peer]}"


def chart(found: Sequence[Result]) -> str:
    """Return an SVG with a group of bars for each scenario; each group has its own scale."""
    body, top = [], 0
    for result in found:
        body += _group(result, top)
        top += _GAP + _ROW * len(result.speed)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 4}" width="{_WIDTH}" height="{top + 4}" '
        f'font-family="sans-serif" font-size="12" fill="{_TEXT}" role="img">\n'
        "<title>Speed of each tool in each scenario: longer bars are faster</title>\n" + "\n".join(body) + "\n</svg>\n"
    )


def _group(result: Result, top: int) -> Iterator[str]:
    best = max(result.speed.values())
    yield f'<text x="0" y="{top + 20}" font-weight="bold">{escape(result.title)}</text>'
    for row, (peer, speed) in enumerate(result.speed.items()):
        y = top + 28 + row * _ROW
        width = max(1, round(_BAR * speed / best))
        colour, weight = (_OURS, "bold") if peer == "sealift" else (_THEIRS, "normal")
        yield f'<text x="{_LABEL - 8}" y="{y + 10}" text-anchor="end" font-weight="{weight}">{escape(peer)}</text>'
        yield f'<rect x="{_LABEL}" y="{y}" width="{width}" height="{_ROW - 5}" rx="2" fill="{colour}"/>'
        label = f"{speed:,.0f} {result.unit}"
        yield f'<text x="{_LABEL + width + 6}" y="{y + 10}" font-weight="{weight}">{label}</text>'


def main() -> None:
    """Write the chart and the table."""
    found = results()
    CHART.write_text(chart(found), "utf-8")
    page = PAGE.read_text("utf-8")
    block = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    PAGE.write_text(block.sub(lambda _: f"{BEGIN}\n\n{table(found)}\n\n{END}", page), "utf-8")


if __name__ == "__main__":
    main()
