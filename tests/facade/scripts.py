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

# Seconds. Generous for a busy machine; a program that hangs never ends.
PATIENCE = 30.0

# Warn about unclosed resources, but not about forks of multi-threaded processes, which these tests are about.
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
    """A program that runs concurrently with the test and reports its progress line by line.

    Args:
        program: Source code, appended to `PREAMBLE`.
        here: The working directory.
        server: The S3 server for `config`.
        environ: Additional environment variables.
        command: Put before the interpreter.
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
            start_new_session=True,  # signals reach only this program
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def line(self) -> str:
        """Return the next line of output; "" at the end."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def until(self, wanted: str) -> None:
        """Wait for a line, and skip the lines before it."""
        before = []
        while (line := self.line()) != wanted:
            before.append(line)
            assert line, (before, self.end())

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def tell(self, text: str = "go") -> None:
        """Write a line to stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def end(self) -> tuple[int, list[str], str]:
        """Wait for the exit. Returns the exit status, the unread lines of stdout, and stderr."""
        try:
            out, complaints = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._kill()
            out, complaints = self._process.communicate()
            raise AssertionError(f"it hangs after {out!r}, {complaints!r}") from None
        return self._process.returncode, out.splitlines(), complaints

    def _kill(self) -> None:
        """Kill the program and its children."""
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
    """Run a program. Returns the exit status, the lines of stdout, and stderr."""
    with Script(program, here, server, environ=environ) as script:
        return script.end()
