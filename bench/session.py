"""A benchmark session: start each server, and run all peers against it in interleaved rounds."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import clouds, data, measure, nginx, nginx_s3, peers, servers, wan
from bench.datasets import MiB
from bench.destinations import Bucket, Destination, Directory
from bench.peers import Job, Peer, Programs
from bench.scenarios import LISTS, ROUND_TRIPS, S3_SERVICES, SERVES_OBJECTS, Direction, FileSystem, Scenario, Service
from bench.servers import Server

# A warm-up that takes longer than this, and this many times as long as the fastest one, counts and is the only run: a
# cold start makes no difference then, and more runs would take most of the session.
SLOW_S, SLOW_TIMES = 20.0, 4.0
# The slower of a peer's two variants is dropped after the first counted round if it is slower by this factor twice.
BEHIND = 1.2
# The files of a run on the disk are kept until the end of the session if there are more than this.
MANY = 1000


def source(work: Path, scenario: Scenario) -> Path:
    """The source directory of a scenario: below the root of a server, or local to the client."""
    if scenario.service is Service.HUB:
        return work / "hub" / servers.BUCKET / scenario.folder
    if scenario.direction is Direction.DOWNLOAD and scenario.service in S3_SERVICES:
        return work / "objects" / servers.BUCKET / scenario.folder
    return work / "source" / scenario.folder


@dataclass(slots=True)
class Run:
    """The counted samples of one variant of one peer in one scenario."""

    peer: Peer
    variant: str
    command: Sequence[str]
    warm_up: measure.Sample | None = None
    samples: list[measure.Sample] = field(default_factory=list)


class Session:
    """The state shared by all scenarios."""

    def __init__(
        self,
        work: Path,
        memory: Path,
        programs: Programs,
        datasets: dict[Path, data.Dataset],
        say: Callable[[str], None],
    ) -> None:
        self._work, self._programs, self._datasets, self._say = work, programs, datasets, say
        self._memory = memory
        self._objects = work / "objects"
        self._home = work / "home"
        self._home.mkdir()

    @contextlib.contextmanager
    def serving(self, service: Service, scenarios: Sequence[Scenario]) -> Iterator[Server]:
        """Run a server only during its own scenarios, so that it uses no CPU while another one is measured."""
        with contextlib.ExitStack() as stack:
            if service in SERVES_OBJECTS:
                found = stack.enter_context(nginx.nginx(self._objects, self._work))
                yield {Service.NGINX_TLS: found.tls13, Service.NGINX_TLS12: found.tls12}.get(service, found.plain)
            elif service in ROUND_TRIPS:
                folders = {scenario.folder for scenario in scenarios}
                ends = stack.enter_context(wan.link(ROUND_TRIPS[service]))
                with wan.inside(ends.server):
                    server = stack.enter_context(
                        nginx_s3.nginx_s3(
                            self._objects,
                            folders,
                            self._work,
                            checksums=True,
                            address=wan.ADDRESS,
                            connection_rate=wan.CONNECTION_RATE,
                        )
                    )
                yield replace(server, client_namespace=ends.client)
            elif service in LISTS:
                folders, crcs = {scenario.folder for scenario in scenarios}, service is Service.NGINX_CRC
                yield stack.enter_context(nginx_s3.nginx_s3(self._objects, folders, self._work, checksums=crcs))
            elif service is Service.NGINX_PUT:
                (file_system,) = {scenario.file_system for scenario in scenarios}
                yield stack.enter_context(nginx.nginx_put(self._target(file_system), self._work))
            elif service is Service.HUB:
                (scenario,) = scenarios
                folder = source(self._work, scenario)
                name, storage = f"{servers.BUCKET}/{scenario.folder}", self._work / "hub"
                yield stack.enter_context(clouds.hub(name, storage, self._datasets[folder], self._work))
            elif service in {Service.GCS, Service.AZURE}:
                start = clouds.gcs if service is Service.GCS else clouds.azure
                server = stack.enter_context(start(self._work))
                for scenario in scenarios:
                    self._bucket(server, scenario.folder).fill(source(self._work, scenario))
                yield server
            else:
                server = stack.enter_context(servers.seaweedfs(self._work))
                self._bucket(server, "").make()
                yield server

    def _target(self, file_system: FileSystem | None) -> Path:
        return (self._memory if file_system is FileSystem.TMPFS else self._work) / "target"

    def _bucket(self, server: Server, folder: str) -> Bucket:
        return Bucket(self._programs.rclone, peers.environ(peers.PEERS[0], server, self._home), folder)

    def _ends(self, scenario: Scenario, server: Server) -> tuple[Path, Destination]:
        """The local path of the transfers, and the destination to check."""
        target = self._target(scenario.file_system)
        many = len(scenario.sizes) > MANY and scenario.file_system is not FileSystem.TMPFS
        old = self._work / "old" if many else None
        if scenario.direction is Direction.DOWNLOAD:
            path = target / ("tree" if scenario.is_prefix else Path(scenario.key).name)
            return path, Directory(path if scenario.is_prefix else target, target, old)
        folder = source(self._work, scenario)
        path = folder if scenario.is_prefix else folder / Path(scenario.key).name
        if scenario.service is Service.SEAWEEDFS:
            return path, self._bucket(server, scenario.folder)
        return path, Directory(target / servers.BUCKET / scenario.folder, target, old)

    def run(self, scenario: Scenario, server: Server, chosen: Sequence[Peer], repeat: int) -> list[Run]:
        """Run all variants of the peers that support `scenario`, interleaved: one verified warm-up, then `repeat` runs.

        Raises:
            measure.CommandError: a peer failed.
            data.WrongBytesError: a peer reported success, but its bytes differ from the source.
        """
        path, destination = self._ends(scenario, server)
        job = Job(scenario.key, scenario.is_prefix, path, scenario.service.scheme, scenario.work_ms)
        runs = [
            Run(peer, variant, command(self._programs, job))
            for peer in chosen
            if peer.cannot(scenario) is None
            for variant, command in peer.variants(scenario).items()
        ]
        # In i, the client and its event loop have one CPU, everything else another.
        cpu = None if scenario.work_ms is None else servers.other_cpu()
        with servers.pinned(server.pids, cpu):
            self._rounds(scenario, server, destination, runs, repeat, cpu)
        return runs

    def _rounds(
        self,
        scenario: Scenario,
        server: Server,
        destination: Destination,
        runs: list[Run],
        repeat: int,
        cpu: int | None,
    ) -> None:
        active = runs
        for turn in range(repeat + 1):
            # Each round starts with a different variant, so that none always runs after the same one.
            first = turn % max(len(active), 1)
            for run in active[first:] + active[:first]:
                sample = self._once(scenario, server, destination, run, cpu, verify=turn == 0)
                if turn == 0:
                    run.warm_up = sample
                else:
                    run.samples.append(sample)
            if turn == 0:
                active = _without_slow(active)
            elif turn == 1:
                active = [run for run in active if not _behind(run, active)]

    def _once(
        self,
        scenario: Scenario,
        server: Server,
        destination: Destination,
        run: Run,
        cpu: int | None,
        *,
        verify: bool,
    ) -> measure.Sample:
        dataset = self._datasets[source(self._work, scenario)]
        destination.empty()
        data.touch_memory(dataset.total, self._target(scenario.file_system).parent)
        try:
            before = servers.cpu_seconds(server.pids)
            environ = peers.environ(run.peer, server, self._home)
            with wan.inside(server.client_namespace):
                sample = measure.run(run.command, environ, self._home, children_cpu=cpu)
            after = servers.cpu_seconds(server.pids)
            if before is not None and after is not None:
                sample = replace(sample, server_cpu_s=after - before)
            destination.check(dataset, every_byte=verify)
        except (measure.CommandError, data.WrongBytesError) as error:
            error.add_note(f"in scenario {scenario.id}, {run.peer.name} ({run.variant})")
            raise
        kind, memory = "warm-up" if verify else "counted", sample.peak_pss or sample.peak_rss
        self._say(
            f"  {scenario.id} {run.peer.name:<20} {run.variant:<8} {kind:<8} "
            f"{sample.transfer_s:7.2f} s {sample.cpu_s:7.2f} s CPU {memory / MiB:7.0f} MiB"
        )
        return sample


def _without_slow(runs: list[Run]) -> list[Run]:
    warm_ups = [run.warm_up for run in runs if run.warm_up is not None]
    limit = max(SLOW_S, SLOW_TIMES * min((warm_up.transfer_s for warm_up in warm_ups), default=0.0))
    for run in runs:
        if run.warm_up is not None and run.warm_up.transfer_s > limit:
            run.samples.append(run.warm_up)
    return [run for run in runs if not run.samples]


def _behind(run: Run, active: Sequence[Run]) -> bool:
    def walls(one: Run) -> list[float]:
        return [sample.transfer_s for sample in (one.warm_up, *one.samples) if sample is not None]

    others = [other for other in active if other.peer is run.peer and other is not run]
    return any(
        all(ours > BEHIND * theirs for ours, theirs in zip(walls(run), walls(other), strict=True)) for other in others
    )
