"""`sealift cp` from stdin and to stdout."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import MakeBucket, S3Service, get_object

from .conftest import OBJECTS, Invoke, objects_in
from .program import TIMEOUT, environ_for, start

LARGE = os.urandom(20 << 20)


def piped(data: bytes, *arguments: str, environ: dict[str, str]) -> tuple[int, bytes, bytes]:
    """Run the command with bytes on stdin."""
    with start(*arguments, environ=environ, stdin=subprocess.PIPE, text=False) as process:
        stdout, stderr = process.communicate(data, timeout=60)
    return process.returncode, stdout, stderr


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_from_stdin(seaweedfs: S3Service, make_bucket: MakeBucket, data: bytes) -> None:
    bucket = make_bucket(seaweedfs)
    code, stdout, stderr = piped(
        data, "cp", "-", f"s3://{bucket}/k", "--content-type", "a/b", environ=environ_for(seaweedfs)
    )
    assert (code, stdout) == (exit_codes.OK, b""), stderr
    assert get_object(seaweedfs, bucket, "k") == data
    assert b"copied stdin to s3://" in stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_stdin_is_read(seaweedfs: S3Service, make_bucket: MakeBucket, number: signal.Signals) -> None:
    bucket = make_bucket(seaweedfs)
    command = start("cp", "-", f"s3://{bucket}/k", environ=environ_for(seaweedfs), stdin=subprocess.PIPE, text=False)
    with command as process:
        assert process.stdin is not None
        process.stdin.write(bytes(300_000))  # more than fits into the pipe: it is being read
        process.stdin.flush()
        process.send_signal(number)
        process.wait(TIMEOUT)
        assert process.stderr is not None
        assert process.stderr.read() == b"error: interrupted\n"
    assert process.returncode == 128 + number
    assert objects_in(seaweedfs, bucket) == {}


def test_from_stdin_to_a_file(seaweedfs: S3Service, tmp_path: Path) -> None:
    assert piped(b"model", "cp", "-", str(tmp_path / "m"), environ=environ_for(seaweedfs))[0] == exit_codes.OK
    assert (tmp_path / "m").read_bytes() == b"model"


def test_from_stdin_to_what_exists(seaweedfs: S3Service, bucket: str) -> None:
    uri, environ = f"s3://{bucket}/llama/model-1.bin", environ_for(seaweedfs)
    code, _, stderr = piped(b"new", "cp", "-", uri, "--existing", "fail", environ=environ)
    assert (code, b"exists already; nothing was written" in stderr) == (exit_codes.FAILURE, True)
    code, _, stderr = piped(b"new", "cp", "-", uri, "--skip-existing", environ=environ)
    assert (code, stderr) == (exit_codes.OK, f"kept {uri}, which exists; stdin was not stored\n".encode())
    assert objects_in(seaweedfs, bucket) == OBJECTS


def test_to_stdout(seaweedfs: S3Service, bucket: str) -> None:
    uri = f"s3://{bucket}/llama/model-1.bin"
    code, stdout, stderr = piped(b"", "cp", uri, "-", environ=environ_for(seaweedfs))
    assert (code, stdout) == (exit_codes.OK, OBJECTS["llama/model-1.bin"]), stderr


@pytest.mark.parametrize("command", [("cat",), ("cp", "-")])
def test_a_pattern_to_stdout(invoke: Invoke, bucket: str, command: tuple[str, ...]) -> None:
    result = invoke(command[0], f"s3://{bucket}/llama/*.json", f"s3://{bucket}/iris.joblib", *command[1:])
    assert result.exit_code == 0, result.stderr
    names = ("llama/config.json", "llama/tokenizer/vocab.json", "iris.joblib")
    assert result.stdout_bytes == b"".join(OBJECTS[name] for name in names)
    result = invoke(command[0], f"s3://{bucket}/llama/*.onnx", *command[1:])
    assert result.exit_code == exit_codes.NOT_FOUND
    assert result.stderr.startswith(f"error: read s3://{bucket}/llama/*.onnx: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-", "-"),
        ("-", "s3://B/a", "to/"),
        ("s3://B/a", "-", "-"),
        ("-", "s3://B/k", "--dry-run"),
        ("-", "s3://B/k", "-n"),
    ],
)
def test_wrong_usage(invoke: Invoke, seaweedfs: S3Service, bucket: str, arguments: tuple[str, ...]) -> None:
    result = invoke("cp", *(each.replace("B", bucket) for each in arguments))
    assert result.exit_code == exit_codes.USAGE
    assert "'-'" in result.stderr
    assert objects_in(seaweedfs, bucket) == OBJECTS


def test_a_prefix_is_no_destination(invoke: Invoke, bucket: str) -> None:
    result = invoke("cp", "-", f"s3://{bucket}/llama/")
    assert result.exit_code == exit_codes.USAGE
    assert "add the name of the object" in result.stderr
