"""Scenario t: read the tensors of a model from nginx into the memory of a process.

    python -m bench.tensors [--gib 4] [--repeat 3] [--peers NAME,…] [--python PYTHON] [--tmpfs-dir DIRECTORY]

The model has four files and an index, and matrices of 32 MiB and vectors of 16 KiB, as a language model. Each client
keeps all tensors in CPU memory, as torch's. The peers are the Run:ai model streamer in its S3 mode,
safetensors-streaming, and a download with sealift to a tmpfs or a disk, after which the official library reads the
files. Then sealift reads as each of two ranks, of which each needs half of the rows. The packages are those of
`tensors.txt`, beside this checkout of sealift.

Prints medians: seconds until the first tensor and until the last, after the imports; CPU seconds of the whole process;
and its peak memory beyond the weights and what it had after the imports.
"""

import argparse
import json
import random
import shutil
import statistics
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import environments, measure
from bench.data import touch_memory
from bench.nginx import nginx
from bench.servers import BUCKET, Server

_CLIENTS = Path(__file__).with_name("clients")
_MATRIX, _VECTOR = (4096, 4096), (8192,)
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its script and further arguments, and whether it can verify the server's certificate."""

    script: str
    arguments: tuple[str, ...] = ()
    tls: bool = True


def _clients(tmpfs: Path, disk: Path) -> Mapping[str, Client]:
    return {
        "sealift": Client("sealift_tensors.py"),
        "runai": Client("runai_tensors.py"),
        # Its TLS library has certificates of its own.
        "safetensors-streaming": Client("streaming_tensors.py", tls=False),
        "tmpfs + load_file": Client("downloaded_tensors.py", (str(tmpfs),)),
        "disk + load_file": Client("downloaded_tensors.py", (str(disk),)),
        "sealift, rank 0": Client("sealift_tensors.py", ("--rank", "0")),
        "sealift, rank 1": Client("sealift_tensors.py", ("--rank", "1")),
    }


def _write_model(folder: Path, total: int) -> None:
    """Write the files of a model of about `total` bytes."""
    folder.mkdir(parents=True)
    noise = random.Random(1).randbytes(1 << 20)
    count = max(total // 4 // (2 * _MATRIX[0] * _MATRIX[1]), 1)
    where = {}
    for number in range(4):
        path = folder / f"model-{number + 1:05}-of-00004.safetensors"
        header, end = {}, 0
        for layer in range(count):
            for kind, shape in (("weight", _MATRIX), ("norm", _VECTOR)):
                size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
                name = f"layers.{number}.{layer}.{kind}"
                header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
                where[name], end = path.name, end + size
        text = json.dumps(header).encode()
        with path.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for start in range(0, end, len(noise)):
                stamp = struct.pack("<QQ", number, start)
                file.write((stamp + noise[16:])[: end - start])
    (folder / _INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}))


def _environ(server: Server, index: Path, home: Path) -> dict[str, str]:
    found = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(home), "INDEX": str(index),
        "AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key, "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.endpoint, "AWS_EC2_METADATA_DISABLED": "true",
        "RUNAI_STREAMER_S3_ENDPOINT": server.endpoint, "RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING": "0",
    }  # fmt: skip
    if server.ca_bundle is not None:
        found["AWS_CA_BUNDLE"] = str(server.ca_bundle)
    return found


_PAGE = """# Tensors

Produced by `python -m bench.tensors --gib {gib:g} --repeat {repeat}`: medians. A model in four shards, from nginx into
the memory of a new process: seconds to the first tensor and to the last one, speed, CPU time of the client, the most
memory beyond that of the weights, and the share of the bytes that was read. Each rank reads half of the rows of each
tensor. Servers and clients share the machine.

"""


def main() -> None:
    options = _arguments()
    python = options.python or environments.tensors_python()
    chosen = options.peers and set(options.peers.split(","))
    lines: list[str] = []
    with (
        tempfile.TemporaryDirectory(dir=options.work_dir) as on_disk,
        tempfile.TemporaryDirectory(dir=options.tmpfs_dir) as fast,
    ):
        work, tmpfs = Path(on_disk), Path(fast) / "model"
        size = int(options.gib * (1 << 30))
        _write_model(work / "objects" / BUCKET / "m", size)
        clients = {
            name: client
            for name, client in _clients(tmpfs, work / "model").items()
            if chosen is None or name.partition(",")[0] in chosen
        }
        index = work / "objects" / BUCKET / "m" / _INDEX
        with nginx(work / "objects", work) as servers:
            for title, server in (("plain", servers.plain), ("TLS 1.3", servers.tls13)):
                samples: dict[str, list[measure.Sample]] = {name: [] for name in clients}
                for round_number in range(options.repeat + 1):  # the first one does not count
                    for name, client in clients.items():
                        if server is servers.plain or client.tls:
                            command = [
                                str(python),
                                str(_CLIENTS / client.script),
                                f"s3://{BUCKET}/m/{_INDEX}",
                                *client.arguments,
                            ]
                            command += [] if round_number else ["--check"]
                            touch_memory(size, Path(fast))
                            samples[name].append(measure.run(command, _environ(server, index, work), work))
                            for folder in (tmpfs, work / "model"):
                                shutil.rmtree(folder, ignore_errors=True)
                found = _lines(title, samples)
                print("\n".join(found), flush=True)
                lines += found
    if options.write:
        table = "\n".join(["```text", *lines, "```", ""])
        options.write.write_text(_PAGE.format(gib=options.gib, repeat=options.repeat) + table, encoding="utf-8")


def _lines(title: str, samples: Mapping[str, list[measure.Sample]]) -> list[str]:
    names = f"{'first s':>8} {'total s':>8} {'MB/s':>7} {'CPU s':>7} {'MiB beyond weights':>19} {'read':>5}"
    lines = [f"{title:22} {names}"]
    whole = {found[0].report["check"] for name, found in samples.items() if found and "rank" not in name}
    if len(whole) > 1:
        raise SystemExit("the clients have read different bytes")
    total = max((found[0].report["weights"] for found in samples.values() if found), default=1)
    for name, (_, *found) in ((name, found) for name, found in samples.items() if found):
        report = found[-1].report
        first = statistics.median(sample.report["first_s"] for sample in found)
        last = statistics.median(sample.transfer_s for sample in found)
        cpu = statistics.median(sample.cpu_s for sample in found)
        peak = statistics.median(
            sample.peak_rss - sample.report["weights"] - sample.report["resident_before"] for sample in found
        )
        rate, beyond = report["weights"] / last / 1e6, peak / (1 << 20)
        read = f"{report['bytes_read'] / total:.2f}" if "bytes_read" in report else ""
        lines.append(f"{name:22} {first:8.2f} {last:8.2f} {rate:7.0f} {cpu:7.2f} {beyond:19.0f} {read:>5}".rstrip())
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.tensors")
    parser.add_argument("--gib", type=float, default=4, help="size of the model")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a page with the figures to this file")
    parser.add_argument("--peers", help="comma-separated names; default: all")
    parser.add_argument("--python", type=Path, help="an interpreter with sealift and the packages of tensors.txt")
    parser.add_argument("--work-dir", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--tmpfs-dir", type=Path, default=Path("/dev/shm"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
