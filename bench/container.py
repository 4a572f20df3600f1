"""A small container: one object of 3 GiB, and 20 objects of 200 MiB, with 1 CPU and 400 MiB of memory.

    python -m bench.container [--repeat N] [--quick] [--work-dir DIR] [--write FILE]

Needs root. nginx serves the objects (`nginx_s3.py`); their ETags are MD5s, and there is no other checksum. sealift and
rclone compare the MD5s by default. Each client runs in control groups of its own, whose memory includes the page cache,
so the peak is that of all processes together (PSS).
"""

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import data, environments, machine, measure, peers
from bench.control_groups import confined, control_groups
from bench.datasets import GiB, MiB, files
from bench.nginx_s3 import nginx_s3
from bench.peers import Command, Job, Peer, Programs
from bench.servers import BUCKET, Server

_CPUS, _MEMORY = 1, 400 * MiB
_PEERS = {peer.name: peer for peer in peers.PEERS}
# Which checksums the client compares, and its command.
_CLIENTS: Sequence[tuple[str, str, str]] = (
    ("sealift", "default", "MD5"),
    ("sealift-unverified", "default", "none"),
    ("rclone", "default", "MD5"),
    ("rclone", "tuned", "none"),
    ("s5cmd", "default", "none"),
    ("s5cmd", "tuned", "none"),
)


@dataclass(frozen=True, slots=True)
class _Client:
    peer: Peer
    variant: str
    compares: str
    command: Command
    samples: list[measure.Sample] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.container", description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work?")
    parser.add_argument("--work-dir", type=Path, default=Path("/var/tmp"), help="needs 12 GB")
    parser.add_argument("--write", type=Path, help="write the tables to this file")
    parser.add_argument("--sealift-python", type=Path, help="an interpreter with sealift")
    parser.add_argument("--peers-python", type=Path, help="an interpreter with the packages of peers.txt")
    options = parser.parse_args()
    programs = environments.programs(options.sealift_python, options.peers_python, with_sealift=True)
    large, many = ({"object.bin": 64 * MiB}, files(20, 2 * MiB)) if options.quick else (
        {"object.bin": 3 * GiB}, files(20, 200 * MiB)
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=options.work_dir, prefix="container-") as directory:
        work = Path(directory)
        bucket = work / "objects" / BUCKET
        sources = {"large": data.make(bucket / "large", large), "many": data.make(bucket / "many", many)}
        with nginx_s3(work / "objects", list(sources), work, checksums=False) as server:
            tables = [
                _table(folder, source, _compare(folder, source, server, programs, work, options.repeat))
                for folder, source in sources.items()
            ]
    text = _page(tables, options.repeat)
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")


def _compare(
    folder: str, source: data.Dataset, server: Server, programs: Programs, work: Path, repeat: int
) -> list[_Client]:
    """Run all clients in turn; each round begins with another one."""
    clients = [
        _Client(_PEERS[name], variant, compares, _PEERS[name].downloads[variant])
        for name, variant, compares in _CLIENTS
    ]
    for number in range(repeat):
        for client in clients[number % len(clients) :] + clients[: number % len(clients)]:
            sample = _run(client, folder, source, server, programs, work, every_byte=number == 0)
            client.samples.append(sample)
            print(f"{folder}: {client.peer.name} ({client.variant}): {sample.wall_s:.1f} s", flush=True)
    return clients


def _run(
    client: _Client,
    folder: str,
    source: data.Dataset,
    server: Server,
    programs: Programs,
    work: Path,
    *,
    every_byte: bool,
) -> measure.Sample:
    home, target = work / "home", work / "target"
    for path in (home, target):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    single = len(source.files) == 1
    name = next(iter(source.files)) if single else ""
    job = Job(f"{folder}/{name}", not single, target / name)
    data.touch_memory(source.total, work)
    with control_groups(_CPUS, _MEMORY) as groups:
        command = confined(groups, os.getuid(), list(client.command(programs, job)))
        sample = measure.run(command, peers.environ(client.peer, server, home), home)
    data.check_sizes(data.sizes(target), source)
    if every_byte:
        data.check_digests(data.digests(target), source)
    return sample


def _table(folder: str, source: data.Dataset, clients: Sequence[_Client]) -> str:
    sizes = {file.size for file in source.files.values()}
    title = f"{len(source.files)} of {max(sizes) // MiB} MiB ({folder})"
    lines = [
        f"## {title}",
        "",
        "| | compares | wall time, s | CPU time, s | peak memory, MiB |",
        "|---|---|---:|---:|---:|",
    ]
    for client in clients:
        values = zip(*((sample.wall_s, sample.cpu_s) for sample in client.samples), strict=True)
        wall, cpu = (statistics.median(value) for value in values)
        peak = max(sample.peak_pss or 0 for sample in client.samples) >> 20
        name = f"{client.peer.name}, {client.variant}"
        lines.append(f"| {name} | {client.compares} | {wall:.1f} | {cpu:.1f} | {peak} |")
    return "\n".join(lines)


def _page(tables: Sequence[str], repeat: int) -> str:
    facts: Mapping[str, object] = machine.describe()
    about = ", ".join(f"{name}: {value}" for name, value in facts.items())
    head = [
        "# A small container",
        "",
        f"Downloads from nginx on the same machine to a disk, with {_CPUS} CPU and {_MEMORY // MiB} MiB of memory",
        f"(control groups). Written by `python -m bench.container`; medians of {repeat} runs, which alternate; the",
        f"memory is the highest. {about}.",
    ]
    return "\n\n".join(["\n".join(head), *tables]) + "\n"


if __name__ == "__main__":
    main()
