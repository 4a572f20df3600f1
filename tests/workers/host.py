"""A host process that downloads with a worker, run by `test_hosts.py`: `python -m tests.workers.host MODE URL FILE`.

Prints the worker's process id and "done", then waits for the end of its standard input, or to be killed.
"""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

from sealift.wire import Origin
from tests.wire.servers import Server

from .parts import File, fetch, pids, wire_with_workers


async def main(mode: str, url: str, path: str) -> None:
    if mode == "ignores SIGCHLD":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    elif mode == "reaps all children":
        signal.signal(signal.SIGCHLD, _reap)
    elif mode == "closed descriptors":
        for descriptor in (0, 1, 2):
            os.close(descriptor)
    async with wire_with_workers() as wire:
        target = File(Path(path))
        await fetch(wire, Server(Origin.of(url)), target.part())
        (pid,) = pids(wire)
        if mode == "forks":
            if not os.fork():
                signal.pause()
        elif mode == "waits":
            pass
        Path(f"{path}.pid").write_text(str(pid), "ascii")
        if mode in {"forks", "waits"}:
            await asyncio.Event().wait()
    os.close(target.descriptor)
    if mode == "ignores SIGCHLD":
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    assert threading.active_count() < 10


def _reap(*_: object) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
