"""The worker processes of one `Wire`: when to start them, and which one gets an order."""

import asyncio
import os
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from ...runtime.control_groups import available_cpus
from ...runtime.start_thread import NoThreadError
from ...types import Limits, MiB
from ..dialer import Dialer
from ..dns import RunBlocking
from ..lanes import Lanes
from ..stall_watchdog import Watchdog
from .interpreter_load import InterpreterLoad
from .process import WorkerProcess, python_executable

if TYPE_CHECKING:
    from .worker import Worker

__all__ = ["Workers"]

# Seconds until a worker has to serve; usually it takes 0.03 to 0.1.
_START_TIMEOUT = 5.0
# A worker sends a sign of life every second at least, unless it is stopped or gets no CPU time.
_SILENCE = 15.0
# A worker without orders is ended after this many seconds.
_IDLE_SECONDS = 20.0
# Automatic mode: how many workers, and how many bytes have to be received before it pays to start them.
_AUTOMATIC = 2
_LARGE = 128 * MiB
# After so many seconds without an order, bytes are counted from 0.
_PAUSE = 5.0
# So many workers may fail to start, or end unexpectedly, before threads serve alone.
_FAILED_STARTS = 1
_UNEXPECTED_ENDS = 4


class Workers:
    """The worker processes.

    Args:
        limits: `processes`, `idle_timeout` and `min_throughput` apply.
        dialer: Resolves names, and checks addresses; the workers share its bandwidth limits with this process.
        lanes: Threads that record progress.
        run_blocking: Runs a function in a thread; starts the processes.
        environ: Environment variables of the instance.
        executable: A Python; None: this one, if it can run workers.
        start_timeout: Seconds until a worker has to serve. If it does not, threads serve alone.
        silence: Seconds after which a worker with orders is killed if it sends no sign of life.
    """

    def __init__(
        self,
        limits: Limits,
        dialer: Dialer,
        lanes: Lanes,
        run_blocking: RunBlocking,
        environ: Mapping[str, str],
        *,
        executable: str | None = None,
        start_timeout: float = _START_TIMEOUT,
        silence: float = _SILENCE,
    ) -> None:
        self._settings = {"idle_timeout": limits.idle_timeout, "min_throughput": limits.min_throughput}
        self._dialer = dialer
        self._lanes = lanes
        self._watchdog = Watchdog(Limits(idle_timeout=silence, min_throughput=0), self._sweep)
        self._run_blocking = run_blocking
        self._environ = environ
        self._executable = executable or python_executable()
        self._start_timeout = start_timeout
        self._automatic = limits.processes is None
        self._wanted = _AUTOMATIC if limits.processes is None else limits.processes
        self._owner = os.getpid()
        self._load = InterpreterLoad()
        self._received = 0  # bytes of parts that were ordered, without a long pause between them
        self._last_order = 0.0
        self._failed_starts = self._unexpected_ends = 0
        self._closing = False
        self._workers: set[Worker] = set()
        self._starting: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        """How many worker processes have started to serve."""
        return sum(worker.alive for worker in self._workers)

    async def worker_for(self, size: int) -> "Worker | None":
        """Choose the worker that receives a part of a file; None: a thread of this process does.

        If the number of workers was chosen by the caller, waits until they have started; otherwise threads serve
        meanwhile.

        Args:
            size: Bytes to receive.
        """
        if not self._usable():
            return None
        if self._automatic and not self.running and not self._pays(size):
            return None
        if self._starting is None and len(self._workers) < self._wanted:
            self._starting = asyncio.get_running_loop().create_task(self._start())
        if self._starting is not None and not self._automatic:
            await asyncio.shield(self._starting)
        serving = [worker for worker in self._workers if worker.alive]
        return min(serving, key=lambda worker: worker.assigned, default=None)

    async def aclose(self) -> None:
        """End all workers, and wait until they have ended."""
        self._closing = True
        for worker in self._workers:
            worker.retire()
        if self._starting is not None:
            await asyncio.wait([self._starting])
        await asyncio.gather(*(worker.aclose() for worker in list(self._workers)))
        self._watchdog.close()

    def abandon(self) -> None:
        """Let all workers end, without the event loop."""
        self._closing = True
        for worker in self._workers:
            worker.abandon()

    def _sweep(self) -> bool:
        """End the workers that have been idle for long; return whether any are left."""
        now = asyncio.get_running_loop().time()
        for worker in self._workers:
            if not worker.assigned and now - worker.idle_since > _IDLE_SECONDS:
                worker.retire()
        return bool(self._workers)

    def _usable(self) -> bool:
        if not self._wanted or self._executable is None or self._closing:
            return False
        failing = self._failed_starts >= _FAILED_STARTS or self._unexpected_ends >= _UNEXPECTED_ENDS
        return not failing and os.getpid() == self._owner  # a forked child must not use them

    def _pays(self, size: int) -> bool:
        """Whether so much is received, and the host's interpreter is so busy, that workers are faster."""
        now = time.monotonic()
        if now - self._last_order > _PAUSE:
            self._received = 0
        self._last_order = now
        self._received += size
        return self._load.busy() and self._received >= _LARGE

    async def _start(self) -> None:
        try:
            if self._automatic:
                cpus = available_cpus()
                self._wanted = min(_AUTOMATIC, int(cpus)) if cpus > 1 else 0
            missing = self._wanted - len(self._workers)
            await asyncio.gather(*(self._start_one() for _ in range(missing)))
        finally:
            self._starting = None

    async def _start_one(self) -> None:
        assert self._executable is not None  # noqa: S101 - for mypy
        try:
            process = await self._run_blocking(partial(self._launch, self._executable))
        except (OSError, NoThreadError):
            self._failed_starts += 1
            return
        from .worker import Worker  # noqa: PLC0415 - only large downloads start one

        worker = Worker(process, self._dialer, self._lanes, self._watchdog, self._ended)
        self._workers.add(worker)
        if not await worker.started(self._start_timeout):
            self._failed_starts += 1

    def _launch(self, executable: str) -> WorkerProcess:
        if self._dialer.bandwidths is None:
            return WorkerProcess(executable, self._environ, self._settings)
        limit = self._dialer.bandwidths.received
        settings = {**self._settings, "bandwidth": limit.rate, "bandwidth_file": limit.share()}
        return WorkerProcess(executable, self._environ, settings, [limit.share()])

    def _ended(self, worker: "Worker") -> None:
        self._workers.discard(worker)
        self._unexpected_ends += not worker.retired
