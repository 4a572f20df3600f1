"""A limit of threads, as containers and users have: fewer threads do the work, or a clear error says why."""

import subprocess
import sys
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.api.helpers import files_in
from tests.api.servers import pattern
from tests.api.stores import objects_in
from tests.cli.program import TIMEOUT, clean_environ, environ_for
from tests.services.s3 import S3Service, new_bucket, put_objects

OBJECTS = {"a": b"a", "large": pattern(20 << 20), **{f"small/{number}": pattern(1000 + number) for number in range(50)}}
# After so many threads the system refuses another one: its stack would not fit into the address space.
PROGRAM = """
import runpy, sys, threading

left, start = int(sys.argv.pop(1)), threading.Thread.start

def counted(thread):
    global left
    left -= 1
    if left < 0:
        threading.stack_size(1 << 47)
    start(thread)

threading.Thread.start = counted
runpy.run_module("sealift", run_name="__main__")
"""
# Threads that the smallest transfer needs: standard output, DNS or files, and one lane.
ENOUGH = 5


def run(threads: int, *arguments: str, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PROGRAM, str(threads), *arguments]
    return subprocess.run(
        command, env=clean_environ() | environ, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    bucket = new_bucket(seaweedfs, "threads")
    put_objects(seaweedfs, bucket, {f"m/{path}": data for path, data in OBJECTS.items()})
    return bucket


@pytest.mark.parametrize("direction", ["download", "upload"])
@pytest.mark.parametrize("threads", [0, 1, 2, 3, 4, ENOUGH])
def test_few_threads(seaweedfs: S3Service, bucket: str, tmp_path: Path, direction: str, threads: int) -> None:
    source, dest = f"s3://{bucket}/m", str(tmp_path / "to")
    if direction == "upload":
        for path, data in OBJECTS.items():
            (tmp_path / "from" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "from" / path).write_bytes(data)
        source, dest = str(tmp_path / "from"), f"s3://{bucket}/to-{threads}"
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    result = run(threads, "cp", "-r", "--memory", "64MiB", source, dest, environ=environ_for(seaweedfs) | state)
    if result.returncode == exit_codes.OK:
        start = f"to-{threads}/"
        there = files_in(dest) if direction == "download" else objects_in(seaweedfs, bucket, start)
        assert {path.removeprefix(start): data for path, data in there.items()} == OBJECTS
    else:
        assert threads < ENOUGH
        assert result.returncode == exit_codes.FAILURE
        assert "the limit of threads and processes of this user or container is reached (raise" in result.stderr
        assert "unexpected" not in result.stderr
        assert not (tmp_path / "to").exists()
