"""Lanes: threads that send requests and receive responses with blocking sockets, driven by the event loop.

No body passes through the event loop. The loop decides which request uses which connection, and a lane carries it out.
"""

from collections.abc import Callable
from typing import TypeVar

from ..errors import ClosedError
from ..runtime.disk_threads import DiskThreads
from .connection import Connection
from .stall_watchdog import Watchdog

__all__ = ["Lanes"]

T = TypeVar("T")


class Lanes:
    """The lanes of one `Wire`.

    Args:
        limit: Maximum number of threads, at least that of connections.
        watchdog: Ends stalled exchanges.
    """

    def __init__(self, limit: int, watchdog: Watchdog) -> None:
        self._threads = DiskThreads(limit, "sealift-lane")
        self._watchdog = watchdog

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that the threads have used."""
        return self._threads.cpu_seconds

    async def run(self, connection: Connection, function: Callable[[], T], *others: Connection) -> T:
        """Run a function that uses a connection.

        A cancelled call interrupts the connection, and returns when the function has ended: from then on it writes to
        no buffer or file.

        Args:
            connection: The connection.
            function: The function; blocks.
            others: More connections that it uses.
        """

        def interrupt() -> None:
            for each in (connection, *others):
                each.interrupt(ClosedError("cancelled"))

        def run() -> T:
            connection.waiting = True  # only now: if not all lanes can be started, connections wait for one
            return function()

        try:
            return await self._threads.run(run, interrupt=interrupt)
        finally:
            connection.waiting = False

    def watch(self, connection: Connection) -> None:
        """End what a lane does with a connection if it stalls, until `unwatch`."""
        self._watchdog.watch(connection)

    def unwatch(self, connection: Connection) -> None:
        """Stop watching a connection."""
        self._watchdog.unwatch(connection)

    async def run_blocking(self, function: Callable[[], T]) -> T:
        """Run a function that uses no connection."""
        return await self._threads.run(function)

    def close(self) -> None:
        """End the threads; they finish what they are doing."""
        self._threads.close()
