"""Commands that are started without stdin, stdout or stderr, as by `<&-`, cron or a daemon."""

import os
import subprocess
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from sealift.types import MiB
from tests.api.servers import FakeS3, pattern

from .program import TIMEOUT, start

DATA = {"small": b"small", "large": pattern(20 * MiB), "p/0": b"0", "p/1": b"1"}
CLOSED = [(0,), (1,), (2,), (0, 1, 2)]


def run(server: FakeS3, loop: str, closed: tuple[int, ...], *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a command with these descriptors closed."""
    options = ("--no-sign-request", "--endpoint-url", server.endpoint)

    def close() -> None:
        for number in closed:
            os.close(number)

    with start(*arguments, *options, environ={"SEALIFT_LOOP": loop}, preexec_fn=close) as process:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("closed", CLOSED)
def test_copies(tmp_path: Path, loop: str, closed: tuple[int, ...]) -> None:
    with FakeS3({"b": DATA}) as server:
        for key in ("small", "large"):
            done = run(server, loop, closed, "cp", f"s3://b/{key}", tmp_path / key)
            assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
            assert done.stdout == ("" if 1 in closed else f"{tmp_path / key}\n")
        assert run(server, loop, closed, "sync", "s3://b/p", tmp_path / "p").returncode == 0
        assert run(server, loop, closed, "cp", "-r", "-v", "s3://b/p", tmp_path / "q").returncode == 0
    there = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == DATA | {"q/0": b"0", "q/1": b"1"}


@pytest.mark.parametrize("command", [("cat",), ("ls",), ("stat",), ("stat", "--json")])
def test_output_that_goes_nowhere_is_an_error(command: tuple[str, ...]) -> None:
    with FakeS3({"b": DATA}) as server:
        for key in ("small", "large"):
            done = run(server, "asyncio", (1,), *command, f"s3://b/{key}")
            assert (done.returncode, "[Errno 9] stdout is closed" in done.stderr) == (exit_codes.FAILURE, True)
            assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", CLOSED)
def test_errors(tmp_path: Path, closed: tuple[int, ...]) -> None:
    with FakeS3({"b": DATA}) as server:
        done = run(server, "uvloop", closed, "cp", "s3://b/none", tmp_path / "none")
        assert done.returncode == exit_codes.NOT_FOUND
        assert "Traceback" not in done.stderr
        assert run(server, "uvloop", closed, "cp").returncode == exit_codes.USAGE
        assert run(server, "uvloop", closed, "--verbose", "ls", "s3://b/none/").returncode == exit_codes.NOT_FOUND
