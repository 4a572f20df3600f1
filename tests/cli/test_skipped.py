"""Messages and exit codes for skipped entries."""

import json
import os
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import MakeBucket, S3Service

from .conftest import Invoke, files, objects_in, tree

TREE = {"config.json": b"{}", "deep/weights": b"w"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tree(tmp_path / "source", TREE)
    (tmp_path / "source" / "latest").symlink_to("nowhere")
    os.mkfifo(tmp_path / "source" / "deep" / "pipe")
    return tmp_path / "source"


LINES = ["skipped: source/latest: link to nowhere, which does not exist", "skipped: source/deep/pipe: FIFO"]


@pytest.mark.parametrize("command", [("cp", "-r"), ("sync", "--delete"), ("cp", "-r", "-n"), ("cp", "-r", "--json")])
def test_copies(invoke: Invoke, source: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    tree(tmp_path / "to", {"latest/w": b"good"})
    result = invoke(*command, "source", "to")
    assert result.exit_code == exit_codes.FAILURE
    for line in LINES:
        assert line in result.stderr
    assert "copied everything but: latest: link to nowhere, which does not exist; deep/pipe: FIFO" in result.stderr
    assert files(tmp_path / "to") == {"latest/w": b"good"} | ({} if "-n" in command else TREE)
    if "--json" in command:
        output = [json.loads(line) for line in result.stdout.splitlines()]
        skipped = {line["target"]: line["reason"] for line in output if line["action"] == "skip"}
        assert skipped.keys() == {"source/latest", "source/deep/pipe"}


def test_ls(invoke: Invoke, source: Path) -> None:
    result = invoke("ls", "-r", "source")
    assert (result.exit_code, result.stdout) == (exit_codes.OK, "config.json\ndeep/weights\n")
    for line in LINES:
        assert line in result.stderr
    (source / "deep" / "loop").symlink_to("..")
    assert invoke("ls", "-r", "source").exit_code == exit_codes.FAILURE
    for options in ([], ["-r"]):
        result = invoke("ls", *options, "source", "--exclude", "deep/*", "--exclude", "latest")
        assert (result.exit_code, result.stdout, result.stderr) == (exit_codes.OK, "config.json\n", "")


def test_rm(invoke: Invoke, source: Path, tmp_path: Path) -> None:
    (source / "void").mkdir()
    result = invoke("rm", "-r", "-n", "source")
    would = {f"would remove source/{path}" for path in (*TREE, "latest", "deep/pipe", "void/")}
    assert set(result.stdout.splitlines()) == would
    result = invoke("rm", "source/latest", "source/deep/pipe")
    assert (result.exit_code, os.listdir(source / "deep")) == (exit_codes.OK, ["weights"])
    result = invoke("rm", "-r", "source")
    assert (result.exit_code, os.listdir(tmp_path)) == (exit_codes.OK, [])


def test_empty_is_not_missing(invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    (tmp_path / "empty").mkdir()
    for uri in (f"s3://{bucket}", f"s3://{bucket}/", "empty", "empty/"):
        result = invoke("ls", uri)
        assert (result.exit_code, result.stdout, result.stderr) == (exit_codes.OK, "", "")
    assert invoke("sync", "--delete", "empty", f"s3://{bucket}/").exit_code == exit_codes.OK
    assert objects_in(seaweedfs, bucket) == {}
    for uri in (f"s3://{bucket}", "empty"):
        result = invoke("rm", "-r", uri)
        assert (result.exit_code, result.stderr[: len("removed 0")]) == (exit_codes.OK, "removed 0")
    assert os.listdir(tmp_path) == []
    for uri in (f"s3://{bucket}/none/", "empty"):
        for command in (("ls",), ("rm", "-r")):
            assert invoke(*command, uri).exit_code == exit_codes.NOT_FOUND


def test_names_are_escaped_for_the_terminal(invoke: Invoke, source: Path) -> None:
    (source / "a\n\x1b[31m").symlink_to("nowhere")
    result = invoke("ls", "-r", "source")
    assert "\x1b" not in result.stderr
    assert result.stderr.count("\n") == 3
