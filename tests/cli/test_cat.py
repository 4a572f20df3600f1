import os
import signal
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import S3Service, put_objects

from .conftest import OBJECTS, Invoke
from .program import TIMEOUT, start
from .stalling import StallingS3


def test_objects_in_order(invoke: Invoke, bucket: str) -> None:
    keys = ("llama/model-2.bin", "iris.joblib", "llama/model-1.bin")
    result = invoke("cat", *(f"s3://{bucket}/{key}" for key in keys))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes == b"".join(OBJECTS[key] for key in keys)


def test_a_file(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x00\xff")
    assert invoke("cat", "file").stdout_bytes == b"\x00\xff"


def test_a_range(invoke: Invoke, bucket: str) -> None:
    uri = f"s3://{bucket}/iris.joblib"
    assert invoke("cat", "--offset", "2", "--length", "3", uri).stdout == "234"
    assert invoke("cat", "--offset", "8", uri, uri).stdout == "8989"
    assert invoke("cat", "--length", "0", uri).stdout == ""


def test_a_slow_reader(environ: dict[str, str], seaweedfs: S3Service, bucket: str) -> None:
    """Every byte is written, although the pipe is smaller than a chunk."""
    data = os.urandom(20 << 20)
    put_objects(seaweedfs, bucket, {"large": data})
    with start("cat", f"s3://{bucket}/large", environ=environ, text=False) as process:
        assert process.stdout is not None
        read = b"".join(iter(lambda: process.stdout.read(100_000), b""))
    assert process.returncode == exit_codes.OK
    assert read == data


def test_an_interrupt_while_stdout_is_not_read(environ: dict[str, str], seaweedfs: S3Service, bucket: str) -> None:
    put_objects(seaweedfs, bucket, {"large": bytes(20 << 20)})
    with start("cat", f"s3://{bucket}/large", environ=environ, text=False) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"\0"  # writing has started, and the pipe will be full soon
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT)
        assert process.stderr is not None
        assert process.stderr.read() == b"error: interrupted\n"
    assert process.returncode == exit_codes.INTERRUPTED


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_signal_stops_cat(stalling: StallingS3, loop: str) -> None:
    with start("cat", *stalling.options, "s3://models/big.bin", environ={"SEALIFT_LOOP": loop}) as process:
        assert stalling.body_requested.wait(TIMEOUT)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout, stderr) == (exit_codes.TERMINATED, "", "error: interrupted\n")


def test_a_closed_pipe_prints_no_error(environ: dict[str, str], seaweedfs: S3Service, bucket: str) -> None:
    put_objects(seaweedfs, bucket, {"large": bytes(20 << 20)})
    with start("cat", f"s3://{bucket}/large", environ=environ, text=False) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == exit_codes.FAILURE
