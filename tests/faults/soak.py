"""Many seeds of all cases, and many kills: `tox -e soak -- --seeds 20`. Writes a table to `tests/faults/RESULTS.md`."""

import argparse
import functools
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from sealift.types import MiB
from tests.services import azurite, gcs, seaweedfs

from . import places
from .cargo import Shape
from .case import Case, Violation
from .harm import Direction
from .kill import Story, killed
from .matrix import cases
from .place import Place
from .trial import Trial

_RESULTS = Path(__file__).with_name("RESULTS.md")
_KILLED: tuple[tuple[str, Direction, Shape], ...] = (
    ("s3", "download", "object"), ("gcs", "download", "object"), ("azure", "download", "object"),
    ("http", "download", "object"), ("hub", "download", "object"),
    ("s3", "upload", "object"), ("gcs", "upload", "object"), ("azure", "upload", "object"),
    ("s3", "download", "directory"), ("gcs", "download", "directory"), ("azure", "download", "directory"),
    ("hub", "download", "directory"), ("s3", "download", "tree"), ("hub", "download", "tree"),
    ("s3", "upload", "directory"), ("gcs", "upload", "directory"), ("azure", "upload", "directory"),
)  # fmt: skip
_KILLS = 5  # of one transfer
Outcomes = dict[tuple[str, str, Direction], Counter[str]]


class Places:
    """All places; each is started when it is first asked for.

    Args:
        stack: Ends them.
        directory: For their files.
    """

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self._stack = stack
        self._directory = directory

    @functools.cache  # noqa: B019 - lives as long as the program
    def __getitem__(self, name: str) -> Place:
        work, enter = self._directory / name, self._stack.enter_context
        work.mkdir()
        if name == "s3":
            return places.s3_place(enter(seaweedfs.start(work)))
        if name == "gcs":
            return places.gcs_place(enter(gcs.start(work)))
        if name == "azure":
            return places.azure_place(enter(azurite.start(work)))
        if name == "hub":
            return enter(places.hub_places())[0]
        return next(place for place in enter(places.http_places(work)) if place.name == name)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--seeds", type=int, default=5, help="how many of each case")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--only", default="", help="a part of the names of the cases to run, such as s3-upload-lost")
    parser.add_argument("--kills", type=int, default=100, help="how often a transfer is killed, over all places")
    options = parser.parse_args()
    wanted = cases(range(options.first, options.first + options.seeds))
    wanted = [case for case in wanted if options.only in f"{case}-"]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sealift-soak-") as directory, ExitStack() as stack:
        found = Places(stack, Path(directory))
        outcomes, failed = _run(wanted, found, Path(directory))
        stories, fatal = _kill(0 if options.only else options.kills, found, Path(directory), options.first)
    print(f"{len(wanted)} cases, {sum(story.kills for _, story in stories)} kills, {time.monotonic() - begun:.0f} s")
    if not options.only:
        _RESULTS.write_text(_table(outcomes, stories, options.seeds, options.kills))
    for line in (*failed, *fatal):
        print(line)
    return 1 if failed or fatal else 0


def _run(wanted: list[Case], found: Places, directory: Path) -> tuple[Outcomes, list[str]]:
    outcomes: Outcomes = {}
    failed = []
    for case in wanted:
        work = directory / "work" / str(case)
        tally = outcomes.setdefault((case.fault, case.place, case.direction), Counter())
        try:
            tally[Trial(case, found[case.place], work).run()] += 1
        except Violation as violation:
            tally["violation"] += 1
            failed.append(
                f"FAILED {violation}\n    again: python -m tests.faults.soak --only {case}- --first {case.seed}"
            )
            traceback.print_exc()
        except Exception:
            print(f"in {case}", file=sys.stderr)
            raise
        shutil.rmtree(work, ignore_errors=True)
    return outcomes, failed


def _kill(kills: int, found: Places, directory: Path, seed: int) -> tuple[list[tuple[str, Story]], list[str]]:
    stories: list[tuple[str, Story]] = []
    failed: list[str] = []
    number = 0
    while sum(story.kills for _, story in stories) + len(failed) * _KILLS < kills:
        name, direction, shape = _KILLED[number % len(_KILLED)]
        work = directory / f"kill-{number}"
        try:
            story = killed(found[name], direction, seed + number, work, kills=_KILLS, shape=shape)
            stories.append((f"{name} | {direction} | {shape}", story))
        except Violation as violation:
            failed.append(f"FAILED {violation}")
        shutil.rmtree(work, ignore_errors=True)
        number += 1
    return stories, failed


def _table(outcomes: Outcomes, stories: list[tuple[str, Story]], seeds: int, kills: int) -> str:
    lines = [
        "# What came of the faults",
        "",
        f"Made by `tox -e soak -- --seeds {seeds} --kills {kills}`. A fault is told in `kinds.py`, what is demanded of",
        "each case in `trial.py`. *Not told*: bytes that the service tells no checksum of were damaged on the way, and",
        '`Event.verified` says "size-only".',
        "",
        "| fault | storage | direction | tried | right bytes | clear error | not told | violations |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (fault, place, direction), tally in sorted(outcomes.items()):
        counts = [tally[name] for name in ("right bytes", "clear error", "size-only", "violation")]
        lines.append(f"| {fault} | {place} | {direction} | {tally.total()} | {' | '.join(map(str, counts))} |")
    lines += [
        "",
        "## Kills",
        "",
        "A process is killed at a random byte, or at one of its first requests that carry no body, and started again",
        f"until it is done. {_KILLS} kills are of one transfer, or of several where one was done before its moment.",
        "An *object* is one large file. A *directory* is 28 files, small and large; a download finds one that is",
        "there, and brings them one by one. A *tree* is a directory that is not there and appears as a whole. *Moved",
        "again*: bytes of bodies that passed the proxy beyond the files', for each kill. Allowed are the two parts in",
        "flight; of many files that are downloaded, 256 KiB of small ones, which the journal need not tell of yet; of",
        "many that are uploaded, those that are whole there, which are sent again. *Removed*: uploads whose name the",
        "program did not live to note, by the clean-up of [BACKENDS.md](../../BACKENDS.md#uploads-that-were-killed);",
        "nothing else was left.",
        "",
        "| storage | direction | shape | kills | transfers | files, MiB | moved again, MiB | allowed, MiB | removed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in dict(stories):
        total = sum((story for other, story in stories if other == name), Story())
        each = [total.size / total.transfers, *((b - total.size) / total.kills for b in (total.moved, total.most))]
        sizes = " | ".join(f"{size / MiB:.2f}" for size in each)
        lines.append(f"| {name} | {total.kills} | {total.transfers} | {sizes} | {total.dangling} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
