"""KServe's init container: a model of 3 GiB, as user 1000 with 1 CPU and 1 GiB of memory.

    python -m bench.initializer [--repeat N] [--shard-mib SIZE] [--write FILE]

Needs root. nginx serves the model (`nginx_s3.py`). Each client runs in control groups of its own, without HOME. The
page cache counts towards the memory of a control group, so the peak is that of all processes together (PSS).
"""

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import data, datasets, environments, machine, measure
from bench.control_groups import confined, control_groups
from bench.nginx_s3 import nginx_s3
from bench.servers import BUCKET

_KSERVE = Path(__file__).with_name("clients") / "kserve_download.py"
_USER, _CPUS, _MEMORY = 1000, 1, 1 << 30


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.initializer", description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--shard-mib", type=int, default=512, help="size of each of the 6 shards")
    parser.add_argument("--write", type=Path, help="write the table to this file")
    parser.add_argument("--sealift-python", type=Path, help="an interpreter with sealift")
    parser.add_argument("--peers-python", type=Path, help="an interpreter with the packages of peers.txt")
    options = parser.parse_args()
    sealift = options.sealift_python or environments.installed("sealift", environments.SEALIFT)
    peers = options.peers_python or environments.installed("peers", environments.PEERS)
    clients = {
        "sealift": [str(sealift.with_name("sealift-initializer"))],
        "kserve-storage": [str(peers), str(_KSERVE)],
    }
    installed = {
        "sealift": environments.versions(sealift, "sealift"),
        "kserve-storage": environments.versions(peers, "kserve-storage"),
    }
    samples: dict[str, list[measure.Sample]] = {name: [] for name in clients}
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="initializer-") as directory:
        work = Path(directory)
        work.chmod(0o755)
        source = data.make(work / "objects" / BUCKET / "model", datasets.model(options.shard_mib << 20))
        with nginx_s3(work / "objects", ["model"], work, checksums=True) as server:
            environ = {
                "PATH": "/usr/bin:/bin",
                "AWS_ACCESS_KEY_ID": server.access_key,
                "AWS_SECRET_ACCESS_KEY": server.secret_key,
                "AWS_ENDPOINT_URL": server.endpoint,
                "AWS_DEFAULT_REGION": "us-east-1",
            }
            for number in range(options.repeat):
                for name, command in clients.items():
                    samples[name].append(_run(name, command, environ, work, source, every_byte=number == 0))
    text = _page(samples, installed, source)
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")


def _run(
    name: str, command: list[str], environ: Mapping[str, str], work: Path, source: data.Dataset, *, every_byte: bool
) -> measure.Sample:
    place, volume = work / "run", work / "volume"
    for path in (place, volume):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    volume.chmod(0o777)
    model = volume / "models"
    with control_groups(_CPUS, _MEMORY) as groups:
        whole = confined(groups, _USER, [*command, f"s3://{BUCKET}/model/", str(model)])
        sample = measure.run(whole, environ, place)
    data.check_sizes(data.sizes(model), source)
    if every_byte:
        data.check_digests(data.digests(model), source)
    print(f"{name}: {sample.wall_s:.1f} s, {sample.cpu_s:.1f} s CPU, {(sample.peak_pss or 0) >> 20} MiB", flush=True)
    return sample


def _page(
    samples: Mapping[str, list[measure.Sample]], installed: Mapping[str, Mapping[str, str]], source: data.Dataset
) -> str:
    repeat = len(next(iter(samples.values())))
    about = ", ".join(f"{key}: {value}" for key, value in machine.describe().items())
    lines = [
        "# The init container",
        "",
        f"A model of {source.total / (1 << 30):.1f} GiB ({len(source.files)} files), from nginx on the same machine to",
        f"a disk, as user {_USER} with {_CPUS} CPU and {_MEMORY >> 30} GiB of memory (control groups). Written by",
        f"`python -m bench.initializer`; medians of {repeat} runs, which alternate; the memory is the highest.",
        f"{about}. Other work on the machine changes the wall time more than the CPU time.",
        "",
        "| | wall time, s | CPU time, s | peak memory, MiB |",
        "|---|---:|---:|---:|",
    ]
    for name, found in samples.items():
        version = " ".join(installed[name].values())
        wall, cpu = (statistics.median(values) for values in zip(*((s.wall_s, s.cpu_s) for s in found), strict=True))
        lines.append(f"| {name} {version} | {wall:.1f} | {cpu:.1f} | {max(s.peak_pss or 0 for s in found) >> 20} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
