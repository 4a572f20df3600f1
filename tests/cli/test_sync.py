import json
from pathlib import Path

from tests.services.s3 import MakeBucket, S3Service, put_objects

from .conftest import Invoke, below, files, objects_in, tree


def test_only_what_differs_is_copied(
    invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket = make_bucket(seaweedfs)
    tree(tmp_path / "llama", below("llama/"))
    first = invoke("sync", "llama", f"s3://{bucket}/llama")
    assert (first.exit_code, first.stdout) == (0, "")
    assert first.stderr.startswith("copied 4 objects, 500.0 kB in ")
    assert first.stderr.endswith("/s; kept 0, removed 0\n")
    tree(tmp_path / "llama", {"config.json": b"{}"})
    assert invoke("sync", "llama", f"s3://{bucket}/llama/").stderr.endswith("/s; kept 3, removed 0\n")
    assert objects_in(seaweedfs, bucket) == {
        **{f"llama/{path}": data for path, data in below("llama/").items()},
        "llama/config.json": b"{}",
    }


def test_from_a_prefix_to_a_directory(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    assert invoke("sync", f"s3://{bucket}/llama", "here").exit_code == 0
    assert invoke("sync", f"s3://{bucket}/llama", "here").stderr.endswith("; kept 4, removed 0\n")
    assert files(tmp_path) == {f"here/{path}": data for path, data in below("llama/").items()}


def test_delete_removes_what_only_the_destination_has(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path / "here", {"old.bin": b"old", "old.txt": b"old"})
    kept = invoke("sync", f"s3://{bucket}/llama", "here")
    assert kept.stderr.endswith("; kept 0, removed 0\n")
    removed = invoke("sync", "--delete", "--exclude", "*.txt", f"s3://{bucket}/llama", "here")
    assert removed.stderr.endswith("; kept 4, removed 1\n")
    assert files(tmp_path / "here") == {**below("llama/"), "old.txt": b"old"}


def test_between_buckets(invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, bucket: str) -> None:
    other = make_bucket(seaweedfs)
    put_objects(seaweedfs, other, {"llama/old": b"old", "beside": b"beside"})
    assert invoke("sync", "--delete", f"s3://{bucket}/llama", f"s3://{other}/llama").exit_code == 0
    assert objects_in(seaweedfs, other) == {
        **{f"llama/{path}": data for path, data in below("llama/").items()},
        "beside": b"beside",
    }


def test_comparison_options(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    """By default, recorded or matching checksums count as equal; options compare sizes or contents."""
    changed = bytearray(below("llama/")["model-1.bin"])
    changed[0] ^= 1
    expected = {**below("llama/"), "model-1.bin": bytes(changed)}
    tree(tmp_path / "here", expected)
    by_size = invoke("sync", "--size-only", f"s3://{bucket}/llama", "here")
    assert by_size.stderr.endswith("; kept 4, removed 0\n")
    assert files(tmp_path / "here") == expected
    assert invoke("sync", "-n", f"s3://{bucket}/llama", "here").stderr.endswith("; would keep 0, remove 0\n")
    assert invoke("sync", "--checksum", f"s3://{bucket}/llama", "here").stderr.endswith("; kept 3, removed 0\n")
    assert files(tmp_path / "here") == below("llama/")
    assert invoke("sync", f"s3://{bucket}/llama", "here").stderr.endswith("; kept 4, removed 0\n")


def test_checksum_and_size_only_cannot_be_combined(invoke: Invoke, bucket: str) -> None:
    result = invoke("sync", "--checksum", "--size-only", f"s3://{bucket}/llama", "here")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--checksum and --size-only cannot be combined" in result.stderr


def test_a_dry_run_changes_nothing(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path / "here", {"old": b"old", "config.json": b"older"})
    chosen = ("--include", "*.json", "--include", "old")
    result = invoke("sync", "--delete", "--dry-run", *chosen, f"s3://{bucket}/llama", "here")
    assert result.exit_code == 0
    *copied, removed = result.stdout.splitlines()
    assert sorted(copied) == [
        f"would copy s3://{bucket}/llama/{path} to here/{path}" for path in ("config.json", "tokenizer/vocab.json")
    ]
    assert removed == "would remove here/old"
    assert result.stderr == "would copy 2 objects, 15 B; would keep 0, remove 1\n"
    assert files(tmp_path / "here") == {"old": b"old", "config.json": b"older"}


def test_a_record_that_cannot_be_used_is_a_warning(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    """Once, whatever the verbosity is."""
    (tmp_path / "state").write_bytes(b"no directory")
    uri, text = f"s3://{bucket}/llama", "sync cannot use its record of earlier transfers"
    for options in ((), ("-q",), ("-v",), ("--json",)):
        result = invoke("sync", *options, uri, "here", XDG_STATE_HOME=str(tmp_path / "state"))
        assert result.exit_code == 0
        assert result.stderr.count(text) == 1
        assert (f"warning: {text}" in result.stderr) == (options != ("-v",))
    assert text not in invoke("sync", uri, "here").stderr


def test_json(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path / "here", {"config.json": b"{}", "new": b"new"})
    result = invoke("sync", "--delete", "--json", "here", f"s3://{bucket}/llama-2")
    *lines, summary = map(json.loads, result.stdout.splitlines())
    assert sorted((line["action"], line["source"], line["target"], line["size"]) for line in lines) == [
        ("copy", "here/config.json", f"s3://{bucket}/llama-2/config.json", 2),
        ("copy", "here/new", f"s3://{bucket}/llama-2/new", 3),
    ]
    put_objects(seaweedfs, bucket, {"llama-2/old": b"old"})
    del summary["seconds"]
    assert summary == {"action": "summary", "copied": 2, "size": 5, "kept": 0, "removed": 0, "dry_run": False}
    *lines, summary = map(
        json.loads,
        invoke("sync", "--delete", "--checksum", "--json", "here", f"s3://{bucket}/llama-2").stdout.splitlines(),
    )
    assert lines == [{"action": "remove", "target": f"s3://{bucket}/llama-2/old", "dry_run": False}]
    assert (summary["copied"], summary["kept"], summary["removed"]) == (0, 2, 1)
