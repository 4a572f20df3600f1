"""Start a server program on a free port and wait until it accepts connections."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from sealift.demo.seaweedfs import HOST, ServerError, free_ports
from sealift.demo.server_process import ServerProcess

START_SECONDS = 30.0
ATTEMPTS = 5


@contextlib.contextmanager
def serve(
    name: str,
    command: Callable[[int], Sequence[str]],
    directory: Path,
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run ``command(port)`` during the block; yields the port once it accepts connections.

    The program's environment is ``environment`` and HOME=directory, nothing else. If it does not start, a `ServerError`
    contains the end of its log. If another process has taken the port in the meantime, another port is tried.
    """
    for attempt in range(1, ATTEMPTS + 1):
        port = free_ports()["s3"]
        process = ServerProcess(
            command(port),
            cwd=directory,
            log=directory / f"{name}.log",
            env={"HOME": str(directory), **(environment or {})},
        )
        try:
            if _listening(process, port):
                yield port
                return
            what = f"did not listen within {START_SECONDS:g} s" if process.running else "ended while starting"
            log = process.tail()
            if attempt == ATTEMPTS or "address already in use" not in log.lower():
                raise ServerError(f"{name} {what}. Its log ends:\n{log}")
        finally:
            process.close()


def _listening(process: ServerProcess, port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.running and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return process.running
        time.sleep(0.02)
    return False
