import os
from pathlib import Path

import pytest

import sealift
from sealift.cli import exit_codes
from tests.services.s3 import Keys, S3Service

from .conftest import OBJECTS, Invoke, objects_in
from .program import environ_for, run, start

NOWHERE = ("--no-sign-request", "--endpoint-url", "http://127.0.0.1:1", "--patience", "1")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["stat", "s3://"], exit_codes.USAGE, "the bucket name is missing"),
        (["ls", "ftp://host/x"], exit_codes.USAGE, "unknown scheme ftp://"),
        (["cp", "s3://BUCKET/iris.joblib"], exit_codes.USAGE, "missing argument 'DEST' (see"),
        (
            ["cp", "iris.joblib", ".", "--region", "eu-west-1"],
            exit_codes.USAGE,
            "--region applies only to s3://, not to file://",
        ),
        (
            ["cp", "iris.joblib", "s3://BUCKET/", "--source-profile", "a"],
            exit_codes.USAGE,
            "--source-profile applies only to s3://",
        ),
        (["ls", "--profile", "no-such-profile", "s3://BUCKET/"], exit_codes.USAGE, "no-such-profile"),
        (
            ["cp", "--memory", "much", "s3://BUCKET/iris.joblib", "."],
            exit_codes.USAGE,
            "'much' is not a size in bytes",
        ),
        (["cp", "--memory", "0", "s3://BUCKET/iris.joblib", "."], exit_codes.USAGE, "is not positive"),
        (["cp", "--connections", "0", "s3://BUCKET/iris.joblib", "."], exit_codes.USAGE, "'--connections'"),
        (["copy", "s3://BUCKET/iris.joblib", "."], exit_codes.USAGE, "no such command 'copy'"),
        (["ls", "--colour", "s3://BUCKET/"], exit_codes.USAGE, "no such option"),
        (["cp", "s3://BUCKET/missing", "."], exit_codes.NOT_FOUND, "there is no object 'missing'"),
        (
            ["cp", "-r", "s3://BUCKET/llama/", ".", "--include", "*.onnx"],
            exit_codes.NOT_FOUND,
            "the patterns exclude everything under 'llama/'",
        ),
        (["ls", "s3://no-such-bucket-here/"], exit_codes.NOT_FOUND, "bucket"),
        (["rm"], exit_codes.USAGE, "missing argument 'URI...'"),
        (["rm", "s3://BUCKET/missing"], exit_codes.NOT_FOUND, "there is no object 'missing'"),
        (["cat", "s3://BUCKET/missing"], exit_codes.NOT_FOUND, "there is no object 'missing'"),
        (["cat", "s3://BUCKET/llama/"], exit_codes.NOT_FOUND, "only objects below 'llama/'"),
        (["cp", "s3://BUCKET/iris.joblib", "s3://BUCKET/iris.joblib"], exit_codes.USAGE, "the same object"),
        (["cp", "s3://BUCKET/iris.joblib", "https://127.0.0.1/x"], exit_codes.FAILURE, "https:// can only be read"),
        (["sync", "missing", "s3://BUCKET/"], exit_codes.NOT_FOUND, "missing"),
        (["sync", "s3://BUCKET/llama", "s3://BUCKET/llama/old"], exit_codes.USAGE, "overlap"),
        (["sync", "s3://BUCKET/iris.joblib", "iris"], exit_codes.USAGE, "is an object"),
        (["completion", "tcsh"], exit_codes.USAGE, "'tcsh' is not one of"),
        (["stat", "missing"], exit_codes.NOT_FOUND, "does not exist"),
        (["stat", *NOWHERE, "s3://BUCKET/iris.joblib"], exit_codes.FAILURE, "connection refused"),
        (["rm", "https://127.0.0.1:1/m"], exit_codes.FAILURE, "https://"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    invoke: Invoke, bucket: str, arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    result = invoke(*(argument.replace("BUCKET", bucket) for argument in arguments))
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_access_denied(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    wrong = Keys(seaweedfs.access_key, "a-secret-that-is-wrong")
    done = run("cp", f"s3://{bucket}/iris.joblib", tmp_path, environ=environ_for(seaweedfs, wrong))
    assert (done.returncode, done.stdout) == (exit_codes.ACCESS_DENIED, "")
    assert done.stderr.startswith("error: copy s3://")
    assert done.stderr.count("\n") == 1
    assert wrong.secret_key not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_upload_to_a_missing_bucket(invoke: Invoke, moto: S3Service, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"model")
    result = invoke("cp", "model", "s3://no-such-bucket-here/", **environ_for(moto))
    assert (result.exit_code, result.stdout) == (exit_codes.NOT_FOUND, "")
    assert "there is no bucket 'no-such-bucket-here'" in result.stderr


def test_writing_denied(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    assert seaweedfs.read_only is not None
    (tmp_path / "model").write_bytes(b"model")
    environ = environ_for(seaweedfs, seaweedfs.read_only)
    for command in (("cp", tmp_path / "model", f"s3://{bucket}/"), ("rm", f"s3://{bucket}/iris.joblib")):
        done = run(*command, environ=environ)
        assert (done.returncode, done.stdout) == (exit_codes.ACCESS_DENIED, "")
        assert done.stderr.count("\n") == 1
    assert objects_in(seaweedfs, bucket) == OBJECTS


def test_verbose_shows_a_traceback(seaweedfs: S3Service, bucket: str) -> None:
    wrong = Keys(seaweedfs.access_key, "a-secret-that-is-wrong")
    done = run("-v", "stat", f"s3://{bucket}/iris.joblib", environ=environ_for(seaweedfs, wrong))
    assert done.returncode == exit_codes.ACCESS_DENIED
    assert "\nTraceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: stat s3://")
    assert wrong.secret_key not in done.stderr


def test_an_unexpected_error_has_no_traceback(invoke: Invoke, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise TypeError("oh no")

    monkeypatch.setattr(sealift.AsyncStorage, "get_object_metadata", broken)
    result = invoke("stat", f"s3://{bucket}/")
    assert result.exit_code == exit_codes.FAILURE
    assert result.stderr == "error: unexpected TypeError: oh no (add --verbose for a traceback; please report it)\n"


def test_messages_are_escaped_for_the_terminal(invoke: Invoke) -> None:
    result = invoke("stat", "missing\n\x1b[31mred\u202e")
    assert result.exit_code == exit_codes.NOT_FOUND
    assert result.stderr.count("\n") == 1
    assert result.stderr.rstrip("\n").isprintable()


def test_an_invalid_variable_is_a_usage_error(invoke: Invoke, bucket: str) -> None:
    result = invoke("ls", f"s3://{bucket}/", SEALIFT_LOOP="trio")
    assert result.exit_code == exit_codes.USAGE
    assert "SEALIFT_LOOP" in result.stderr


def test_a_closed_pipe_prints_no_error(environ: dict[str, str], bucket: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with start("ls", f"s3://{bucket}/", environ=environ, stdout=writing) as process:
        os.close(writing)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (exit_codes.FAILURE, "")
