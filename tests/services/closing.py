"""Close the test servers so that no resources are left for the garbage collector to warn about."""

import asyncio
import contextlib
from collections.abc import Set as AbstractSet


def abort(writer: asyncio.StreamWriter) -> None:
    """Drop a connection, unless it is lost already.

    The `abort` of asyncio's transports fails if one was closed with bytes to send, and has sent them since: it refers
    to its event loop no more.
    """
    with contextlib.suppress(AttributeError):
        writer.transport.abort()


async def close(server: asyncio.Server, tasks: AbstractSet[asyncio.Task[None]]) -> None:
    """Close a server.

    Args:
        server: The listening server.
        tasks: Each serves one connection, and closes its transport when it is cancelled. New tasks add themselves.
    """
    loop = asyncio.get_running_loop()
    # A closed server drops the connections that it has accepted but not handed over yet.
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(10):  # so that connections accepted just now get their tasks
        await asyncio.sleep(0)
    server.close()
    running = list(tasks)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await asyncio.sleep(0)  # an aborted transport closes in the next iteration of the loop
