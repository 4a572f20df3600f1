"""Start, end and reap the process of a worker."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ..tls import CERTIFICATE_VARIABLES
from .protocol import encode_order

__all__ = ["WorkerProcess", "python_executable"]

_DIRECTORY = os.path.dirname(__file__)
_PROGRAM = os.path.join(_DIRECTORY, "child.py")
_PACKAGE = os.path.dirname(os.path.dirname(_DIRECTORY))  # of sealift
# What Python and OpenSSL need from this process's environment; nothing else is passed on.
_PASSED_ON = (
    "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES",
    "SYSTEMROOT",
)  # fmt: skip


def python_executable() -> str | None:
    """The Python that can run a worker; None: a frozen program, or a host that embeds Python."""
    name = os.path.basename(sys.executable or "").lower()
    python = os.path.isabs(sys.executable or "") and name.startswith(("python", "pypy"))
    return sys.executable if python and not getattr(sys, "frozen", False) else None


class WorkerProcess:
    """A worker process and the parent's end of its control socket.

    Return codes are not looked at: the host may ignore SIGCHLD or reap all its children. The process has ended when
    `ended_fd` becomes readable, or the control socket reaches its end.

    Args:
        executable: A Python.
        environ: Environment variables of the instance; those that name certificates are passed on.
        settings: For `main.serve`.
        descriptors: Open files of this process that the worker gets, under the same numbers.

    Attributes:
        control: The control socket, not blocking.
        ended_fd: A pidfd; None: the system has none.
    """

    def __init__(
        self,
        executable: str,
        environ: Mapping[str, str],
        settings: Mapping[str, float],
        descriptors: Sequence[int] = (),
    ) -> None:
        """Start the process. Blocks; returns once it runs, which is before it can serve.

        Raises:
            OSError: It cannot be started.
        """
        self.control, theirs = socket.socketpair()
        self._owner = os.getpid()
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: S603 - this Python, with a file of this package
                    [executable, "-P", "-s", "-S", _PROGRAM],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # a traceback could quote a request
                    env=_environment(environ),
                    pass_fds=descriptors,
                    cwd="/",
                    start_new_session=True,  # Ctrl-C is for the host
                )
            except BaseException:
                self.control.close()
                raise
        # This object watches and reaps the process. Popen would do it by process id, which may belong to another child
        # if the host reaps its children.
        self.pid = process.pid
        process.returncode = 0
        self.ended_fd = self._pidfd()
        try:
            self.control.sendall(_encode_settings(settings))
        except OSError:
            self.kill()
            self.close()
            raise
        self.control.setblocking(False)

    def _pidfd(self) -> int | None:
        if sys.platform == "linux":
            with suppress(OSError):  # an old kernel, a sandbox, or the process has ended and was reaped
                return os.pidfd_open(self.pid)
        return None

    @property
    def ours(self) -> bool:
        """Whether this is the process that started the worker, and not a child that was forked from it."""
        return os.getpid() == self._owner

    def hang_up(self) -> None:
        """Tell the worker to end, even if a forked child holds this end of the control socket, too."""
        if self.ours:
            with suppress(OSError):  # it has ended
                self.control.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End the worker, whatever it does. To be called before it has ended, or with a pidfd."""
        if not self.ours:
            return
        with suppress(OSError):  # it has ended
            if self.ended_fd is not None and sys.platform == "linux":
                signal.pidfd_send_signal(self.ended_fd, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> bool:
        """Leave no zombie behind; return whether there is nothing left to do."""
        if not self.ours:
            return True
        try:
            if self.ended_fd is not None and sys.platform == "linux":
                return os.waitid(os.P_PIDFD, self.ended_fd, os.WEXITED | os.WNOHANG) is not None
            return os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        except OSError:  # the host has reaped it, or ignores SIGCHLD
            return True

    def close(self) -> None:
        """Close the descriptors."""
        self.control.close()
        if self.ended_fd is not None:
            os.close(self.ended_fd)
            self.ended_fd = None


def _encode_settings(settings: Mapping[str, float]) -> bytes:
    path = [each for each in sys.path if os.path.isabs(each)]
    return encode_order({"path": path, "package": _PACKAGE, "parent": os.getpid(), **settings})


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    names = () if sys.flags.ignore_environment else _PASSED_ON
    passed_on = {name: os.environ[name] for name in names if name in os.environ}
    return passed_on | {name: _absolute(environ[name]) for name in CERTIFICATE_VARIABLES if environ.get(name)}


def _absolute(paths: str) -> str:
    """Make paths absolute, of which `SSL_CERT_DIR` may name several: the worker runs in "/"."""
    return os.pathsep.join([os.path.abspath(path) for path in paths.split(os.pathsep)])
