"""How a server of the tests' own ends, so that nothing of it is left for the garbage collector to complain of."""

import asyncio
from collections.abc import Set as AbstractSet


async def close(server: asyncio.Server, tasks: AbstractSet[asyncio.Task[None]]) -> None:
    """End a server.

    Args:
        server: Accepts connections until now.
        tasks: Each serves one of them, and closes its transport when it is cancelled. New ones add themselves.
    """
    loop = asyncio.get_running_loop()
    # A server that closes forgets the connections that it has accepted and not yet handed over.
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(10):  # those that were accepted just now get their tasks
        await asyncio.sleep(0)
    server.close()
    running = list(tasks)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await asyncio.sleep(0)  # a transport that was aborted closes in the loop's next turn
