"""Runs the initializer as in a pod: as user 1000 if this process may, without HOME, with one writable directory."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["started", "volume"]

USER = 1000
# Reports at its end what it has written outside the directory.
PROGRAM = """
import atexit, os, sys
allowed = (os.environ["ALLOWED"], "/dev/null", "/proc/self/fd/")
written = []

def observe(event, arguments):
    if event == "open":
        writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    else:
        writes = event in {"os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link", "os.truncate"}
    path = arguments[0] if arguments else None
    if writes and isinstance(path, (str, bytes)) and not os.fsdecode(path).startswith(allowed):
        if os.path.isabs(os.fsdecode(path)):  # others are relative to a descriptor below the directory
            written.append((event, os.fsdecode(path)))

sys.addaudithook(observe)
atexit.register(lambda: print("written elsewhere:", written, flush=True))
from sealift.kserve.initializer import main
main()
"""


@contextmanager
def volume() -> Iterator[Path]:
    """An empty directory like an emptyDir: of another user, but writable."""
    directory = Path(tempfile.mkdtemp(prefix="volume-"))
    try:
        directory.chmod(0o777)
        yield directory
    finally:
        shutil.rmtree(directory)


def started(arguments: Sequence[str], allowed: Path, environ: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start the initializer.

    Args:
        arguments: Its arguments.
        allowed: The only directory that it may write to.
        environ: Its environment variables, besides those that it needs to run.
    """
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": "/proc/1",  # nobody can write there
        "ALLOWED": str(allowed),
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**variables, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        start_new_session=True,
        **_user(),
    )


@cache
def _user() -> Mapping[str, Any]:
    """The arguments that change the user; {}: this process may not, or that user may not run this interpreter."""
    if os.geteuid() != 0:
        return {}
    change: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []}
    command = [sys.executable, "-c", "import ssl, sealift.kserve"]
    try:
        done = subprocess.run(command, cwd="/", check=False, capture_output=True, **change)
    except PermissionError:
        return {}
    return change if done.returncode == 0 else {}
