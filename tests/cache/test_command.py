"""`sealift cache`."""

import json
import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

from sealift import Storage
from sealift.cache import eviction
from sealift.cli import main
from tests.api.servers import FakeS3
from tests.facade.scripts import run as script
from tests.facade.test_shared_directories import AS_OTHER, needs_root

from .reading import last_used, snapshots
from .test_damage import damage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["cache", *arguments])


@pytest.fixture
def cached(server: FakeS3) -> str:
    """Three cached URIs, one of which this process uses. Returns its path."""
    for uri in ("s3://b/copy/", "s3://b/large"):
        with Storage.cached(uri, config=server.config):
            pass
    return Storage.download("s3://b/iris/", config=server.config)


def test_ls_and_du(cached: str, cache_directory: Path) -> None:
    lines = [json.loads(line) for line in run("ls", "--json").stdout.splitlines()]
    assert {line["uri"] for line in lines} == {"s3://b/copy/", "s3://b/large", "s3://b/iris/"}
    iris = next(line for line in lines if line["uri"] == "s3://b/iris/")
    assert (iris["path"], iris["files"], iris["pinned"]) == (cached, 4, False)
    assert iris["used_by"] == [f"process {os.getpid()}"]
    assert "s3://b/large" in run("ls", "-h").stdout
    facts = json.loads(run("du", "--json").stdout)
    assert facts["path"] == str(cache_directory)
    assert 12_000_000 < facts["size"] < 14_000_000
    assert str(cache_directory) in run("du").stdout


def test_path(cached: str) -> None:
    assert run("path", "s3://b/iris").stdout == f"{cached}\n"
    assert json.loads(run("path", "--json", "s3://b/iris/").stdout)["path"] == cached
    missing = run("path", "s3://b/none")
    assert missing.exit_code != 0


def test_rm(cached: str, cache_directory: Path) -> None:
    refused = run("rm", "s3://b/iris/", "s3://b/large")
    assert refused.exit_code != 0
    assert "s3://b/iris/ is used by process" in str(refused.exception) + refused.output
    assert "s3://b/large" not in run("ls").stdout
    assert Path(cached).is_dir()


def test_pin_and_prune(cached: str, cache_directory: Path) -> None:
    assert run("pin", "s3://b/large").exit_code == 0
    assert json.loads(run("ls", "--json").stdout.splitlines()[1])["pinned"]
    assert run("prune", "--all").exit_code == 0
    assert "s3://b/copy/" not in run("ls").stdout
    assert run("unpin", "s3://b/large").exit_code == 0
    pruned = run("prune", "--older-than", "0", "--json")
    assert [json.loads(line)["uri"] for line in pruned.stdout.splitlines()] == ["s3://b/large"]
    assert len(snapshots(cache_directory)) == 1


def test_prune_to_a_size(server: FakeS3, cache_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is added up a few times, not once for each of thousands of models."""
    server.objects = {"b": {f"{n}": bytes([n]) * 8192 for n in range(12)}}
    for n in range(12):
        with Storage.cached(f"s3://b/{n}", config=server.config) as path:
            snapshot = Path(path).parent.name
        last_used(cache_directory, snapshot, 1e9 + n)
    counted = Mock(wraps=eviction.usage)
    monkeypatch.setattr(eviction, "usage", counted)
    pruned = run("prune", "--size", str(4 * 8192), "--json")
    assert [json.loads(line)["uri"] for line in pruned.stdout.splitlines()] == [f"s3://b/{n}" for n in range(8)]
    assert counted.call_count <= 3
    assert len(snapshots(cache_directory)) == 4


def test_verify(cached: str) -> None:
    assert run("verify").exit_code == 0
    damage(Path(cached, "model.bin"), hidden=True)
    failed = run("verify")
    assert failed.exit_code != 0
    assert f"damaged: {cached}/model.bin" in failed.stdout
    assert not Path(cached, "model.bin").exists()


def test_a_cache_that_does_not_exist(cache_directory: Path) -> None:
    assert run("ls").stdout == ""
    assert run("verify", "--json").exit_code == 0
    assert json.loads(run("du", "--json").stdout)["size"] == 0


@needs_root
def test_a_cache_that_only_others_may_write_to(server: FakeS3, here: Path) -> None:
    """What only reads it works, and what does not says why."""
    program = (
        AS_OTHER
        + """
    import tempfile
    from click.testing import CliRunner
    from sealift.cli import main
    cache = tempfile.mkdtemp(prefix="sealift-read-only-")
    os.environ["SEALIFT_CACHE"] = cache
    with Storage.cached("s3://b/copy/", config=config):
        pass

    def work():
        for words in ("ls --json", "du --json", "path s3://b/copy", "rm s3://b/copy/"):
            done = CliRunner().invoke(main, ["cache", *words.split()])
            say(words, done.exit_code, done.stderr.strip() or done.stdout.strip())
        elsewhere = {"SEALIFT_CACHE": "/proc/none", "SEALIFT_CACHE_READ": cache}
        say(CliRunner().invoke(main, ["cache", "path", "s3://b/copy/"], env=elsewhere).stdout.strip())

    work()  # imports modules that the other user cannot read
    with Storage.cached("s3://b/copy/", config=config):
        pass
    for directory, _, _ in os.walk(cache):
        os.chmod(directory, 0o755)
    for name in os.listdir(cache + "/v1/manifests"):
        os.chmod(f"{cache}/v1/manifests/{name}", 0o644)
    say("as another user", cache)
    say(as_other(work))
    import shutil
    shutil.rmtree(cache)
    """
    )
    status, lines, complaints = script(program, here, server)
    assert (status, complaints) == (0, ""), (lines, complaints)
    start = next(number for number, line in enumerate(lines) if line.startswith("as another user"))
    cache = lines[start].split()[-1]
    ls, du, path, rm, elsewhere, code = lines[start + 1 :]
    assert "s3://b/copy/" in ls
    assert f'"path":"{cache}"' in du.replace(" ", "")
    assert f"path s3://b/copy 0 {cache}/v1/snapshots/" in path
    assert f"the cache directory {cache} cannot be used" in rm
    assert elsewhere.startswith(f"{cache}/v1/snapshots/")
    assert code == "0"
