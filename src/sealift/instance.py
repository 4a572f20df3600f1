"""What one instance owns and closes: the wire, disk threads, SDK clients, the budgets of memory and of retries."""

import copy
import os
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Self

import anyio

from .config import Proxies
from .runtime.disk_threads import DiskThreads
from .runtime.memory_budget import MemoryBudget, default_budget
from .runtime.parts_in_flight import PartsInFlight
from .runtime.retry import Retry, RetryBudget
from .types import Limits
from .wire import Wire

__all__ = ["Instance"]


class Instance:
    """Everything that outlives a single call; made in the event loop that uses it.

    Args:
        limits: How much of the machine to use.
        environ: The environment variables to go by.

    Attributes:
        limits: As given.
        environ: As given; in a call, a copy of it.
        disk: Threads for blocking work.
        wire: HTTP connections.
        memory: The budget for bodies.
        retry: The retry loop, with this instance's budget.
        credentials: Configuration → an SDK's credentials that renew themselves.
    """

    def __init__(self, limits: Limits, environ: Mapping[str, str] = os.environ) -> None:
        self.limits = limits
        self.environ = self._latest = environ
        self.disk = DiskThreads()
        in_flight = PartsInFlight(lambda: time.thread_time() + self.disk.cpu_seconds)
        self.memory = MemoryBudget(limits.memory or default_budget(), in_flight)
        self.retry = Retry(RetryBudget(), attempts=limits.attempts)
        self.wire = Wire(limits, run_blocking=self.disk.run, proxies=Proxies.from_env(environ), environ=environ)
        self.credentials: dict[Hashable, Any] = {}
        self._clients: dict[Hashable, Any] = {}
        self._opening: dict[Hashable, anyio.Lock] = {}
        self._stack = AsyncExitStack()

    def for_call(self) -> Self:
        """The same instance, with a copy of the environment variables as they are now.

        A call awaits between reading one variable and the next. Without a copy, a change of the variables meanwhile
        could pair the endpoint of one tenant with the keys of another.
        """
        view = copy.copy(self)
        view.environ = dict(self._latest)
        return view

    async def client(
        self, key: Hashable, open_client: Callable[[], Awaitable[AbstractAsyncContextManager[Any]]]
    ) -> Any:
        """The SDK client of this key, opened once and closed with the instance.

        Args:
            key: Service, endpoint and credentials.
            open_client: Makes the context manager that opens it.
        """
        if key not in self._clients:
            async with self._opening.setdefault(key, anyio.Lock()):
                if key not in self._clients:
                    self._clients[key] = await self._stack.enter_async_context(await open_client())
        return self._clients[key]

    async def aclose(self) -> None:
        """Close connections, clients and threads."""
        with anyio.CancelScope(shield=True):
            try:
                await self._stack.aclose()
            finally:
                await self.wire.aclose()
                self.disk.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
