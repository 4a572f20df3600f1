"""Descriptors that do not arrive in a worker, because it has too many open files."""

import os
import resource
import socket
from contextlib import closing

from sealift.wire.stalls import Stalls
from sealift.wire.workers.main import Worker
from sealift.wire.workers.protocol import encode_order


def test_a_worker_ends_rather_than_write_to_the_file_of_another_order() -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        worker = Worker(theirs, Stalls(1.0, 1))
        socket.send_fds(ours, [encode_order("interrupt", 1)[:3]], [ours.fileno()])
        lowest = os.dup(0)
        os.close(lowest)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
        try:
            serving = worker._receive()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert not serving
