"""`sealift-initializer`, as the init container of a pod runs it."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sealift.types import MiB
from tests.api.servers import SECRET, FakeS3, pattern
from tests.kserve.outcome import tree
from tests.kserve.unprivileged import started, volume
from tests.kserve.world import World
from tests.services import git_server

SIZE, STALL = 20 * MiB, 12 * MiB
LARGE = pattern(SIZE)


@pytest.fixture
def emptydir() -> Iterator[Path]:
    with volume() as directory:
        yield directory


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str], list[str]]:
    """The exit code, and the lines of stdout and stderr."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out.splitlines(), err.splitlines()


def run(emptydir: Path, environ: Mapping[str, str], *arguments: str) -> tuple[int, list[str], list[str]]:
    return ended(started(arguments, emptydir, environ))


def settings(server: FakeS3) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": server.endpoint}


def test_several_models(models: World, emptydir: Path) -> None:
    pairs = [models.fill("{s3}/one/"), f"{emptydir}/a", models.fill("{gs}/alone"), f"{emptydir}/b"]
    code, out, err = run(emptydir, models.environ, *pairs, "hf://owner/model:v1", f"{emptydir}/c")
    assert code == 0, err
    assert out == ["written elsewhere: []"]
    assert tree(str(emptydir)) == {
        "a/model.bin": "weights", "b/model.bin": "of the tar", "b/config.json": "{}", "c/old.bin": "old",
    }  # fmt: skip
    assert sorted(os.listdir(emptydir / "a")) == ["model.bin"]
    texts = "\n".join(err)
    for text in ("Initializing, args: (src_uri, dest_path)", "Successfully copied hf://owner/model:v1 to"):
        assert text in texts
    assert "Model downloaded in" in err[-1]


def test_a_repository_is_cloned_without_another_writable_directory(emptydir: Path, tmp_path: Path) -> None:
    (emptydir / "m" / ".sealift-temporary" / "sealift-git-of-a-killed-container").mkdir(parents=True)
    for directory in (emptydir / "m", emptydir / "m" / ".sealift-temporary"):
        os.chown(directory, *[1000 if os.geteuid() == 0 else -1] * 2)
    with git_server.running(tmp_path) as server:
        repository = git_server.Repository(server, "owner/model")
        repository.put({"config.json": b"{}", "deep/small.bin": b"small"})
        code, out, err = run(emptydir, {}, repository.uri, f"{emptydir}/m")
    assert code == 0, err
    assert out == ["written elsewhere: []"]
    assert tree(str(emptydir)) == {"m/config.json": "{}", "m/deep/small.bin": "small"}
    assert sorted(os.listdir(emptydir / "m")) == ["config.json", "deep"]


@pytest.mark.parametrize("arguments", [[], ["s3://b/m"], ["s3://b/m", "/m", "s3://b/n"]])
def test_the_wrong_number_of_arguments(emptydir: Path, arguments: list[str]) -> None:
    code, out, _ = run(emptydir, {}, *arguments)
    assert (code, out[0].startswith("Usage: ")) == (1, True)


def test_the_cause_is_the_last_line(models: World, emptydir: Path) -> None:
    good, bad = models.fill("{s3}/one/"), models.fill("{gs}/gone/")
    code, _, err = run(emptydir, models.environ, good, f"{emptydir}/a", bad, f"{emptydir}/b")
    assert code == 1
    assert f"Storage initialization failed: Failed to fetch model. No model found in {bad}" in err[-1]
    assert not [line for line in err if "Traceback" in line]


def test_confidential_computing_is_refused(emptydir: Path) -> None:
    code, _, err = run(emptydir, {"CONFIDENTIAL_ENABLED": "True"}, "s3://b/m", f"{emptydir}/m")
    assert (code, os.listdir(emptydir)) == (1, [])
    assert "CONFIDENTIAL_ENABLED=true is not supported" in err[-1]


def test_a_killed_container_resumes(emptydir: Path) -> None:
    with FakeS3({"b": {"m/large": LARGE, "m/small": b"small"}}, stall={"m/large": STALL}) as server:
        arguments = ["s3://b/m", str(emptydir)]
        process = started(arguments, emptydir, settings(server))
        assert server.stalled.wait(60)
        os.killpg(process.pid, signal.SIGKILL)
        assert ended(process)[0] == -signal.SIGKILL
        assert any(name.startswith(".sealift") for name in os.listdir(emptydir))
        server.release()
        server.asked.clear()
        code, _, err = run(emptydir, settings(server), *arguments)
        assert code == 0, err
        ranges = [asked.headers["range"] for asked in server.asked if "range" in asked.headers]
    assert sorted(os.listdir(emptydir)) == ["large", "small"]
    assert (emptydir / "large").read_bytes() == LARGE
    bounds = [each.removeprefix("bytes=").split("-") for each in ranges]
    assert sum(int(last) - int(first) + 1 for first, last in bounds) < SIZE


def test_terminated(emptydir: Path) -> None:
    with FakeS3({"b": {"m/large": LARGE}}, stall={"m/large": STALL}) as server:
        process = started(["s3://b/m", str(emptydir)], emptydir, settings(server))
        assert server.stalled.wait(60)
        process.terminate()
        code, _, err = ended(process)
        server.release()
    assert (code, "terminated; the next start resumes" in err[-1]) == (128 + signal.SIGTERM, True)
