"""Hosts that treat their children badly, and the end of a host."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.wire.servers import serve, until

from .parts import BODY, gone, ranges

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc"),
]
ROOT = Path(__file__).parents[2]


async def start(mode: str, url: str, path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.workers.host", mode, url, str(path), cwd=ROOT, start_new_session=True
    )


@pytest.mark.parametrize("mode", ["ignores SIGCHLD", "reaps all children", "closed descriptors"])
async def test_a_host(mode: str, tmp_path: Path) -> None:
    async with serve(ranges()) as server:
        host = await start(mode, f"http://{server.origin.netloc}", tmp_path / "m")
        assert await host.wait() == 0
    assert (tmp_path / "m").read_bytes() == BODY
    assert gone(int((tmp_path / "m.pid").read_text()))


@pytest.mark.parametrize("mode", ["waits", "forks"])
async def test_workers_end_with_their_parent(mode: str, tmp_path: Path) -> None:
    """Even if a child of the host has inherited the control socket."""
    async with serve(ranges()) as server:
        host = await start(mode, f"http://{server.origin.netloc}", tmp_path / "m")
        noted = tmp_path / "m.pid"
        await until(lambda: noted.exists() and noted.read_text())
        pid = int(noted.read_text())
        assert not gone(pid)
        host.kill()
        await host.wait()
        await until(lambda: gone(pid))
        if mode == "forks":
            os.killpg(host.pid, signal.SIGKILL)  # the forked child
