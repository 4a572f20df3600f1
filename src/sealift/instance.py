"""What one `AsyncStorage` uses: its own configuration and SDK clients, and the resources that its event loop shares."""

import asyncio
import copy
import os
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from typing import Any, Self

from .config.user_agent import OWN_USER_AGENT, user_agent
from .loop_resources import enter_resources
from .runtime.shielded import shielded
from .types import Limits, OnEvent

__all__ = ["Instance"]


class Instance:
    """What all calls of one `AsyncStorage` share. Create it in the event loop that uses it.

    Configuration and credentials belong to the instance. Threads, connections and budgets belong to the event loop,
    where other instances with equal limits use them too.

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
        calls: Calls that do the same and share one task.
        credentials: Configuration → SDK credentials that refresh themselves.
        user_agent: The User-Agent header of requests; within a call, from its environment.
    """

    def __init__(self, limits: Limits, environ: Mapping[str, str] = os.environ) -> None:
        self.limits = limits
        self.environ = self._live_environ = environ
        self._resources = enter_resources(limits, environ)
        self.disk = self._resources.disk
        self.wire = self._resources.wire
        self.memory = self._resources.memory
        self.retry = self._resources.retry
        self.calls = self._resources.calls
        self.credentials: dict[Hashable, Any] = {}
        self.user_agent = OWN_USER_AGENT
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

        Raises:
            InvalidConfig: `SEALIFT_USER_AGENT` is no value of a header.
        """
        snapshot = copy.copy(self)
        snapshot.environ = dict(self._live_environ)
        snapshot.user_agent = user_agent(snapshot.environ)
        snapshot.retry = replace(self.retry, deadline=deadline, on_event=on_event)
        return snapshot

    def observed(self, on_event: OnEvent) -> Self:
        """Return this instance with another callback for requests that have to wait."""
        observed = copy.copy(self)
        observed.retry = replace(self.retry, on_event=on_event)
        return observed

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

    async def aclose(self, *, linger: bool = False) -> None:
        """Close all SDK clients, and end the use of the shared resources.

        Args:
            linger: Whether those stay open for a moment, for the next call of another instance.
        """
        await shielded(self._close(linger=linger))

    async def _close(self, *, linger: bool) -> None:
        try:
            await self._exit_stack.aclose()
        finally:
            self._resources.leave()
            if not linger:
                await self._resources.close_if_unused()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
