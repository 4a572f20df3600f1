"""Programs run in subprocesses, for behaviour that is only visible from outside a process."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.api.servers import FakeS3

# Half a minute is for a busy machine; what hangs, hangs for ever.
PATIENCE = 30.0

# What is left open is told; that a fork with threads may be dangerous is what these tests are about.
WARNINGS = ("-W", "always::ResourceWarning", "-W", "ignore::DeprecationWarning")

PREAMBLE = """\
import os, sys, threading
from pathlib import Path
import sealift
from sealift import S3Config, Storage, StorageError, StorageOperations

HERE = Path(os.environ["HERE"])
config = S3Config("AKIAFAKE", "the-secret-of-the-fake", endpoint_url=os.environ.get("ENDPOINT"))

def say(*words):
    print(*words, flush=True)

def content(path):
    return Path(path).read_bytes()

def everything():
    return sorted(str(path.relative_to(HERE)) for path in HERE.rglob("*"))

def visible():
    return [path for path in everything() if ".sealift" not in path.split("/")]

"""


class Script:
    """A program that runs beside the test and tells it, line by line, how far it is.

    Args:
        program: Comes after `PREAMBLE`.
        here: A directory of its own.
        server: The S3 that its `config` is for.
        environ: More variables.
        command: Starts the interpreter.
    """

    def __init__(
        self,
        program: str,
        here: Path,
        server: FakeS3 | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
    ) -> None:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "SEALIFT_LOOP")
            if name in os.environ
        }
        self._process = subprocess.Popen(
            [*command, sys.executable, *WARNINGS, "-c", PREAMBLE + textwrap.dedent(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **kept,
                "HERE": str(here),
                "HOME": str(here.parent),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "AWS_EC2_METADATA_DISABLED": "true",
                **({"ENDPOINT": server.endpoint} if server else {}),
                **(environ or {}),
            },
            cwd=here,
            start_new_session=True,  # a signal to it is a signal to it alone
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def line(self) -> str:
        """The next line that it prints; "" at its end."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def until(self, wanted: str) -> None:
        """Wait for a line; others may come before it."""
        before = []
        while (line := self.line()) != wanted:
            before.append(line)
            assert line, (before, self.end())

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def tell(self, text: str = "go") -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def end(self) -> tuple[int, list[str], str]:
        """Wait for its end: its status, the lines that were not read yet, and what it complained about."""
        try:
            out, complaints = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._kill()
            out, complaints = self._process.communicate()
            raise AssertionError(f"it hangs after {out!r}, {complaints!r}") from None
        return self._process.returncode, out.splitlines(), complaints

    def _kill(self) -> None:
        """It and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._kill()
        self._process.communicate()


def run(
    program: str, here: Path, server: FakeS3 | None = None, *, environ: Mapping[str, str] | None = None
) -> tuple[int, list[str], str]:
    """Run a program to its end: its status, its lines, and what it complained about."""
    with Script(program, here, server, environ=environ) as script:
        return script.end()
