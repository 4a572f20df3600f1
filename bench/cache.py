"""Scenario k: what the cache costs, and what it saves.

    python -m bench.cache [--repeat N] [--shard-mib SIZE] [--quick] [--results DIRECTORY]

- hits: one object, and a prefix of 1,000 small files, that are in the cache already. nginx serves them
  (`nginx_s3.py`), and one process measures 100 hits of each. A plain HEAD of the object is what one request costs.
- filling: `download(uri)` into an empty cache beside `download(uri, dest)` of the same model; processes, in pairs.
- hub: `hf download` and sealift, each with an empty cache and then with the one that it has filled.

Everything that was written is on the disk before a process is measured. The bytes of the first round are compared with
the source.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bench import clouds, data, datasets, environments, machine, measure, peers, report
from bench.nginx_s3 import nginx_s3
from bench.servers import BUCKET, Server, ServerError
from bench.targets import Target

_CLIENTS = Path(__file__).with_name("clients")
_OBJECT, _MANY, _MODEL = "many/000/00000.bin", "many/", "model/"
_COUNT, _HITS = 1000, 100
_QUICK_COUNT, _QUICK_SHARD_MIB = 50, 4
_MOST_REQUESTS, _LONGEST_HIT_MS, _LONGEST_OFFLINE_MS, _MOST_EXTRA = 1, 5, 50, 0.03

Samples = dict[str, list[measure.Sample]]


class _Bench:
    """What all scenarios share: the programs, and a directory with the sources and a place for each run."""

    def __init__(self, programs: peers.Programs, work: Path, options: argparse.Namespace) -> None:
        self.programs = programs
        self.repeat: int = options.repeat
        self.place = work / "run"
        self._work = work
        self.objects = work / "objects"
        self.model = data.make(self.objects / BUCKET / _MODEL, datasets.model(options.shard_mib << 20))
        self.count = _QUICK_COUNT if options.quick else _COUNT
        data.make(self.objects / BUCKET / _MANY, datasets.small_objects(self.count))

    def measure(self, command: Sequence[str], server: Server, peer: str = "sealift") -> measure.Sample:
        """Run a client in the place of the run, where its caches are."""
        self.place.mkdir(exist_ok=True)
        client = next(each for each in peers.PEERS if each.name == peer)
        environ = peers.environ(client, server, self.place) | {
            "SEALIFT_CACHE": str(self.place / "cache"),
            "SEALIFT_CACHE_SIZE": "100%",  # by default, a tenth of the disk stays free: this machine's may be fuller
            "HF_HOME": str(self.place / "hf"),
        }
        os.sync()
        return measure.run(command, environ, self.place)

    def sealift(self, script: str, *arguments: str) -> list[str]:
        return [str(self.programs.sealift_python), str(_CLIENTS / script), *arguments]

    def clean(self) -> None:
        """Remove what the last run has left."""
        shutil.rmtree(self.place, ignore_errors=True)

    def hits(self, server: Server) -> Samples:
        """Hits of one object and of a prefix."""
        command = self.sealift("cache_hits.py", f"s3://{BUCKET}/{_OBJECT}", f"s3://{BUCKET}/{_MANY}", str(_HITS))
        found: Samples = {"hits": []}
        for _ in range(self.repeat):
            self.clean()
            found["hits"].append(self.measure(command, server))
        return found

    def filling(self, server: Server) -> Samples:
        """A download to the cache, and a plain one, in turns; the first of them alternates."""
        uri = f"s3://{BUCKET}/{_MODEL}"
        commands = {
            "to the cache": self.sealift("cached_download.py", uri),
            "to a path": self.sealift("sealift_download.py", uri, str(self.place / "model")),
        }
        found: Samples = {name: [] for name in commands}
        for number in range(self.repeat + 1):
            for name, command in sorted(commands.items(), reverse=bool(number % 2)):
                self.clean()
                sample = self.measure(command, server)
                if number:
                    found[name].append(sample)
                else:  # does not count
                    in_cache = self.place / "cache/v1/snapshots"
                    self._check(_only(in_cache) if in_cache.exists() else self.place / "model")
        return found

    def hub(self) -> Samples:
        """A repository of the hub: an empty cache, and the one that this has filled."""
        name = f"{BUCKET}/{_MODEL.rstrip('/')}"
        commands = {
            "hf": [str(self.programs.hf), "download", name],
            "sealift": self.sealift("cached_download.py", f"hf://{name}"),
        }
        found: Samples = {f"{peer}, {state}": [] for state in ("cold", "warm") for peer in commands}
        with clouds.hub(name, self.objects, self.model, self._work) as server:
            for number in range(self.repeat + 1):
                for peer, command in sorted(commands.items(), reverse=bool(number % 2)):
                    self.clean()
                    for state in ("cold", "warm"):
                        sample = self.measure(command, server, peer)
                        if number:
                            found[f"{peer}, {state}"].append(sample)
                    if not number:
                        self._check(_only(_only(self.place / "hf/hub", "models--*") / "snapshots"))
        return found

    def _check(self, directory: Path) -> None:
        data.check_digests(data.digests(directory), self.model)


def _only(directory: Path, pattern: str = "*") -> Path:
    """The only entry of a directory."""
    (found,) = directory.glob(pattern)
    return found


def _median(samples: Sequence[measure.Sample], of: Callable[[measure.Sample], float]) -> float:
    return statistics.median(map(of, samples))


def _extra(samples: Samples) -> float:
    """The median of how much more a download to the cache takes than the plain one of its pair."""
    pairs = zip(samples["to the cache"], samples["to a path"], strict=True)
    return statistics.median(cached.wall_s / plain.wall_s - 1 for cached, plain in pairs)


def _targets(samples: Mapping[str, Samples]) -> list[Target]:
    hits = samples["hits"]["hits"]
    requests = max(each.report["object_requests"] for each in hits)
    beyond = _median(hits, lambda each: each.report["object_ms"] - each.report["head_ms"])
    offline = _median(hits, lambda each: each.report["offline_ms"])
    extra = _extra(samples["filling"])
    return [
        Target(f"a hit of one object sends at most {_MOST_REQUESTS} request", f"{requests:.0f}", requests <= 1),
        Target(f"and takes at most {_LONGEST_HIT_MS} ms more than that", f"{beyond:.1f} ms", beyond <= _LONGEST_HIT_MS),
        Target(
            f"a hit of {_COUNT:,} files offline takes at most {_LONGEST_OFFLINE_MS} ms",
            f"{offline:.1f} ms",
            offline <= _LONGEST_OFFLINE_MS,
        ),
        Target(f"filling the cache takes at most {_MOST_EXTRA:.0%} more", f"{extra:+.1%}", extra <= _MOST_EXTRA),
    ]


def _page(samples: Mapping[str, Samples], bench: _Bench, about: Mapping[str, str], targets: list[Target]) -> str:
    hits, model = samples["hits"]["hits"], bench.model
    extra = _extra(samples["filling"])
    lines = [
        "# The cache",
        "",
        f"Produced by `{about['command']}`: medians of {bench.repeat} runs. The model has {len(model.files)} files and",
        f"{model.total / 1e6:,.0f} MB. Servers and clients share the machine.",
        "",
        f"Machine: {', '.join(f'{name} {value}' for name, value in machine.describe().items())}.",
        f"Versions: {about['versions']}.",
        "",
        "## Hits",
        "",
        f"In one process; each figure is the median of {_HITS} hits.",
        "",
        "| | ms | requests |",
        "|---|---:|---:|",
        f"| one object | {_of(hits, 'object_ms'):.2f} | {_of(hits, 'object_requests'):.0f} |",
        f"| for comparison: a plain HEAD of it | {_of(hits, 'head_ms'):.2f} | 1 |",
        f"| a prefix of {bench.count:,} files | {_of(hits, 'prefix_ms'):.1f} | {_of(hits, 'prefix_requests'):.0f} |",
        f"| the same, offline | {_of(hits, 'offline_ms'):.1f} | {_of(hits, 'offline_requests'):.0f} |",
        "",
        "## Filling the cache",
        "",
        "The model, from nginx to a disk, by new processes in pairs. Compared with a download to a path, one to the",
        f"cache takes {extra:+.1%} (median of the pairs).",
        "",
        *_table(samples["filling"]),
        "",
        "## hf download",
        "",
        "The same model as a repository of a hub, by new processes: into an empty cache, and again.",
        "",
        *_table(samples["hub"]),
    ]
    if targets:
        lines += ["", "## Targets", "", report.target_list(targets)]
    return "\n".join(lines) + "\n"


def _of(hits: Sequence[measure.Sample], name: str) -> float:
    return _median(hits, lambda each: each.report[name])


def _table(samples: Samples) -> list[str]:
    rows = ["| | wall time, s | CPU time, s | peak memory, MiB |", "|---|---:|---:|---:|"]
    for name, found in samples.items():
        walls = [each.wall_s for each in found]
        wall = f"{statistics.median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f})"
        peak = max(each.peak_pss or 0 for each in found) >> 20
        rows.append(f"| {name} | {wall} | {_median(found, lambda each: each.cpu_s):.2f} | {peak} |")
    return rows


def _write(directory: Path, page: str, document: Mapping[str, object]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cache.md").write_text(page, encoding="utf-8")
    (directory / "cache.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cache", description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="counted runs of each client (default: 5)")
    parser.add_argument("--shard-mib", type=int, default=256, help="size of each of the 6 shards (default: 256)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything work?")
    parser.add_argument("--results", type=Path, help="write cache.md and cache.json to this directory")
    parser.add_argument("--work-dir", type=Path, default=Path("/var/tmp"), help="a directory on the disk to measure")
    parser.add_argument("--sealift-python", type=Path, help="an interpreter with sealift[uvloop]")
    parser.add_argument("--peers-python", type=Path, help="an interpreter with the packages of peers.txt")
    options = parser.parse_args()
    if options.quick:
        options.shard_mib = _QUICK_SHARD_MIB
    return options


def main() -> int:
    options = _arguments()
    try:
        programs = environments.programs(options.sealift_python, options.peers_python, with_sealift=True)
        with tempfile.TemporaryDirectory(dir=options.work_dir, prefix="sealift-cache-") as directory:
            bench = _Bench(programs, Path(directory), options)
            with nginx_s3(bench.objects, ["model", "many"], Path(directory), checksums=True) as server:
                samples = {"hits": bench.hits(server), "filling": bench.filling(server)}
            samples["hub"] = bench.hub()
    except (ServerError, environments.SetupError, measure.CommandError, data.WrongBytesError) as error:
        print(error, file=sys.stderr)
        return 1
    installed = environments.versions(programs.sealift_python, "sealift")
    installed |= environments.versions(programs.peers_python, "huggingface_hub")
    about = {
        "command": f"python -m bench.cache --repeat {options.repeat} --shard-mib {options.shard_mib}",
        "versions": ", ".join(f"{name} {version}" for name, version in installed.items()),
    }
    # A smoke run is not a measurement, so it is not compared with the targets.
    targets = [] if options.quick else _targets(samples)
    page = _page(samples, bench, about, targets)
    print(page)
    if options.results is not None:
        found = {
            scenario: {name: [asdict(sample) for sample in runs] for name, runs in part.items()}
            for scenario, part in samples.items()
        }
        judged = [asdict(target) for target in targets]
        _write(options.results, page, {**about, "machine": machine.describe(), "samples": found, "targets": judged})
    return 0


if __name__ == "__main__":
    sys.exit(main())
