"""The peers: command lines with their defaults and with one documented tuning."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.scenarios import LISTS, S3_SERVICES, WORKERS, Direction, Scenario, Service
from bench.servers import BUCKET, Server

_CLIENTS = Path(__file__).with_name("clients")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the peers are installed."""

    sealift_python: Path
    peers_python: Path
    s5cmd: Path
    rclone: Path
    hf: Path
    worker_processes: bool = False  # whether this sealift has `Limits(processes=…)`


@dataclass(frozen=True, slots=True)
class Job:
    """One transfer between `key` of the bucket and `path`: a file for an object, a directory for a prefix."""

    key: str
    is_prefix: bool
    path: Path
    scheme: str = "s3"
    work_ms: int | None = None  # of the asyncio server in which the client runs, every 5 ms

    @property
    def uri(self) -> str:
        return f"{self.scheme}://{BUCKET}/{self.key}"


Command = Callable[[Programs, Job], Sequence[str]]


def _does_everything(_: Scenario) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Peer:
    """A client to measure: its command for each variant, and why it cannot run a scenario, if it cannot.

    It runs with the servers in `services`, and with the commands of `servers` inside an asyncio server. It is left out
    if it needs `worker_processes` and the installed sealift has none.
    """

    name: str
    downloads: Mapping[str, Command]
    uploads: Mapping[str, Command]
    environ: Mapping[str, str] = field(default_factory=dict)
    cannot: Callable[[Scenario], str | None] = _does_everything
    services: Collection[Service] = S3_SERVICES
    servers: Mapping[str, Command] = field(default_factory=dict)
    worker_processes: bool = False

    def supports(self, scenario: Scenario) -> bool:
        """Whether this client is compared in a scenario, as one that runs it or one that cannot."""
        return scenario.service in self.services if scenario.peers is None else self.name in scenario.peers

    def variants(self, scenario: Scenario) -> Mapping[str, Command]:
        if scenario.work_ms is not None:
            return self.servers
        return self.downloads if scenario.direction is Direction.DOWNLOAD else self.uploads


def environ(peer: Peer, server: Server, home: Path) -> dict[str, str]:
    """The complete environment of a measured process.

    Nothing is inherited: settings such as PYTHONDONTWRITEBYTECODE or a proxy would change the result.
    """
    found = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        # s5cmd and rclone use different variables for the endpoint.
        "S3_ENDPOINT_URL": server.endpoint,
        "RCLONE_CONFIG": "",
        "RCLONE_CONFIG_BENCH_TYPE": "s3",
        "RCLONE_CONFIG_BENCH_PROVIDER": "Other",
        "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
        "RCLONE_CONFIG_BENCH_ENDPOINT": server.endpoint,
    }
    if server.ca_bundle is not None:
        found["AWS_CA_BUNDLE"] = str(server.ca_bundle)
        found["RCLONE_CA_CERT"] = str(server.ca_bundle)
    return {**found, **server.environ, **peer.environ}


def _script(name: str, *options: str) -> Command:
    def command(programs: Programs, job: Job) -> list[str]:
        python = programs.sealift_python if name.startswith("sealift") else programs.peers_python
        ends = [job.uri, str(job.path)] if name.endswith("_download.py") else [str(job.path), job.uri]
        return [str(python), str(_CLIENTS / name), *ends, *options]

    return command


def _server(client: str) -> Command:
    """Run a client inside an asyncio server."""

    def command(programs: Programs, job: Job) -> list[str]:
        python = programs.sealift_python if client == "sealift" else programs.peers_python
        given = {"s5cmd": str(programs.s5cmd), "rclone": str(programs.rclone)}.get(client, client)
        ends = [f"bench:{BUCKET}/{job.key}" if client == "rclone" else job.uri, str(job.path)]
        return [str(python), str(_CLIENTS / "async_server.py"), client, given, *ends, str(job.work_ms)]

    return command


def _kserve(programs: Programs, job: Job) -> list[str]:
    # The destination is a directory even for a single object.
    out = job.path if job.is_prefix else job.path.parent
    return [str(programs.peers_python), str(_CLIENTS / "kserve_download.py"), job.uri, str(out)]


def _s5cmd(direction: Direction, *, workers: Sequence[str] = (), parts: Sequence[str] = ()) -> Command:
    def command(programs: Programs, job: Job) -> list[str]:
        directory = f"{job.path}/" if job.is_prefix else str(job.path)
        if direction is Direction.DOWNLOAD:
            ends = [job.uri + "*" if job.is_prefix else job.uri, directory]
        else:
            ends = [directory, job.uri]
        # At its default log level it prints a line per object, unlike all other clients.
        return [str(programs.s5cmd), "--log", "error", *workers, "cp", *parts, *ends]

    return command


