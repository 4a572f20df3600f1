"""Tensors that are handed out one by one, or a few at a time, while others arrive."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..runtime.shielded import shielded
from .call_end import finished, free
from .file_load import FileLoad
from .load import Load
from .meta import TensorRead
from .target import Target

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

__all__ = ["Iteration"]


class Iteration:
    """Tensors in the order in which they are complete.

    This is no generator: an event loop that ends closes all of them at once, which fails for those within others.

    Args:
        checkpoint: Where they are.
        load: The call that reads them.
        files: What it reads of each file.
        targets: The tensors.
        several: Bytes of the tensors that `take_several` returns together.
    """

    def __init__(
        self,
        checkpoint: "Checkpoint",
        load: Load,
        files: Sequence[FileLoad],
        targets: Sequence[Target],
        several: int,
    ) -> None:
        self._checkpoint = checkpoint
        self._load = load
        self._files = files
        self._targets = targets
        self._methods = {name: method for file in files for name, method in file.methods.items()}
        self._complete: deque[Target] = deque()
        self._change = asyncio.Event()
        self._several = several
        self._lent = 0
        self._task = checkpoint.start(load.run(self._add))
        self._task.add_done_callback(lambda _: self._change.set())

    def _add(self, target: Target) -> None:
        self._complete.append(target)
        self._change.set()

    async def advance(self) -> bool:
        """Wait for the next tensor. Returns False after the last one.

        Raises:
            StorageError: The call has failed.
        """
        if self._lent:
            self._load.taken(self._lent)
            self._lent = 0
        while not self._complete and not self._task.done():
            self._change.clear()
            await self._change.wait()
        if not self._complete:
            await finished(self._task)
            await self._checkpoint.record(self._files)
        return bool(self._complete)

    def take(self) -> tuple[str, Any]:
        """The name and the tensor that `advance` has waited for. It is no longer in flight."""
        self._load.taken(self._complete[0].selected.nbytes)
        return self._take()

    def take_several(self) -> list[tuple[str, Any]]:
        """As `take`, together with other small ones that are complete. All are in flight until the next `advance`."""
        taken: list[tuple[str, Any]] = []
        while self._complete and (not taken or self._lent + self._complete[0].selected.nbytes <= self._several):
            self._lent += self._complete[0].selected.nbytes
            taken.append(self._take())
        return taken

    def _take(self) -> tuple[str, Any]:
        target = self._complete.popleft()
        self._checkpoint.reads[target.name] = TensorRead(self._methods[target.name], target.requested)
        return target.name, self._checkpoint.hand_over(target)

    async def aclose(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await shielded(asyncio.wait((self._task,)))
        free(self._targets)
        if not self._task.cancelled():
            self._task.exception()  # the caller has it, or does not want it
