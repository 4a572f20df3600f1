"""Compare `sealift cp --unpack` with `curl | tar x`, and for a zip with `curl` and `unzip`.

    python -m bench.unpack [--repeat N] [--mib SIZE] [--directory DIRECTORY]

nginx serves the archives from a folder of `--directory` (default: `/dev/shm`), where they are unpacked too. Prints the
medians of CPU seconds of the client with its children, wall time, and the peak memory of all processes together.
"""

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import measure
from bench.nginx import nginx

FORMS = {"m.tar": "tar cf", "m.tar.gz": "tar czf", "m.tar.zst": "tar --zstd -cf", "m.zip": "zip"}


def _tree(root: Path, mib: int) -> None:
    """Four shards whose bytes compress to about 60 %, and 1,000 files of 10 KiB."""
    random.seed(1)
    table = bytes(number if number % 3 else 0 for number in range(256))
    root.mkdir()
    for number in range(4):
        with (root / f"shard-{number}").open("wb") as file:
            for _ in range(mib // 4):
                file.write(random.randbytes(1 << 20).translate(table))
    (root / "small").mkdir()
    for number in range(1000):
        (root / "small" / str(number)).write_bytes(random.randbytes(10 << 10))


def _pack(tree: Path, archive: Path) -> None:
    if archive.suffix == ".zip":
        shutil.make_archive(str(archive.with_suffix("")), "zip", tree)
    else:
        subprocess.run([*FORMS[archive.name].split(), archive, "-C", tree, "."], check=True)


def _clients(url: str, form: str) -> Mapping[str, list[str]]:
    """The commands; each unpacks into the folder `new` of its working directory."""
    flags = {"m.tar": "x", "m.tar.gz": "xz", "m.tar.zst": "x --zstd"}
    by_hand = (
        f"curl -sf {url} -o archive && unzip -q archive -d new && rm archive"
        if form == "m.zip"
        else f"mkdir new && curl -sf {url} | tar -C new -{flags[form]} -f -"
    )
    sealift = str(Path(sys.executable).with_name("sealift"))
    return {
        "sealift": [sealift, "cp", "--unpack", url, "new"],
        "curl": ["/bin/sh", "-c", by_hand],
    }


def _different(tree: Path, new: Path) -> bool:
    return subprocess.run(["diff", "-r", tree, new], check=False, stdout=subprocess.DEVNULL).returncode != 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--mib", type=int, default=512, help="size of the shards together")
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        work = Path(directory)
        _tree(work / "tree", options.mib)
        (work / "served").mkdir()
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(work)}
        print(f"{'archive':10} {'client':8} {'CPU s':>6} {'wall s':>6} {'peak MiB':>8}")
        for form in FORMS:
            _pack(work / "tree", work / "served" / form)
            with nginx(work / "served", work) as servers:
                samples: dict[str, list[measure.Sample]] = {}
                for _ in range(options.repeat):
                    for name, command in _clients(f"{servers.plain.endpoint}/{form}", form).items():
                        place = Path(tempfile.mkdtemp(dir=work))
                        samples.setdefault(name, []).append(measure.run(command, environ, place))
                        if _different(work / "tree", place / "new"):
                            raise SystemExit(f"{name} has unpacked {form} wrongly")
                        shutil.rmtree(place)
            (work / "served" / form).unlink()
            for name, found in samples.items():
                cpu = statistics.median(sample.cpu_s for sample in found)
                wall = statistics.median(sample.wall_s for sample in found)
                peak = max(sample.peak_pss or 0 for sample in found) >> 20
                print(f"{form:10} {name:8} {cpu:6.2f} {wall:6.2f} {peak:8}", flush=True)


if __name__ == "__main__":
    main()
