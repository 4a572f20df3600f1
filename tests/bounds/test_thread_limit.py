"""A limit of threads, as containers and users have: fewer threads do the work, or a clear error says why."""

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from sealift import AsyncStorage, OCIConfig
from sealift.backends.oci.credentials import find_credentials
from sealift.cli import exit_codes
from sealift.runtime.start_thread import NoThreadError
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


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch, no_blocking_calls: BlockBuster) -> None:
    """The system refuses to start processes."""
    no_blocking_calls.deactivate()  # asyncio blocks while it starts one

    def refuse(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "_fork_exec", refuse)


def test_a_program_that_has_the_credentials(no_processes: None, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\ncredential_process = /bin/true\n")
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with pytest.raises(
        NoThreadError, match="read s3://b/k: cannot start a process: the limit of threads and processes"
    ):
        asyncio.run(AsyncStorage(environ=environ).read("s3://b/k"))
    (tmp_path / "auth.json").write_text(json.dumps({"credHelpers": {"ghcr.io": "pass"}}))
    with pytest.raises(NoThreadError, match="cannot start a process"):
        find_credentials("ghcr.io", "m", OCIConfig(auth_file=tmp_path / "auth.json"), OCIConfig(), dict(os.environ))
