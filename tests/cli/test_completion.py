import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sealift.cli import exit_codes, main
from sealift.cli.remote_completion import complete_uri
from sealift.cli.settings import Settings
from tests.services.hub import FakeHub
from tests.services.s3 import MakeBucket, S3Service, put_objects

from .conftest import Invoke
from .program import clean_environ

WAIT = "--timeout 60"  # however slow this machine is


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert (result.exit_code, result.stderr) == (exit_codes.OK, "")
    assert f"_SEALIFT_COMPLETE={shell}_complete" in result.stdout
    assert "_sealift_completion" in result.stdout


def complete(line: str, tmp_path: Path, breaks: str = " :=", **variables: str) -> list[str]:
    """Return the completions that bash offers for the last word, with our script loaded."""
    program = tmp_path / "sealift"
    program.write_text(f"#!{sys.executable}\nfrom sealift.cli import main\nmain()\n")
    program.chmod(0o700)
    script = 'eval "$(sealift completion bash)"; COMP_LINE=$1; COMP_POINT=${#1}; COMP_WORDBREAKS=$2; '
    script += 'compopt() { echo "compopt $2"; }; _sealift_completion sealift; printf "%s\\n" "${COMPREPLY[@]}"'
    environ = clean_environ() | variables
    environ["PATH"] = f"{tmp_path}:{environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script, "bash", line, breaks],
        env=environ,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    assert complete("sealift c", tmp_path) == ["cache", "cat", "completion", "config", "cp"]
    assert complete("sealift cp --source-r", tmp_path) == ["--source-region"]


def test_bash_completes_paths(tmp_path: Path) -> None:
    assert complete("sealift cp mod", tmp_path) == ["compopt default", ""]


def test_bash_completes_buckets_and_keys(bucket: str, environ: dict[str, str], tmp_path: Path) -> None:
    nospace = "compopt nospace"
    assert f"//{bucket}/" in complete(f"sealift ls {WAIT} s3://{bucket[:4]}", tmp_path, **environ)
    assert complete(f"sealift cp x {WAIT} s3://{bucket}/l", tmp_path, **environ) == [
        nospace, nospace, f"//{bucket}/llama/", f"//{bucket}/llama-2/",
    ]  # fmt: skip
    # What the shell replaces: the whole word, if it does not split words at ":".
    assert complete(f"sealift cp -r {WAIT} s3://{bucket}/llama/mod", tmp_path, " =", **environ) == [
        f"s3://{bucket}/llama/model-1.bin", f"s3://{bucket}/llama/model-2.bin",
    ]  # fmt: skip


def test_names_with_spaces_are_quoted(
    seaweedfs: S3Service, make_bucket: MakeBucket, environ: dict[str, str], tmp_path: Path
) -> None:
    name = make_bucket(seaweedfs)
    put_objects(seaweedfs, name, {"a b/c d": b"", "a b/c'e": b""})
    assert complete(f"sealift stat {WAIT} s3://{name}/a", tmp_path, **environ) == [
        "compopt nospace",
        f"//{name}/a\\ b/",
    ]
    assert complete(f"sealift stat {WAIT} s3://{name}/a\\ b/c", tmp_path, **environ) == [
        f"//{name}/a\\ b/c\\ d", f"//{name}/a\\ b/c\\'e",
    ]  # fmt: skip


def test_the_options_before_the_uri_are_used(bucket: str, seaweedfs: S3Service, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(
        f"[weed]\naws_access_key_id = {seaweedfs.access_key}\naws_secret_access_key = {seaweedfs.secret_key}\n"
    )
    options = f"--profile weed --endpoint-url {seaweedfs.endpoint}"
    files = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")}
    for line in (f"sealift {options} ls {WAIT} s3://{bucket}/ir", f"sealift ls {WAIT} {options} s3://{bucket}/ir"):
        assert complete(line, tmp_path, **files) == [f"//{bucket}/iris.joblib"]


@pytest.mark.parametrize(
    "uri", ["s3://none/x", "s3://Not a bucket/", "http://127.0.0.1:1/x", "hf://owner", "s4://b/", "gs://b/x"]
)
def test_what_cannot_be_listed_is_not_completed(uri: str, invoke: Invoke, environ: dict[str, str]) -> None:
    settings = Settings(endpoint_url="http://127.0.0.1:1", patience=0)
    assert complete_uri(settings, uri) == []


def test_repositories(tmp_path: Path) -> None:
    with FakeHub() as hub:
        hub.repo("owner/name", {"config.json": b"{}", "onnx/m.onnx": b"m"})
        assert complete(f"sealift cp {WAIT} hf://owner/name/", tmp_path, HF_ENDPOINT=hub.endpoint) == [
            "compopt nospace", "//owner/name/config.json", "//owner/name/onnx/",
        ]  # fmt: skip
