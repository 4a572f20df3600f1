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
def temporary(tmp_path: Path) -> Path:
    """The temporary directory of the demo."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    return directory


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read stdout up to the line that contains a text."""
    assert process.stdout is not None
    read = ""
    while text not in read:
        line = process.stdout.readline()
        assert line, f"it ended after {read!r}"
        read += line
    return read


def assert_gone(stdout: str, temporary: Path) -> None:
    """Check that the server is stopped and all files are removed."""
    port = re.search(r"http://127\.0\.0\.1:(\d+)", stdout)
    assert port is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port[1]))) != 0
    assert list(temporary.iterdir()) == []


def test_demo_verifies_files_and_cleans_up(temporary: Path) -> None:
    done = run("demo", "--size", "20MiB", environ={"TMPDIR": str(temporary)})
    assert (done.returncode, done.stderr) == (exit_codes.OK, "")
    assert "21 MB in " in done.stdout
    assert "of 38 flowers of the test set correctly" in done.stdout
    assert "all 6 files have the SHA-256 of their source" in done.stdout
    assert "  sealift demo --keep " in done.stdout
    assert_gone(done.stdout, temporary)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, exit_codes.INTERRUPTED), (signal.SIGHUP, exit_codes.HUNG_UP)]
)
def test_demo_stops_on_signals(temporary: Path, number: signal.Signals, code: int) -> None:
    with start("demo", environ={"TMPDIR": str(temporary)}) as process:
        stdout = read_until(process, "SeaweedFS")
        process.send_signal(number)
        rest, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == code
    # An interrupted import may leave an open file, about which the interpreter warns in development mode.
    assert stderr.endswith("error: interrupted\n")
    assert "verified" not in rest
    assert_gone(stdout, temporary)


def test_keep_serves_until_an_interrupt(temporary: Path) -> None:
    with start("demo", "--size", "1MB", "--keep", environ={"TMPDIR": str(temporary)}) as process:
        stdout = read_until(process, "sealift cp -r s3://demo/weights/ weights")
        script = Path(stdout.partition("  . ")[2].splitlines()[0])
        assert stat.S_IMODE(script.stat().st_mode) == 0o600
        variables = dict(re.findall(r"^export (\w+)=(.+)$", script.read_text(), re.MULTILINE))
        assert all(value not in stdout for name, value in variables.items() if name != "AWS_ENDPOINT_URL")

        listed = run("ls", "-r", "s3://demo/", environ=variables)
        assert sorted(listed.stdout.splitlines())[:2] == ["iris.joblib", "weights/config.json"]

        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stderr) == (exit_codes.OK, "")
    assert_gone(stdout, temporary)


def test_missing_packages_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else found(name))
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == exit_codes.FAILURE
    assert result.stderr == 'error: the demo needs sklearn: python -m pip install "sealift[demo]"\n'


def test_too_little_disk_space_is_an_error(temporary: Path) -> None:
    done = run("demo", "--size", "1000000TB", environ={"TMPDIR": str(temporary)})
    assert done.returncode == exit_codes.FAILURE
    assert f"MB in {temporary}, but only " in done.stderr
    assert list(temporary.iterdir()) == []


def test_a_proxy_for_the_demo_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(main, ["demo"], env={"http_proxy": "http://127.0.0.1:1"})
    assert result.exit_code == exit_codes.FAILURE
    assert "NO_PROXY=127.0.0.1" in result.stderr


def test_demo_rejects_storage_options() -> None:
    result = CliRunner().invoke(main, ["--region", "eu-west-1", "demo"])
    assert result.exit_code == exit_codes.USAGE
