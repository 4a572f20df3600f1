"""The threads, connections and budgets that all instances with equal limits share in one event loop.

`await AsyncStorage().download(…)` in each request of a server opens an instance per call. They all use one
`LoopResources`, so that their number changes neither threads nor memory. It is closed with the last `async with`
block; after a call without one, a second later, or by `loop.shutdown_asyncgens()`, which `asyncio.run`, web servers and
test frameworks call before they close a loop.
"""

import asyncio
import atexit
import os
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import suppress

from .config import Proxies
from .runtime.control_groups import available_cpus
from .runtime.detached import run_detached
from .runtime.disk_threads import DiskThreads
from .runtime.host_pace import Hosts
from .runtime.memory_budget import MemoryBudget, default_budget
from .runtime.parts_in_flight import PartsInFlight
from .runtime.patched_modules import refuse_patched_modules
from .runtime.retry import Retry
from .runtime.shared_calls import SharedCalls
from .runtime.standard_streams import reserve_descriptors
from .types import Limits, MiB
from .wire import Wire
from .wire.tls import CERTIFICATE_VARIABLES

__all__ = ["LoopResources", "enter_resources"]

# Seconds that unused resources stay open for the next call; also how long calls may take to end with their loop.
_LINGER = 1.0

_Key = tuple[asyncio.AbstractEventLoop, Hashable]
# An event loop changes only its own entries, and removing one is atomic, so no lock is needed.
_open: dict[_Key, "LoopResources"] = {}
_of_parent: list[dict[_Key, "LoopResources"]] = []  # kept alive: what they own belongs to the process that was forked


class LoopResources:
    """Threads, connections and budgets of one event loop; see `enter_resources`.

    Args:
        key: The event loop, and the settings that its users share.
        limits: The limits.
        proxies: HTTP proxies.
        certificates: The variables that name CA certificates, as far as they are set.

    Attributes:
        disk: Threads for blocking file operations.
        wire: HTTP connections.
        memory: Memory budget for bodies.
        retry: Retry loop.
        calls: Calls that do the same and share one task.
    """

    def __init__(self, key: _Key, limits: Limits, proxies: Proxies, certificates: Mapping[str, str]) -> None:
        self.disk = DiskThreads()
        hosts = Hosts(limits.per_host)
        cpus = available_cpus()
        if limits.bandwidth is not None:  # many lanes wait for each other, while the server waits for each of them
            cpus = min(cpus, limits.bandwidth // MiB)
        self.retry = Retry(hosts, limits)
        self.wire = Wire(limits, hosts=hosts, run_blocking=run_detached, proxies=proxies, environ=certificates)
        in_flight = PartsInFlight(
            lambda: time.thread_time() + self.disk.cpu_seconds + self.wire.cpu_seconds,
            cpus=cpus,
            round_trip=lambda: self.wire.round_trip,
        )
        self.memory = MemoryBudget(limits.memory or default_budget(), in_flight, bandwidth=limits.bandwidth)
        self.calls = SharedCalls()
        self._key = key
        self._users = 0
        self._unused = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None  # a loop keeps only weak references to its tasks
        self._lifetime = self._until_closed()
        with suppress(StopIteration):  # start it without waiting: from now on, the loop closes it at the latest
            self._lifetime.asend(None).send(None)
        _open[key] = self

    def enter(self) -> None:
        """Begin a use of these resources; each `enter` needs a `leave`."""
        self._users += 1
        self._unused.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def leave(self) -> None:
        """End a use of these resources."""
        self._users -= 1
        if not self._users:
            self._unused.set()
            if _open.get(self._key) is self:
                self._timer = self._key[0].call_later(_LINGER, self._expire)

    async def close_if_unused(self) -> None:
        """Close them now, unless somebody uses them."""
        if not self._users:
            if self._timer is not None:
                self._timer.cancel()
            self._forget()
            await self._lifetime.aclose()

    def _expire(self) -> None:
        self._forget()
        self._closing = self._key[0].create_task(self._lifetime.aclose())

    def _forget(self) -> None:
        if _open.get(self._key) is self:
            del _open[self._key]

    async def _until_closed(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._forget()
            if self._users:  # the loop is about to close; the calls that it has cancelled are ending, too
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._unused.wait(), _LINGER)
            try:
                await self.wire.aclose()
            finally:
                self.abandon()

    def abandon(self) -> None:
        """Close what can be closed without the event loop. Idempotent."""
        self.wire.abandon()
        self.disk.close()


def enter_resources(limits: Limits, environ: Mapping[str, str]) -> LoopResources:
    """Enter the resources that instances with these limits share in the running event loop.

    Instances whose environments name different proxies or certificates share nothing.

    Args:
        limits: The limits.
        environ: Environment variables, of which those that name proxies and certificates are read.

    Returns:
        The resources; the caller must `leave` them.

    Raises:
        UnsupportedOperation: gevent or eventlet has patched the standard library.
    """
    refuse_patched_modules()
    reserve_descriptors()
    _abandon(lambda loop: loop.is_closed())
    proxies = Proxies.from_env(environ)
    certificates = {name: environ[name] for name in CERTIFICATE_VARIABLES if name in environ}
    key = (asyncio.get_running_loop(), (limits, proxies, tuple(certificates.items())))
    resources = _open.get(key) or LoopResources(key, limits, proxies, certificates)
    resources.enter()
    return resources


def _abandon(is_over: Callable[[asyncio.AbstractEventLoop], bool]) -> None:
    """Close the resources of event loops that do not run any more, and did not close them."""
    for key in list(_open):
        if is_over(key[0]) and (resources := _open.pop(key, None)) is not None:
            resources.abandon()


def _leave_to_parent() -> None:
    global _open  # noqa: PLW0603
    _of_parent.append(_open)
    _open = {}


os.register_at_fork(after_in_child=_leave_to_parent)
atexit.register(_abandon, lambda loop: not loop.is_running())
