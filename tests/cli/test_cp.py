import json
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import ODD_KEYS, PUBLIC_BUCKET, MakeBucket, S3Service, client, put_objects

from .conftest import OBJECTS, Invoke, below, files, objects_in, tree
from .program import run
from .stalling import StallingS3


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
    result = invoke("cp", "-r", f"s3://{bucket}/llama{slash}", "models/llama")
    assert (result.exit_code, result.stdout) == (0, "models/llama\n")
    assert files(tmp_path / "models/llama") == below("llama/")


def test_patterns(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    chosen = ("--include", "*.json", "--include", "model-*", "--exclude", "*-2.bin")
    assert invoke("cp", "-r", f"s3://{bucket}/llama/", "here", *chosen).exit_code == 0
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


def test_a_directory_to_a_directory(invoke: Invoke, tmp_path: Path) -> None:
    tree(tmp_path / "source", below("llama/"))
    assert invoke("cp", "-r", "source", "copy").stdout == "copy\n"
    assert files(tmp_path / "copy") == below("llama/")


@pytest.mark.parametrize(("dest", "key"), [("new/name", "new/name"), ("new/", "new/model"), ("", "model")])
def test_a_file_to_an_object(
    invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path, dest: str, key: str
) -> None:
    bucket = make_bucket(seaweedfs)
    (tmp_path / "model").write_bytes(b"model")
    result = invoke("cp", "model", f"s3://{bucket}/{dest}")
    assert (result.exit_code, result.stdout) == (0, f"s3://{bucket}/{key}\n")
    assert objects_in(seaweedfs, bucket) == {key: b"model"}


def test_a_directory_to_a_prefix(invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    tree(tmp_path / "llama", below("llama/"))
    result = invoke("cp", "-r", "./llama", f"s3://{bucket}/models/llama", "--exclude", "*.bin")
    assert (result.exit_code, result.stdout) == (0, f"s3://{bucket}/models/llama/\n")
    assert objects_in(seaweedfs, bucket) == {
        f"models/llama/{path}": data for path, data in below("llama/").items() if not path.endswith(".bin")
    }


def test_a_prefix_to_another_bucket(invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, bucket: str) -> None:
    other = make_bucket(seaweedfs)
    result = invoke("cp", "-r", f"s3://{bucket}/llama", f"s3://{other}/")
    assert (result.exit_code, result.stdout) == (0, f"s3://{other}/\n")
    assert objects_in(seaweedfs, other) == below("llama/")


@pytest.mark.parametrize(
    ("src", "dest"),
    [
        ("s3://BUCKET/llama", "here"),
        ("s3://BUCKET/llama/", "s3://BUCKET/here"),
        ("dir", "s3://BUCKET/here"),
        ("dir", "here"),
    ],
)
def test_a_prefix_needs_r(
    invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path, src: str, dest: str
) -> None:
    tree(tmp_path / "dir", {"model": b"model"})
    result = invoke("cp", src.replace("BUCKET", bucket), dest.replace("BUCKET", bucket))
    assert (result.exit_code, result.stdout) == (exit_codes.USAGE, "")
    assert result.stderr.endswith("(use -r to include everything under it)\n")
    assert result.stderr.count("\n") == 1
    assert files(tmp_path) == {"dir/model": b"model"}
    assert objects_in(seaweedfs, bucket) == OBJECTS


def test_a_dry_run_changes_nothing(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path / "dir", {"a/b": b"12", "c": b""})
    uri = f"s3://{bucket}"
    up = invoke("cp", "-rn", "dir", f"{uri}/new")
    assert up.exit_code == 0
    assert sorted(up.stdout.splitlines()) == [f"would copy dir/{path} to {uri}/new/{path}" for path in ("a/b", "c")]
    assert up.stderr == "would copy 2 objects, 2 B\n"
    down = invoke("cp", "-r", "--dry-run", f"{uri}/llama/", "new", "--include", "tokenizer/*")
    assert down.stdout == f"would copy {uri}/llama/tokenizer/vocab.json to new/tokenizer/vocab.json\n"
    one = invoke("cp", "-n", f"{uri}/iris.joblib", "dir")
    assert one.stdout == f"would copy {uri}/iris.joblib to dir/iris.joblib\n"
    renamed = invoke("cp", "-n", f"{uri}/iris.joblib", "model")
    assert renamed.stdout == f"would copy {uri}/iris.joblib to model\n"
    assert files(tmp_path) == {"dir/a/b": b"12", "dir/c": b""}
    assert objects_in(seaweedfs, bucket) == OBJECTS


def test_json_has_a_line_per_object_and_a_summary(invoke: Invoke, bucket: str) -> None:
    result = invoke("cp", "-r", "--json", f"s3://{bucket}/llama", "here")
    *lines, summary = map(json.loads, result.stdout.splitlines())
    assert sorted(lines, key=lambda line: line["source"]) == [
        {
            "action": "copy",
            "source": f"s3://{bucket}/llama/{path}",
            "target": f"here/{path}",
            "size": len(data),
            "verified": "crc64nvme",
            "dry_run": False,
        }
        for path, data in sorted(below("llama/").items())
    ]
    assert summary.pop("seconds") >= 0
    assert summary == {
        "action": "summary",
        "copied": 4,
        "size": sum(map(len, below("llama/").values())),
        "target": "here",
        "dry_run": False,
    }
    assert result.stderr.startswith("copied 4 objects")


def test_a_dry_run_in_json(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    line, summary = map(json.loads, invoke("cp", "-n", "--json", f"s3://{bucket}/iris.joblib", ".").stdout.splitlines())
    assert (line["target"], line["verified"], line["dry_run"]) == ("./iris.joblib", None, True)
    assert (summary["copied"], summary["size"], summary["dry_run"]) == (1, 10, True)
    assert files(tmp_path) == {}


def test_names_that_are_not_unicode(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "caf\udce9").touch()
    assert invoke("cp", "-rn", "d", "e").stdout_bytes == b"would copy d/caf\xe9 to e/caf\xe9\n"
    copied = json.loads(invoke("cp", "-r", "--json", "d", "e").stdout.splitlines()[0])
    assert copied["target"] == "e/caf\udce9"


def test_odd_keys(invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    objects = {key: key.encode() for key in ODD_KEYS}
    put_objects(seaweedfs, bucket, objects)
    assert invoke("cp", "-r", f"s3://{bucket}/", "all").exit_code == 0
    assert files(tmp_path / "all") == objects


def test_a_summary_goes_to_stderr(invoke: Invoke, bucket: str) -> None:
    copied = invoke("cp", "-r", f"s3://{bucket}/llama/", "here").stderr
    assert copied.startswith("copied 4 objects, 500.0 kB in ")
    assert copied.endswith("B/s\n")
    assert copied.count("\n") == 1


def test_verbose_reports_each_object(invoke: Invoke, bucket: str) -> None:
    lines = invoke("cp", "-r", f"s3://{bucket}/llama/", "here", "-v").stderr.splitlines()
    assert "llama/model-1.bin: 300.0 kB, verified: crc64nvme" in lines
    assert len([line for line in lines if " INFO " not in line]) == 4 + 1


def test_options_before_or_after_the_command(invoke: Invoke, seaweedfs: S3Service, tmp_path: Path) -> None:
    put_objects(seaweedfs, PUBLIC_BUCKET, {"public.bin": b"public"})
    options = ("--no-sign-request", "--endpoint-url", seaweedfs.endpoint, "--region", "eu-west-1", "--memory", "64MiB")
    wrong = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "wrong"}
    assert invoke(*options, "cp", f"s3://{PUBLIC_BUCKET}/public.bin", "before", **wrong).exit_code == 0
    assert invoke("cp", f"s3://{PUBLIC_BUCKET}/public.bin", *options, "after", **wrong).exit_code == 0
    assert files(tmp_path) == {"before": b"public", "after": b"public"}


def test_limits(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    narrow = ("--memory", "128KiB", "--connections", "2")
    assert invoke("cp", "-r", f"s3://{bucket}/llama/", "here", *narrow).exit_code == 0
    assert files(tmp_path / "here") == below("llama/")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_as_a_program(environ: dict[str, str], bucket: str, tmp_path: Path, loop: str) -> None:
    done = run("cp", "-r", f"s3://{bucket}/llama/", tmp_path / "llama", environ=environ | {"SEALIFT_LOOP": loop})
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/llama\n")
    assert done.stderr.startswith("copied 4 objects, 500.0 kB in ")
    assert files(tmp_path / "llama") == below("llama/")


@pytest.mark.parametrize(("choice", "verified"), [("yes", "crc64nvme"), ("require", "crc64nvme"), ("no", "size-only")])
def test_verification(invoke: Invoke, bucket: str, choice: str, verified: str) -> None:
    result = invoke("cp", "--json", "--verify", choice, f"s3://{bucket}/iris.joblib", "model")
    assert json.loads(result.stdout.splitlines()[0])["verified"] == verified
    result = invoke("cp", "-v", "--verify", choice, f"s3://{bucket}/iris.joblib", "model")
    assert f"verified: {verified}" in result.stderr


def test_require_fails_without_a_checksum(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"model")
    result = invoke("cp", "--verify", "require", "m", "n")
    assert result.exit_code == exit_codes.FAILURE
    assert "IntegrityError" not in result.stderr
    assert "there is no checksum to verify" in result.stderr
    assert set(files(tmp_path)) == {"m"}
    assert invoke("cp", "m", "n").exit_code == 0


def test_fsync(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    result = invoke("cp", "-r", "--fsync", f"s3://{bucket}/llama", "model")
    assert result.exit_code == 0
    assert files(tmp_path / "model") == below("llama/")


def test_timeout(stalling: StallingS3, tmp_path: Path) -> None:
    for command in ("cp", "sync"):
        source = "s3://models/big.bin" if command == "cp" else "s3://models/p/"
        done = run(command, *stalling.options, "--timeout", "0.2", source, tmp_path / "new")
        assert (done.returncode, done.stdout) == (exit_codes.FAILURE, "")
        assert "not done after 0.2 s (allow it more time" in done.stderr
    assert files(tmp_path) == {}


def test_the_size_of_parts(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(11 << 20))
    assert invoke("cp", "--part-size", "5MiB", "large", f"s3://{bucket}/").exit_code == exit_codes.OK
    assert client(seaweedfs).head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    result = invoke("cp", "--part-size", "0", "large", f"s3://{bucket}/")
    assert (result.exit_code, "--part-size 0 is not positive" in result.stderr) == (exit_codes.USAGE, True)
