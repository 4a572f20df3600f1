"""The options about objects that exist, objects that fail, and symbolic links."""

import json
import os
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import S3Service

from .conftest import Invoke, below, files, objects_in, tree

LLAMA = below("llama/")


@pytest.mark.parametrize("option", [("--skip-existing",), ("--no-clobber",), ("--existing", "skip")])
def test_existing_files_are_kept(invoke: Invoke, bucket: str, tmp_path: Path, option: tuple[str, ...]) -> None:
    tree(tmp_path / "to", {"config.json": b"mine"})
    result = invoke("cp", "-r", "-v", *option, f"s3://{bucket}/llama", "to")
    assert result.exit_code == 0
    assert files(tmp_path / "to") == {**LLAMA, "config.json": b"mine"}
    assert "to/config.json: exists, kept" in result.stderr
    assert "copied 3 objects" in result.stderr
    assert "kept 1 existing" in result.stderr


def test_existing_objects_are_kept(invoke: Invoke, bucket: str, seaweedfs: S3Service, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"mine")
    result = invoke("cp", "--json", "--skip-existing", "config.json", f"s3://{bucket}/llama/")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0] == {"action": "keep", "target": f"s3://{bucket}/llama/config.json", "dry_run": False}
    assert (lines[-1]["copied"], lines[-1]["kept"]) == (0, 1)
    assert objects_in(seaweedfs, bucket)["llama/config.json"] == LLAMA["config.json"]


def test_existing_files_are_an_error(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path / "to", {"config.json": b"mine"})
    result = invoke("cp", "-r", "--existing", "fail", f"s3://{bucket}/llama", "to")
    assert result.exit_code == exit_codes.FAILURE
    assert "'config.json' exists already; nothing was written" in result.stderr
    assert files(tmp_path / "to") == {"config.json": b"mine"}


def test_options_that_contradict_each_other(invoke: Invoke) -> None:
    result = invoke("cp", "--skip-existing", "--existing", "fail", "s3://b/k", "to")
    assert result.exit_code == exit_codes.USAGE
    assert "exclude each other" in result.stderr
    result = invoke("cp", "--skip-existing", "--unpack", "s3://b/k.tar", "to")
    assert result.exit_code == exit_codes.USAGE
    assert "--unpack" in result.stderr


def test_the_second_run_transfers_nothing(invoke: Invoke, bucket: str) -> None:
    assert invoke("cp", "-r", f"s3://{bucket}/llama", "to").exit_code == 0
    result = invoke("cp", "-r", f"s3://{bucket}/llama", "to")
    assert "already transferred" in result.stderr
    assert ", 0 B/s" in result.stderr


@pytest.mark.parametrize("command", ["cp -r", "sync"])
def test_the_others_are_copied(invoke: Invoke, bucket: str, tmp_path: Path, command: str) -> None:
    (tmp_path / "to" / "config.json" / "below").mkdir(parents=True)  # where a file should be
    (tmp_path / "to" / "config.json" / "below" / "file").write_bytes(b"x")
    result = invoke(*command.split(), "--on-error", "continue", f"s3://{bucket}/llama", "to")
    assert result.exit_code == exit_codes.FAILURE
    assert f"s3://{bucket}/llama/config.json" in result.stderr
    assert "copied everything but" in result.stderr
    copied = files(tmp_path / "to")
    assert {path: copied.get(path) for path in LLAMA if path != "config.json"} == {
        path: data for path, data in LLAMA.items() if path != "config.json"
    }


def test_links_are_not_followed(invoke: Invoke, bucket: str, seaweedfs: S3Service, tmp_path: Path) -> None:
    tree(tmp_path / "source", {"file": b"x"})
    os.symlink("file", tmp_path / "source" / "link")
    result = invoke("cp", "-r", "--no-follow-symlinks", "source", f"s3://{bucket}/to")
    assert result.exit_code == 0
    assert "source/link: symbolic link, not followed" in result.stderr
    assert {key for key in objects_in(seaweedfs, bucket) if key.startswith("to/")} == {"to/file"}


def test_removal_takes_the_option_too(invoke: Invoke, bucket: str, seaweedfs: S3Service) -> None:
    assert invoke("rm", "-r", "--on-error", "stop", f"s3://{bucket}/llama").exit_code == 0
    assert not [key for key in objects_in(seaweedfs, bucket) if key.startswith("llama/")]
