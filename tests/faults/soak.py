"""Run many seeds of all cases, and many kills: `tox -e soak -- --seeds 20`. Writes `tests/faults/RESULTS.md`."""

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

from . import storage_setup
from .case import Case, Violation
from .injection import Direction
from .kill import KillStats, killed
from .matrix import cases
from .payload import Shape
from .storage import StorageServer
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
_KILLS = 5  # per transfer
Outcomes = dict[tuple[str, str, Direction], Counter[str]]


class Storages:
    """All storages under test; each is started on first use.

    Args:
        stack: Stops them.
        directory: For their files.
    """

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self._stack = stack
        self._directory = directory

    @functools.cache  # noqa: B019 - lives as long as the program
    def __getitem__(self, name: str) -> StorageServer:
        work, enter = self._directory / name, self._stack.enter_context
        work.mkdir()
        if name == "s3":
            return storage_setup.s3_storage(enter(seaweedfs.start(work)))
        if name == "gcs":
            return storage_setup.gcs_storage(enter(gcs.start(work)))
        if name == "azure":
            return storage_setup.azure_storage(enter(azurite.start(work)))
        if name == "hub":
            return enter(storage_setup.hub_storages())[0]
        if name == "registry":
            return enter(storage_setup.registry_storages())[0]
        return next(storage for storage in enter(storage_setup.http_storages(work)) if storage.name == name)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds of each case")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--only", default="", help="only cases whose names contain this, such as s3-upload-lost")
    parser.add_argument("--kills", type=int, default=100, help="number of kills, over all storages")
    options = parser.parse_args()
    wanted = cases(range(options.first, options.first + options.seeds))
    wanted = [case for case in wanted if options.only in f"{case}-"]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sealift-soak-") as directory, ExitStack() as stack:
        found = Storages(stack, Path(directory))
        outcomes, failed = _run(wanted, found, Path(directory))
        results, fatal = _kill(0 if options.only else options.kills, found, Path(directory), options.first)
    print(f"{len(wanted)} cases, {sum(stats.kills for _, stats in results)} kills, {time.monotonic() - begun:.0f} s")
    if not options.only:
        _RESULTS.write_text(_table(outcomes, results, options.seeds, options.kills))
    for line in (*failed, *fatal):
        print(line)
    return 1 if failed or fatal else 0


def _run(wanted: list[Case], found: Storages, directory: Path) -> tuple[Outcomes, list[str]]:
    outcomes: Outcomes = {}
    failed = []
    for case in wanted:
        work = directory / "work" / str(case)
        tally = outcomes.setdefault((case.fault, case.storage, case.direction), Counter())
        try:
            tally[Trial(case, found[case.storage], work).run()] += 1
        except Violation as violation:
            tally["violation"] += 1
            failed.append(
                f"FAILED {violation}\n    repeat: python -m tests.faults.soak --only {case}- --first {case.seed}"
            )
            traceback.print_exc()
        except Exception:
            print(f"in {case}", file=sys.stderr)
            raise
        shutil.rmtree(work, ignore_errors=True)
    return outcomes, failed


def _kill(kills: int, found: Storages, directory: Path, seed: int) -> tuple[list[tuple[str, KillStats]], list[str]]:
    results: list[tuple[str, KillStats]] = []
    failed: list[str] = []
    number = 0
    while sum(stats.kills for _, stats in results) + len(failed) * _KILLS < kills:
        name, direction, shape = _KILLED[number % len(_KILLED)]
        work = directory / f"kill-{number}"
        try:
            stats = killed(found[name], direction, seed + number, work, kills=_KILLS, shape=shape)
            results.append((f"{name} | {direction} | {shape}", stats))
        except Violation as violation:
            failed.append(f"FAILED {violation}")
        shutil.rmtree(work, ignore_errors=True)
        number += 1
    return results, failed


def _table(outcomes: Outcomes, results: list[tuple[str, KillStats]], seeds: int, kills: int) -> str:
    lines = [
        "# Results of fault injection",
        "",
        f"Produced by `tox -e soak -- --seeds {seeds} --kills {kills}`. `kinds.py` defines the faults, `trial.py` the",
        "checks of each case. *Undetected*: bytes for which the service provides no checksum were damaged in transit,",
        "and `Event.verified` is `size-only`.",
        "",
        "| fault | storage | direction | cases | correct bytes | clear error | undetected | violations |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (fault, storage, direction), tally in sorted(outcomes.items()):
        counts = [tally[name] for name in ("right bytes", "clear error", "size-only", "violation")]
        lines.append(f"| {fault} | {storage} | {direction} | {tally.total()} | {' | '.join(map(str, counts))} |")
    lines += [
        "",
        "## Kills",
        "",
        "A process is killed at a random byte, or at one of its first requests without a body, and started again until",
        f"it finishes. Each transfer is killed {_KILLS} times; if it finishes earlier, another one gets the rest.",
        "",
        "- An *object* is one large file. A *directory* is 28 small and large files, written one by one into an",
        "  existing directory. A *tree* is a new directory, which appears at once.",
        "- *Moved again*: body bytes per kill beyond the size of the files. *Allowed*: the two parts in flight; when",
        "  many files are downloaded, also 256 KiB of small files that may not be in the journal yet; when many files",
        "  are uploaded, also the finished files, which are sent again.",
        "- *Removed*: uploads whose name the process could not record before it was killed. They were removed by the",
        "  clean-up described in [BACKENDS.md](../../BACKENDS.md#uploads-that-were-killed). Nothing else was left.",
        "",
        "| storage | direction | shape | kills | transfers | files, MiB | moved again, MiB | allowed, MiB | removed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in dict(results):
        total = sum((stats for other, stats in results if other == name), KillStats())
        each = [total.size / total.transfers, *((b - total.size) / total.kills for b in (total.moved, total.most))]
        sizes = " | ".join(f"{size / MiB:.2f}" for size in each)
        lines.append(f"| {name} | {total.kills} | {total.transfers} | {sizes} | {total.orphaned} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
