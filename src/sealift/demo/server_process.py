"""A server process that stops with this process, even if this process is killed."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..runtime.start_thread import limit_reached

__all__ = ["ServerProcess"]


class ServerProcess:
    """A child process in its own session that does not outlive this process.

    A watchdog process reads a pipe whose other end only this process holds. When this process ends in any way, the
    kernel closes the pipe; the watchdog then stops the process group of the server and removes ``leftovers``. Unlike
    the parent-death signal of Linux, this needs no living thread, and no Python code runs between fork and exec.
    """

    _WATCHDOG = 'read -r _ || { kill -TERM "-$1"; sleep 5; kill -KILL "-$1"; } 2>/dev/null; shift; rm -f "$@"'

    def __init__(
        self, command: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str], leftovers: Sequence[Path] = ()
    ) -> None:
        self.log = log
        self._owner = os.getpid()
        try:
            self._start(command, cwd, env, leftovers)
        except BlockingIOError:
            raise limit_reached("a process") from None

    def _start(self, command: Sequence[str], cwd: Path, env: Mapping[str, str], leftovers: Sequence[Path]) -> None:
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a terminal interrupts only this process, which stops the server
            )
        try:
            self._watchdog = subprocess.Popen(
                ["/bin/sh", "-c", self._WATCHDOG, "watchdog", str(self.pid), *map(str, leftovers)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    @property
    def pid(self) -> int:
        """The process id and process group id of the server."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server is running."""
        return self._process.poll() is None

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def close(self, grace: float = 5.0) -> None:
        """Stop the server with SIGTERM, and after ``grace`` seconds with SIGKILL. Can be called twice."""
        if os.getpid() != self._owner:  # in a forked child: the server belongs to the parent
            return
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, None)):
            if self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
        if self._watchdog.poll() is None:
            self._watchdog.communicate(b"done\n")
