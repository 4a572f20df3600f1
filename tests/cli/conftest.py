import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sealift.cli import main
from tests.services.s3 import MakeBucket, S3Service, client, put_objects

from .program import clean_environ, environ_for
from .stalling import StallingS3

Invoke = Callable[..., Result]

OBJECTS = {
    "llama/config.json": b'{"layers": 2}',
    "llama/tokenizer/vocab.json": b"[]",
    "llama/model-1.bin": os.urandom(300_000),
    "llama/model-2.bin": os.urandom(200_000),
    "llama-2/config.json": b"{}",
    "iris.joblib": b"0123456789",
}


def below(prefix: str) -> dict[str, bytes]:
    """The objects under a prefix, by relative path."""
    return {key.removeprefix(prefix): data for key, data in OBJECTS.items() if key.startswith(prefix)}


def files(directory: Path) -> dict[str, bytes]:
    """The files in a directory, including hidden ones, by relative path."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def tree(directory: Path, content: Mapping[str, bytes]) -> None:
    """Write files to a directory."""
    for path, data in content.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)


def objects_in(service: S3Service, bucket: str) -> dict[str, bytes]:
    """The objects in a bucket."""
    s3 = client(service)
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {entry["Key"]: s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in listed}


@pytest.fixture
def environ(seaweedfs: S3Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables with valid credentials."""
    return environ_for(seaweedfs) | {"XDG_STATE_HOME": str(tmp_path_factory.mktemp("state"))}


@pytest.fixture
def bucket(seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
    """A bucket with `OBJECTS`."""
    name = make_bucket(seaweedfs)
    put_objects(seaweedfs, name, OBJECTS, checksum="CRC64NVME")
    return name


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], tmp_path: Path) -> Invoke:
    """Run the command line in this process, in an empty directory and with valid credentials."""
    for name in os.environ.keys() - clean_environ().keys():
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner().invoke(main, arguments, env=environ | variables)

    return run


@pytest.fixture
def stalling() -> Iterator[StallingS3]:
    """An S3 server whose responses stall until the end of the test."""
    with StallingS3() as server:
        yield server