def _rclone(direction: Direction, *options: str) -> Command:
    def command(programs: Programs, job: Job) -> list[str]:
        verb = "copy" if job.is_prefix else "copyto"
        ends = [f"bench:{BUCKET}/{job.key}", str(job.path)]
        if direction is Direction.UPLOAD:
            ends.reverse()
        return [str(programs.rclone), verb, *ends, *options]

    return command


def _hf(programs: Programs, job: Job) -> list[str]:
    return [str(programs.hf), "download", f"{BUCKET}/{job.key.rstrip('/')}", "--local-dir", str(job.path)]


def _only_downloads(scenario: Scenario) -> str | None:
    if scenario.direction is Direction.UPLOAD:
        return "only downloads"
    return None if scenario.service in LISTS else "needs a listing, which this server does not have"


_SEALIFT = Peer(
    "sealift",
    downloads={"default": _script("sealift_download.py")},
    uploads={"default": _script("sealift_upload.py")},
    services=frozenset(Service),
    servers={"default": _server("sealift")},
)

PEERS = (
    _SEALIFT,
    replace(_SEALIFT, name="sealift-asyncio", environ={"SEALIFT_LOOP": "asyncio"}),
    # Shows the cost of comparing checksums, where the server provides them (nginx does not).
    Peer(
        "sealift-unverified",
        downloads={"default": _script("sealift_download.py", "--unverified")},
        uploads={},
        services=LISTS,
    ),
    *(
        Peer(
            f"sealift-processes-{count}",
            downloads={"default": _script("sealift_download.py", "--processes", str(count))},
            uploads={},
            services=(),
            worker_processes=True,
        )
        for count in WORKERS
    ),
    Peer(
        "s5cmd",
        downloads={
            "default": _s5cmd(Direction.DOWNLOAD),
            "tuned": _s5cmd(
                Direction.DOWNLOAD,
                workers=["--numworkers", "32"],
                parts=["--concurrency", "16", "--part-size", "8"],
            ),
        },
        uploads={
            "default": _s5cmd(Direction.UPLOAD),
            "tuned": _s5cmd(
                Direction.UPLOAD,
                workers=["--numworkers", "32"],
                parts=["--concurrency", "16", "--part-size", "16"],
            ),
        },
        servers={"default": _server("s5cmd")},
    ),
    Peer(
        "rclone",
        downloads={
            "default": _rclone(Direction.DOWNLOAD),
            "tuned": _rclone(
                Direction.DOWNLOAD,
                *("--transfers", "32", "--checkers", "32", "--fast-list", "--use-server-modtime", "--no-check-dest"),
                *("--multi-thread-streams", "8", "--multi-thread-cutoff", "64Mi", "--multi-thread-chunk-size", "16Mi"),
                *("--multi-thread-write-buffer-size", "1Mi", "--ignore-checksum"),
            ),
        },
        uploads={
            "default": _rclone(Direction.UPLOAD),
            # Without a HEAD after each object, and without the MD5 of a large file, for which it would read it twice.
            "tuned": _rclone(
                Direction.UPLOAD,
                *("--transfers", "32", "--checkers", "32", "--no-check-dest", "--ignore-checksum"),
                *("--s3-chunk-size", "16Mi", "--s3-upload-concurrency", "8", "--s3-disable-checksum"),
                *("--s3-no-head", "--s3-no-check-bucket"),
            ),
        },
        services=S3_SERVICES | {Service.GCS, Service.AZURE},
        servers={"default": _server("rclone")},
    ),
    Peer(
        "obstore",
        downloads={"default": _script("obstore_download.py"), "tuned": _script("obstore_download.py", "--tuned")},
        uploads={"default": _script("obstore_upload.py"), "tuned": _script("obstore_upload.py", "--tuned")},
        servers={"default": _server("obstore")},
    ),
    Peer(
        "boto3",
        downloads={"default": _script("boto3_download.py"), "tuned": _script("boto3_download.py", "--tuned")},
        uploads={"default": _script("boto3_upload.py"), "tuned": _script("boto3_upload.py", "--tuned")},
        servers={"default": _server("boto3")},
    ),
    # NVIDIA's client. Its documented tuning is the Rust client:
    # https://nvidia.github.io/multi-storage-client/user_guide/rust.html
    Peer(
        "multi-storage-client",
        downloads={"default": _script("msc_download.py"), "tuned": _script("msc_download.py", "--tuned")},
        uploads={"default": _script("msc_upload.py"), "tuned": _script("msc_upload.py", "--tuned")},
    ),
    Peer("kserve-storage", downloads={"default": _kserve}, uploads={}, cannot=_only_downloads),
    Peer(
        "hf",
        downloads={"default": _hf},
        uploads={},
        # Without Xet, which this hub does not have, progress bars, which no other client shows, and update checks.
        environ={
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        },
        services={Service.HUB},
    ),
)
