"""The resources that one `AsyncStorage` owns: connections, disk threads, SDK clients, memory budget, pace of hosts."""

import asyncio
import copy
import os
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from typing import Any, Self

from .config import Proxies
from .runtime.detached import run_detached
from .runtime.disk_threads import DiskThreads
from .runtime.host_pace import Hosts
from .runtime.memory_budget import MemoryBudget, default_budget
from .runtime.parts_in_flight import PartsInFlight
from .runtime.retry import Retry
from .runtime.shielded import shielded
from .types import Limits, OnEvent
from .wire import Wire

__all__ = ["Instance"]


class Instance:
    """Resources shared by all calls of one `AsyncStorage`. Create it in the event loop that uses it.

    Args:
        limits: Resource limits.
        environ: Environment variables.

    Attributes:
        limits: The resource limits.
        environ: The environment variables; within a call, a snapshot of them.
        disk: Threads for blocking file operations.
        wire: HTTP connections.
        memory: Memory budget for bodies.
        retry: Retry loop; within a call, with its deadline and events.
        credentials: Configuration → SDK credentials that refresh themselves.
    """

    def __init__(self, limits: Limits, environ: Mapping[str, str] = os.environ) -> None:
        self.limits = limits
        self.environ = self._live_environ = environ
        self.disk = DiskThreads()
        hosts = Hosts(limits.per_host)
        self.retry = Retry(hosts, limits)
        self.wire = Wire(
            limits, hosts=hosts, run_blocking=run_detached, proxies=Proxies.from_env(environ), environ=environ
        )
        in_flight = PartsInFlight(
            lambda: time.thread_time() + self.disk.cpu_seconds + self.wire.cpu_seconds,
            parts=4 if (os.cpu_count() or 1) >= 4 else 3,  # more lanes than CPUs wait for each other
            round_trip=lambda: self.wire.round_trip,
        )
        self.memory = MemoryBudget(limits.memory or default_budget(), in_flight)
        self.credentials: dict[Hashable, Any] = {}
        self._clients: dict[Hashable, Any] = {}
        self._client_locks: dict[Hashable, asyncio.Lock] = {}
        self._exit_stack = AsyncExitStack()

    def for_call(self, deadline: float | None = None, on_event: OnEvent | None = None) -> Self:
        """Return this instance with a snapshot of the environment, for the duration of one call.

        A call awaits between reading one variable and the next. Without a snapshot, a concurrent change of the
        environment could combine the endpoint of one tenant with the keys of another.

        Args:
            deadline: Loop time at which the call is cancelled.
            on_event: Called with an event when a request has to wait.
        """
        snapshot = copy.copy(self)
        snapshot.environ = dict(self._live_environ)
        snapshot.retry = replace(self.retry, deadline=deadline, on_event=on_event)
        return snapshot

    async def client(
        self, key: Hashable, open_client: Callable[[], Awaitable[AbstractAsyncContextManager[Any]]]
    ) -> Any:
        """Return a shared SDK client. It is opened once per key and closed with the instance.

        Args:
            key: Service, endpoint and credentials of the client.
            open_client: Creates the context manager that opens the client.
        """
        if key not in self._clients:
            async with self._client_locks.setdefault(key, asyncio.Lock()):
                if key not in self._clients:
                    self._clients[key] = await self._exit_stack.enter_async_context(await open_client())
        return self._clients[key]

    async def aclose(self) -> None:
        """Close all clients, connections and threads."""
        await shielded(self._close())

    async def _close(self) -> None:
        try:
            await self._exit_stack.aclose()
        finally:
            await self.wire.aclose()
            self.disk.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
