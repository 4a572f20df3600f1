"""Runs one situation with sealift's `kserve_storage` and with the original, and compares what they did."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kserve.row import Row
from tests.kserve.world import World

PROGRAM = Path(__file__).with_name("outcome.py")
DISTRIBUTION = Path(__file__).parents[2] / "deploy" / "kserve-storage"


@dataclass(frozen=True, slots=True)
class Compared:
    """A situation, and what both packages made of it.

    Attributes:
        row: The situation.
        ours: The outcome with sealift.
        theirs: The outcome with the original.
        wrong: What must not be; "": nothing.
    """

    row: Row
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]
    wrong: str

    @property
    def line(self) -> str:
        """The line of the table."""
        if self.wrong:
            return f"| {self.row.name} | WRONG | {self.wrong} |"
        result = "fails" if "error" in self.ours else f"{len(self.ours['files'])} files".replace("1 files", "1 file")
        return f"| {self.row.name.translate(PLAIN)} | {result} | {self.row.better} |"


PLAIN = str.maketrans("", "", "{}")


def version(original: str) -> str:
    """The version of the original in this environment."""
    code = "import importlib.metadata as m; print(m.version('kserve-storage'))"
    return subprocess.run([original, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def compare(row: Row, world: World, original: str) -> Compared:
    """Run a situation with both.

    Args:
        row: The situation.
        world: Where the models are.
        original: The interpreter of the original.
    """
    with ThreadPoolExecutor() as pool:  # threads wait for the processes
        path = os.pathsep.join([str(DISTRIBUTION), *filter(None, [os.environ.get("PYTHONPATH")])])
        extra = {"PYTHONPATH": path, "SEALIFT_PATIENCE": "1"}
        running = (
            pool.submit(outcome, row, world, sys.executable, extra),
            pool.submit(outcome, row, world, original, {}),
        )
    ours, theirs = (each.result() for each in running)
    both_fail = "error" in ours and "error" in theirs
    names = ("failed",) if both_fail else ("failed", "returned", "files", "links")
    differences = [name for name in names if seen(ours, name) != seen(theirs, name)]
    wrong = []
    if both_fail and len(ours["files"]) != len(row.before):  # the original may leave half a model
        wrong.append(f"leaves {sorted(ours['files'])}")
    if differences and not row.better:
        wrong.append(f"they differ in {', '.join(differences)}")
    if not differences and row.better:
        wrong.append("they do not differ")
    if "error" in ours and "RuntimeError" not in ours["classes"]:
        wrong.append(f"raises {ours['classes'][0]}")
    if not row.better and (others := set(ours["hosts"]) - set(theirs["hosts"])):
        wrong.append(f"connects to {others}")
    wrong += [f"leaves {ours[name]}" for name in ("temporary", "home", "variables") if ours[name]]
    return Compared(row, ours, theirs, "; ".join(wrong))


def pairs_of(row: Row, world: World, out_dir: str) -> list[tuple[str, str | None]] | None:
    """The URIs and directories of a call of `download_files`."""
    if row.more is None:
        return None
    return [(world.fill(uri), path if path is None else f"{out_dir}/{path}") for uri, path in row.more]


def seen(outcome: Mapping[str, Any], name: str) -> Any:
    return "error" in outcome if name == "failed" else outcome.get(name)


def outcome(row: Row, world: World, python: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """What a fresh process makes of a situation."""
    with tempfile.TemporaryDirectory(prefix="row-") as work:
        out_dir = f"{work}/{row.out_dir}" if isinstance(row.out_dir, str) else f"{work}/a/out"
        for name in ("tmp", "home"):
            os.mkdir(f"{work}/{name}")
        for path, data in row.before.items():
            os.makedirs(out_dir, exist_ok=True)
            Path(out_dir, path).write_bytes(data)
        told = {
            "uri": world.fill(row.uri),
            "out_dir": row.out_dir if isinstance(row.out_dir, str) else out_dir if row.out_dir else None,
            "allow": row.allow,
            "ignore": row.ignore,
            "addresses": world.addresses,
            "pairs": pairs_of(row, world, out_dir),
        }
        variables = {"PATH": os.environ["PATH"], "TMPDIR": f"{work}/tmp", "HOME": f"{work}/home"}
        variables |= world.environ | {name: world.fill(value) for name, value in row.environ.items()} | environ
        done = subprocess.run(
            [python, str(PROGRAM)], input=json.dumps(told), env=variables, cwd=work, capture_output=True, text=True,
            check=False, timeout=180,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{row.name}: {python} failed:\n{done.stderr}")
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1].replace(work, "WORK"))
        return result
