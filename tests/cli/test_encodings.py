"""A locale whose encoding of file names is not UTF-8: Python decodes and encodes names as ASCII."""

import os
import subprocess
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import MakeBucket, S3Service, put_objects

from .conftest import objects_in
from .program import TIMEOUT, start

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
DATA = {"p/plain": b"plain", "p/modèle-模型": b"model", "q/plain": b"plain"}


def run(environ: dict[str, str], *arguments: object) -> "subprocess.CompletedProcess[bytes]":
    with start(*arguments, environ=environ | ASCII, text=False) as process:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert b"Traceback" not in stderr
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@pytest.fixture
def bucket(seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
    name = make_bucket(seaweedfs)
    put_objects(seaweedfs, name, DATA)
    return name


def test_keys_that_cannot_be_file_names(environ: dict[str, str], bucket: str, tmp_path: Path) -> None:
    for command in (("cp", "-r", "--on-error", "stop"), ("sync", "--on-error", "stop"), ("cp", "-r"), ("sync",)):
        done = run(environ, *command, f"s3://{bucket}/p", tmp_path / "p")
        assert done.returncode == exit_codes.FAILURE
        message = done.stderr.decode()
        assert "contains a character that is not allowed in file names, which are ascii here" in message
        assert "(run Python with PYTHONUTF8=1 or in a UTF-8 locale)" in message
        assert (os.listdir(tmp_path / "p") if (tmp_path / "p").exists() else []) == (
            [] if "stop" in command else ["plain"]
        )
    for destination in (tmp_path / "there", f"{tmp_path}/"):
        done = run(environ, "cp", f"s3://{bucket}/p/modèle-模型", destination)
        assert (done.returncode == 0) is (destination == tmp_path / "there"), done.stderr


def test_everything_else_works(environ: dict[str, str], seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    prefix, key = f"s3://{bucket}/p/", f"s3://{bucket}/p/modèle-模型"
    assert run(environ, "cp", "-r", f"s3://{bucket}/q", tmp_path / "q").returncode == 0
    assert (tmp_path / "q/plain").read_bytes() == b"plain"
    assert run(environ, "cp", "-r", prefix, tmp_path / "some", "--exclude", "mod*").returncode == 0
    assert os.listdir(tmp_path / "some") == ["plain"]
    done = run(environ, "ls", prefix)
    assert (done.returncode, sorted(done.stdout.decode().splitlines())) == (0, ["modèle-模型", "plain"])
    assert run(environ, "cat", key).stdout == b"model"
    assert run(environ, "stat", key).returncode == 0
    done = run(environ, "cp", "-v", key, tmp_path / "model")
    assert (done.returncode, (tmp_path / "model").read_bytes()) == (0, b"model")
    done = run(environ, "cp", key, f"s3://{bucket}/r/")
    assert (done.returncode, done.stdout.decode()) == (0, f"s3://{bucket}/r/modèle-模型\n")
    assert run(environ, "rm", key).returncode == 0
    assert objects_in(seaweedfs, bucket) == {
        "p/plain": b"plain", "q/plain": b"plain", "r/modèle-模型": b"model",
    }  # fmt: skip


def test_files_whose_names_are_not_decoded(
    environ: dict[str, str], seaweedfs: S3Service, bucket: str, tmp_path: Path
) -> None:
    """They are copied on the disk, but their names become no keys."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/modèle").write_bytes(b"model")
    with open(os.fsencode(tmp_path / "d") + b"/caf\xe9", "wb") as file:
        file.write(b"latin")
    assert run(environ, "cp", "-r", tmp_path / "d", tmp_path / "e").returncode == 0
    assert sorted(os.listdir(os.fsencode(tmp_path / "e"))) == [b"caf\xe9", "modèle".encode()]
    assert run(environ, "ls", tmp_path / "d").stdout == b"caf\xe9\nmod\xc3\xa8le\n"
    for command, source in ((("cp",), "d/modèle"), (("cp", "-r"), "d"), (("sync", "--delete"), "d")):
        done = run(environ, *command, tmp_path / source, f"s3://{bucket}/p/")
        assert done.returncode == exit_codes.FAILURE
        assert b"is not ASCII (run Python with PYTHONUTF8=1 or in a UTF-8 locale)" in done.stderr
    done = run(environ, "cp", tmp_path / "d/modèle", f"s3://{bucket}/p/name")  # the key is the user's
    assert done.returncode == 0
    assert objects_in(seaweedfs, bucket) == DATA | {"p/name": b"model"}
