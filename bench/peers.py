"""Who transfers: each peer as a command line, with its defaults and with one documented tuning."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.scenarios import Origin, Scenario
from bench.servers import BUCKET, Server

_CLIENTS = Path(__file__).with_name("clients")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the peers are installed."""

    sealift_python: Path
    peers_python: Path
    s5cmd: Path
    rclone: Path


@dataclass(frozen=True, slots=True)
class Job:
    """One download: `key` of the server's bucket to `dest`, a file for an object and a directory for a prefix."""

    server: Server
    key: str
    is_prefix: bool
    dest: Path

    @property
    def uri(self) -> str:
        return f"s3://{BUCKET}/{self.key}"


Command = Callable[[Programs, Job], Sequence[str]]


def _does_everything(_: Scenario) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Peer:
    """A client to measure: its commands by the name of the variant, and why it cannot do a scenario, if so."""

    name: str
    variants: Mapping[str, Command]
    environ: Mapping[str, str] = field(default_factory=dict)
    cannot: Callable[[Scenario], str | None] = _does_everything


def environ(peer: Peer, job: Job, home: Path) -> dict[str, str]:
    """The whole environment of a measured process.

    Nothing is inherited: settings like PYTHONDONTWRITEBYTECODE or a proxy would be measured instead of the peer.
    """
    server = job.server
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
        # s5cmd and rclone have variables of their own for the endpoint.
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
    return {**found, **peer.environ}


def _script(name: str, *options: str, sealift: bool = False) -> Command:
    def command(programs: Programs, job: Job) -> list[str]:
        python = programs.sealift_python if sealift else programs.peers_python
        return [str(python), str(_CLIENTS / name), job.uri, str(job.dest), *options]

    return command


def _kserve(programs: Programs, job: Job) -> list[str]:
    # It takes a directory also for a single object.
    out = job.dest if job.is_prefix else job.dest.parent
    return [str(programs.peers_python), str(_CLIENTS / "kserve_download.py"), job.uri, str(out)]


def _s5cmd(*, workers: Sequence[str] = (), parts: Sequence[str] = ()) -> Command:
    def command(programs: Programs, job: Job) -> list[str]:
        source, dest = (job.uri + "*", f"{job.dest}/") if job.is_prefix else (job.uri, str(job.dest))
        # At its default log level it prints a line per object; nobody else does.
        return [str(programs.s5cmd), "--log", "error", *workers, "cp", *parts, source, dest]

    return command


def _rclone(*options: str) -> Command:
    def command(programs: Programs, job: Job) -> list[str]:
        verb = "copy" if job.is_prefix else "copyto"
        return [str(programs.rclone), verb, f"bench:{BUCKET}/{job.key}", str(job.dest), *options]

    return command


def _needs_listing(scenario: Scenario) -> str | None:
    return None if scenario.origin is Origin.RCLONE else "asks for a listing first, which this server has not"


PEERS = (
    Peer("sealift", {"default": _script("sealift_download.py", sealift=True)}),
    Peer(
        "sealift-asyncio",
        {"default": _script("sealift_download.py", sealift=True)},
        environ={"SEALIFT_LOOP": "asyncio"},
    ),
    Peer(
        "s5cmd",
        {
            "default": _s5cmd(),
            "tuned": _s5cmd(workers=["--numworkers", "32"], parts=["--concurrency", "16", "--part-size", "8"]),
        },
    ),
    Peer(
        "rclone",
        {
            "default": _rclone(),
            "tuned": _rclone(
                *("--transfers", "32", "--checkers", "32", "--fast-list", "--use-server-modtime", "--no-check-dest"),
                *("--multi-thread-streams", "8", "--multi-thread-cutoff", "64Mi", "--multi-thread-chunk-size", "16Mi"),
                *("--multi-thread-write-buffer-size", "1Mi", "--ignore-checksum"),
            ),
        },
    ),
    Peer("obstore", {"default": _script("obstore_download.py"), "tuned": _script("obstore_download.py", "--tuned")}),
    Peer("boto3", {"default": _script("boto3_download.py"), "tuned": _script("boto3_download.py", "--tuned")}),
    Peer("kserve-storage", {"default": _kserve}, cannot=_needs_listing),
)
