"""Move objects from one backend to another: any → any.

    feeder: transfers, as the listing yields them ─▶ prepared, several at a time ─▶ bounded queue
        ─▶ workers: memory ▸ read ▸ verify ▸ write

Each job has its own task group. How an object moves depends on the object:

- of one part: read and `put` (`whole.py`); small ones one after the other, on a few lanes (`bundles.py`);
- larger: its parts are uploaded in any order, and the upload is published once all parts are stored and the whole
  object is verified (`parts.py`);
- without ranges, a size or a version: read once, in order (`stream.py`);
- between two locations of one service: copied by the service (`server_copy.py`), if it can apply the caller's options.

On failure or cancellation the task group unwinds and open uploads are suspended, so that a later call resumes them, or
aborted; other jobs are not affected.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial

from ..contract import Backend
from ..errors import StorageError, first_of
from ..instance import Instance
from ..integrity.signed import signed
from ..keys import paths
from ..runtime import part_sizes
from ..runtime.shielded import cancelled_once
from ..types import OnEvent, Verify
from ..types.write_options import WriteOptions, given_options
from . import plan, whole
from .bundles import Bundles
from .context import JobContext
from .transfer import OnFailure, OnStored, Transfer
from .verification import Verification

__all__ = ["Job"]

Work = Callable[[], Awaitable[None]]

# Objects that are prepared at the same time: some need a request before they can be split into parts.
_PREPARED = 16


class Job:
    """The transfers of one call.

    Args:
        source: Where objects are read.
        destination: Where they are written.
        instance: The instance that both backends belong to.
        on_event: Called with progress events on the event loop's thread; must not block.
        dry_run: Only report what would be moved.
        verify: Whether bytes are compared with checksums.
        on_stored: Called for each object that is stored and verified.
        overwrite: Whether objects that the destination has under the same keys are replaced. False: moving one fails
            with ObjectExists.
        on_failure: Called for each object that could not be moved. None: the first failure ends the job.
        write_options: What the caller sets on the objects.

    Example:
        >>> async def copy_all(source: Backend, destination: Backend, instance: Instance) -> None:
        ...     async def transfers():
        ...         async for obj in source.list("models/"):
        ...             yield Transfer(obj, obj.key, listed=True)
        ...     await Job(source, destination, instance).run(transfers())
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        source: Backend,
        destination: Backend,
        instance: Instance,
        on_event: OnEvent | None = None,
        *,
        dry_run: bool = False,
        verify: Verify = True,
        on_stored: OnStored | None = None,
        overwrite: bool = True,
        on_failure: OnFailure | None = None,
        write_options: WriteOptions | None = None,
    ) -> None:
        verification = Verification(verify, destination)
        self._context = JobContext(
            source,
            destination,
            instance,
            verification,
            on_event,
            on_stored,
            on_failure,
            write_options,
            overwrite=overwrite,
        )
        self._dry_run = dry_run
        able = destination.capabilities
        copies = able.server_copy and source.service == destination.service
        self._server_copy = copies and set(given_options(write_options)) <= {*able.copy_options}
        self._max_workers = instance.limits.connections
        self._workers = 0
        self._idle = 0
        self._queue: asyncio.Queue[Work | None] = asyncio.Queue(2 * self._max_workers)

    async def run(self, transfers: AsyncGenerator[Transfer]) -> None:
        """Move all objects, or raise the first failure.

        Args:
            transfers: The objects to move; iterated while earlier ones are in progress.

        Raises:
            StorageError: The first failure, unless `on_failure` has taken it; later ones are its notes. Objects that
                were already published stay.
        """
        try:
            await cancelled_once(self._move_all(transfers))
        except BaseExceptionGroup as failures:
            error, kept = first_of(failures), await self._context.suspend_open_uploads()
            if kept and isinstance(error, StorageError):
                hint = f"{kept} bytes are stored; try again to resume"
                error.hint = f"{error.hint}; {hint}" if error.hint else hint
            raise error from None
        finally:
            await self._context.suspend_open_uploads()

    async def _move_all(self, transfers: AsyncGenerator[Transfer]) -> None:
        async with asyncio.TaskGroup() as group:
            await self._feed(transfers, group)

    async def _feed(self, transfers: AsyncGenerator[Transfer], group: asyncio.TaskGroup) -> None:
        async def put(work: Work) -> None:
            if self._idle <= self._queue.qsize() and self._workers < self._max_workers:
                self._workers += 1
                group.create_task(self._work())
            await self._queue.put(work)

        total, context = 0, self._context
        # In the order of the listing, so that the parts of an object are read before those of the next one.
        prepared: asyncio.Queue[asyncio.Task[Iterable[Work]] | None] = asyncio.Queue(min(_PREPARED, self._max_workers))
        putting = group.create_task(_put_prepared(prepared, put))
        bundles = Bundles(context, group, lambda transfer: put(self._whole(transfer)))
        async with aclosing(transfers):
            async for transfer in transfers:
                total += transfer.obj.size or 0
                self._context.emit("listed", transfer, transfer.obj.size or 0)
                if self._dry_run:
                    continue
                if bundles.fits(transfer):
                    await bundles.add(transfer)
                    continue
                await prepared.put(group.create_task(self._split(transfer)))
        self._context.total = total
        await prepared.put(None)
        await bundles.finish()
        await putting
        for _ in range(self._workers):
            await self._queue.put(None)

    async def _work(self) -> None:
        while True:
            self._idle += 1
            work = await self._queue.get()
            self._idle -= 1
            if work is None:
                return
            await work()

    def _whole(self, transfer: Transfer) -> Work:
        return partial(self._context.attempt, transfer, partial(whole.move_whole, self._context, transfer))

    async def _split(self, transfer: Transfer) -> Iterable[Work]:
        works: list[Iterable[Work]] = []

        async def split() -> None:
            works.append(await self._split_into_works(transfer))

        await self._context.attempt(transfer, split)
        return works[0] if works else ()

    async def _split_into_works(self, transfer: Transfer) -> Iterable[Work]:
        """Split a transfer into pieces of work that may run concurrently."""
        context = self._context
        # A directory marker is written, not copied: SeaweedFS does not find the source of the copy. The bytes of what
        # was signed have to be seen.
        marker = paths.is_directory_marker(transfer.obj.key, transfer.obj.size)
        if self._server_copy and not marker and signed(transfer.obj.checksums) is None:
            from . import server_copy  # noqa: PLC0415 - here and below: a job moves most objects in one way

            return [partial(context.attempt, transfer, partial(server_copy.copy_object, context, transfer))]
        transfer, length = await plan.prepare(context, transfer)
        obj = transfer.obj
        if length is not None and obj.size is not None and obj.size <= length:
            return [self._whole(transfer)]
        algorithm = context.verification.choose_algorithm(obj)
        if length is None or obj.size is None:
            from . import stream  # noqa: PLC0415

            return [partial(context.attempt, transfer, partial(stream.move_stream, context, transfer, algorithm))]
        from . import parts  # noqa: PLC0415

        multipart = parts.MultipartTransfer(transfer, list(part_sizes.parts(obj.size, length)), algorithm)
        return (partial(parts.move_part, context, multipart, part) for part in multipart.parts)


async def _put_prepared(
    prepared: asyncio.Queue[asyncio.Task[Iterable[Work]] | None], put: Callable[[Work], Awaitable[None]]
) -> None:
    """Put the work of each prepared transfer into the queue of the workers."""
    while (transfer := await prepared.get()) is not None:
        for work in await transfer:
            await put(work)
