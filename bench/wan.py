"""A server at the other end of a link with a delay: see `link.py`."""

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.servers import ServerError

_LINK = Path(__file__).with_name("link.py")
ADDRESS = "10.99.0.2"
"""The address of the server."""
RATE = 400e6
"""Bytes per second of the link, in each direction."""
CONNECTION_RATE = 50_000_000
"""Bytes per second of each connection."""


@dataclass(frozen=True, slots=True)
class Link:
    """File descriptors of the network namespaces at both ends."""

    client: int
    server: int


@contextlib.contextmanager
def link(round_trip_s: float) -> Iterator[Link]:
    """Create a link until the end of the block; needs root and `ip`."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_LINK), str(round_trip_s), str(RATE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, contextlib.ExitStack() as stack:
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - for mypy
        stack.callback(process.stdin.close)  # ends it
        found = process.stdout.readline().split()
        if len(found) != 2:
            raise ServerError("a link with a delay needs root, iproute2 and /dev/net/tun")
        ends = [os.open(f"/proc/{process.pid}/fd/{number}", os.O_RDONLY | os.O_CLOEXEC) for number in found]
        for end in ends:
            stack.callback(os.close, end)
        yield Link(*ends)


@contextlib.contextmanager
def inside(namespace: int | None) -> Iterator[None]:
    """Run the block, and the processes that it starts, in a network namespace; None: in that of this process."""
    if namespace is None:
        yield
        return
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(namespace)
        yield
    finally:
        _enter(outside)
        os.close(outside)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns needs Python 3.12
    if libc.setns(namespace, 0):
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace")
