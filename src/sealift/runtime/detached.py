"""Run a function that cannot be ended, such as a DNS lookup, in a thread of its own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from .start_thread import start_thread

__all__ = ["run_detached"]

T = TypeVar("T")


async def run_detached(function: Callable[[], T]) -> T:
    """Run a function in a new daemon thread.

    A cancelled call returns at once and leaves the thread to end by itself, so the function must hold nothing and
    change nothing.

    Args:
        function: The function, without arguments.

    Raises:
        NoThreadError: No thread can be started.
        ClosedError: The interpreter is exiting.

    Example:
        >>> import socket
        >>> async def lookup() -> list[object]:
        ...     return await run_detached(lambda: socket.getaddrinfo("localhost", 80))
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller
            report(lambda error=error: future.set_exception(error))  # type: ignore[misc]
        else:
            report(lambda: future.set_result(result))

    def report(finish: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(lambda: None if future.done() else finish())

    start_thread(run, name="sealift-lookup")
    return await future
