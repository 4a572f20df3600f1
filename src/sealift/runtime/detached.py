"""Run a function that cannot be ended, such as a DNS lookup, in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from ..errors import ClosedError

__all__ = ["run_detached"]

T = TypeVar("T")


async def run_detached(function: Callable[[], T]) -> T:
    """Run a function in a new daemon thread.

    A cancelled call returns at once and leaves the thread to end by itself, so the function must hold nothing and
    change nothing.

    Args:
        function: The function, without arguments.

    Raises:
        ClosedError: No thread can be started.

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

    try:
        threading.Thread(target=run, name="sealift-lookup", daemon=True).start()
    except RuntimeError as error:  # the interpreter is exiting, or there are too many threads
        raise ClosedError(f"cannot start a thread: {error}") from None
    return await future
