from pathlib import Path

import pytest

from tests.services.s3 import ODD_KEYS, PUBLIC_BUCKET, MakeBucket, S3Service, put_objects

from .conftest import OBJECTS, Invoke
from .program import run


def files(directory: Path) -> dict[str, bytes]:
    """What is there, hidden files too."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def below(prefix: str) -> dict[str, bytes]:
    return {key.removeprefix(prefix): data for key, data in OBJECTS.items() if key.startswith(prefix)}


def test_an_object_to_a_file(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    result = invoke("cp", f"s3://{bucket}/iris.joblib", "model.joblib")
    assert (result.exit_code, result.stdout) == (0, "model.joblib\n")
    assert files(tmp_path) == {"model.joblib": OBJECTS["iris.joblib"]}


def test_an_object_into_a_directory(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    assert invoke("cp", f"s3://{bucket}/iris.joblib", ".").stdout == "./iris.joblib\n"
    assert invoke("cp", f"s3://{bucket}/iris.joblib", "new/").stdout == "new/iris.joblib\n"
    assert files(tmp_path) == {"iris.joblib": OBJECTS["iris.joblib"], "new/iris.joblib": OBJECTS["iris.joblib"]}


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_prefix(invoke: Invoke, bucket: str, tmp_path: Path, slash: str) -> None:
    result = invoke("cp", f"s3://{bucket}/llama{slash}", "models/llama")
    assert (result.exit_code, result.stdout) == (0, "models/llama\n")
    assert files(tmp_path / "models/llama") == below("llama/")


def test_patterns(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    chosen = ("--include", "*.json", "--include", "model-*", "--exclude", "*-2.bin")
    assert invoke("cp", f"s3://{bucket}/llama/", "here", *chosen).exit_code == 0
    expected = below("llama/")
    del expected["model-2.bin"]
    assert files(tmp_path / "here") == expected


def test_the_destination_may_be_a_file_uri(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    target = tmp_path / "with space"
    assert invoke("cp", f"s3://{bucket}/iris.joblib", f"{tmp_path.as_uri()}/with%20space").stdout == f"{target}\n"
    assert target.read_bytes() == OBJECTS["iris.joblib"]


def test_from_disk_to_disk(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"model")
    assert invoke("cp", "source", "copy").exit_code == 0
    assert (tmp_path / "copy").read_bytes() == b"model"


def test_odd_keys(invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    objects = {key: key.encode() for key in ODD_KEYS}
    put_objects(seaweedfs, bucket, objects)
    assert invoke("cp", f"s3://{bucket}/", "all").exit_code == 0
    assert files(tmp_path / "all") == objects


def test_a_summary_goes_to_stderr(invoke: Invoke, bucket: str) -> None:
    copied = invoke("cp", f"s3://{bucket}/llama/", "here").stderr
    assert copied.startswith("copied 4 objects, 500.0 kB in ")
    assert copied.endswith("B/s\n")
    assert copied.count("\n") == 1


def test_verbose_tells_of_each_object(invoke: Invoke, bucket: str) -> None:
    lines = invoke("cp", f"s3://{bucket}/llama/", "here", "-v").stderr.splitlines()
    assert "llama/model-1.bin: 300.0 kB, verified: crc64nvme" in lines
    assert len(lines) == 4 + 1


def test_options_may_stand_before_the_command(invoke: Invoke, seaweedfs: S3Service, tmp_path: Path) -> None:
    put_objects(seaweedfs, PUBLIC_BUCKET, {"public.bin": b"public"})
    asked = ("--no-sign-request", "--endpoint-url", seaweedfs.endpoint, "--region", "eu-west-1", "--memory", "64MiB")
    wrong = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "wrong"}
    assert invoke(*asked, "cp", f"s3://{PUBLIC_BUCKET}/public.bin", "before", **wrong).exit_code == 0
    assert invoke("cp", f"s3://{PUBLIC_BUCKET}/public.bin", *asked, "behind", **wrong).exit_code == 0
    assert files(tmp_path) == {"before": b"public", "behind": b"public"}


def test_limits(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    narrow = ("--memory", "128KiB", "--connections", "2")
    assert invoke("cp", f"s3://{bucket}/llama/", "here", *narrow).exit_code == 0
    assert files(tmp_path / "here") == below("llama/")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_as_a_program(environ: dict[str, str], bucket: str, tmp_path: Path, loop: str) -> None:
    done = run("cp", f"s3://{bucket}/llama/", tmp_path / "llama", environ=environ | {"SEALIFT_LOOP": loop})
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/llama\n")
    assert done.stderr.startswith("copied 4 objects, 500.0 kB in ")
    assert files(tmp_path / "llama") == below("llama/")
