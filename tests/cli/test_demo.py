import importlib.util
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from sealift.cli import exit_codes, main

from .program import TIMEOUT, run, start


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the demo puts its files."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    return directory


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Its stdout up to the line that holds a text."""
    assert process.stdout is not None
    read = ""
    while text not in read:
        line = process.stdout.readline()
        assert line, f"it ended after {read!r}"
        read += line
    return read


def assert_gone(told: str, place: Path) -> None:
    """The server does not answer any more, and no file is left."""
    port = re.search(r"http://127\.0\.0\.1:(\d+)", told)
    assert port is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port[1]))) != 0
    assert list(place.iterdir()) == []


def test_it_moves_verifies_and_leaves_nothing(place: Path) -> None:
    done = run("demo", "--size", "20MiB", environ={"TMPDIR": str(place)})
    assert (done.returncode, done.stderr) == (exit_codes.OK, "")
    assert "21 MB in " in done.stdout
    assert "of 38 flowers of the test set correctly" in done.stdout
    assert "all 6 files have the SHA-256 of their source" in done.stdout
    assert "  sealift demo --keep " in done.stdout
    assert_gone(done.stdout, place)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, exit_codes.INTERRUPTED), (signal.SIGTERM, exit_codes.TERMINATED)]
)
def test_an_interrupt_ends_it_and_its_server(place: Path, number: signal.Signals, code: int) -> None:
    with start("demo", environ={"TMPDIR": str(place)}) as process:
        told = read_until(process, "SeaweedFS")
        process.send_signal(number)
        rest, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == code
    # An import that is interrupted may leave a file to the interpreter, which warns of it in development mode.
    assert stderr.endswith("error: interrupted\n")
    assert "verified" not in rest
    assert_gone(told, place)


def test_kept_it_serves_until_an_interrupt(place: Path) -> None:
    with start("demo", "--size", "1MB", "--keep", environ={"TMPDIR": str(place)}) as process:
        told = read_until(process, "sealift cp -r s3://demo/weights/ weights")
        script = Path(told.partition("  . ")[2].splitlines()[0])
        assert stat.S_IMODE(script.stat().st_mode) == 0o600
        variables = dict(re.findall(r"^export (\w+)=(.+)$", script.read_text(), re.MULTILINE))
        assert all(value not in told for name, value in variables.items() if name != "AWS_ENDPOINT_URL")

        listed = run("ls", "s3://demo/", environ=variables)
        assert sorted(listed.stdout.splitlines())[:2] == ["iris.joblib", "weights/config.json"]

        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stderr) == (exit_codes.OK, "")
    assert_gone(told, place)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else found(name))
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == exit_codes.FAILURE
    assert result.stderr == 'error: the demo needs sklearn: python -m pip install "sealift[demo]"\n'


def test_too_little_room_is_told_before_anything_is_written(place: Path) -> None:
    done = run("demo", "--size", "1000000TB", environ={"TMPDIR": str(place)})
    assert done.returncode == exit_codes.FAILURE
    assert f"MB in {place}, but only " in done.stderr
    assert list(place.iterdir()) == []


def test_a_proxy_in_the_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(main, ["demo"], env={"http_proxy": "http://127.0.0.1:1"})
    assert result.exit_code == exit_codes.FAILURE
    assert "NO_PROXY=127.0.0.1" in result.stderr


def test_it_takes_no_storage_options() -> None:
    result = CliRunner().invoke(main, ["--region", "eu-west-1", "demo"])
    assert result.exit_code == exit_codes.USAGE
