"""The tensors of one or more safetensors files, open for reading."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Self

from ..errors import ClosedError, InvalidConfig
from ..operations.open_location import OpenLocation
from ..runtime.shielded import shielded
from ..types import MiB, Verify
from .call_end import finished, free
from .cuda_staging import CudaStaging
from .cuda_state import CudaState, state_of_caller
from .file_load import FileLoad
from .frameworks import Framework, TorchFramework, bytes_of, framework
from .iteration import Iteration
from .load import Load
from .meta import Slice, TensorMeta, TensorRead
from .selection import Names, select
from .target import Target
from .tensor_files import TensorFile, open_files

__all__ = ["Checkpoint"]

# Pinned buffers for a GPU: enough for the requests in flight and one that is being copied.
_SLABS = 8
# Bytes of small tensors that cross to another thread together.
_SEVERAL = MiB
# Tensors after which the event loop can do other work.
_STEP = 1000


class Checkpoint:
    """Reads tensors. Several calls may run at the same time.

    What is done for each of 100,000 tensors takes too long for the event loop, and runs in threads.

    Args:
        source: Where the files are.
        files: The files.
        framework: Makes the tensors.
        memory: Bytes in flight beyond the tensors that the caller has.
        verify: As in `AsyncStorage.download`.

    Attributes:
        tensors: All tensors by name: file by file, in the order of their bytes.
        metadata: The entries of "__metadata__" of all files.
        reads: How each tensor was read by the last call that returned it.
        bytes_read: Bytes of tensors that were requested so far.
    """

    def __init__(
        self, source: OpenLocation, files: Sequence[TensorFile], framework: Framework, memory: int, verify: Verify
    ) -> None:
        self._source = source
        self._files = files
        self._framework = framework
        self._memory = memory
        self._verify = verify
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        self.tensors: dict[str, TensorMeta] = {each.name: each for file in files for each in file.header.tensors}
        self.metadata: dict[str, str] = {}
        for file in reversed(files):
            self.metadata |= file.header.metadata
        self.reads: dict[str, TensorRead] = {}
        self.bytes_read = 0

    @classmethod
    async def open(cls, source: OpenLocation, name: str, device: str, memory: int | None, verify: Verify) -> Self:
        """Read the headers.

        Args:
            source: A file, an index, or a prefix.
            name: Name of the framework.
            device: Where the tensors are to be.
            memory: As in `AsyncStorage.tensors`.
            verify: As in `AsyncStorage.download`.

        Raises:
            StorageError: As in `open_files`.
            InvalidConfig: An argument is not valid, or the framework is not installed.
        """
        limit = source.instance.memory.limit
        if memory is not None and (not isinstance(memory, int) or memory <= 0):
            raise InvalidConfig(f"memory={memory!r} is not a positive number of bytes")
        if verify not in {True, False, "require"}:
            raise InvalidConfig(f"verify={verify!r} is not True, False or 'require'")
        current = state_of_caller().device
        chosen = await source.instance.disk.run(lambda: framework(name, device, current))  # importing one takes long
        return cls(source, await open_files(source), chosen, limit if memory is None else memory, verify)

    async def load(self, names: Names, slices: Mapping[str, Slice] | None) -> dict[str, Any]:
        """Read tensors; see `AsyncTensors.load`."""
        caller = state_of_caller()
        targets = await self._source.instance.disk.run(lambda: self._select(names, slices))
        await self._run(targets, self._device, caller)
        found: dict[str, Any] = {}
        for target in targets:  # not in a thread, which could keep the tensors for a moment
            found[target.name] = self.hand_over(target)
            if not len(found) % _STEP:
                await asyncio.sleep(0)
        return found

    async def into(self, destinations: Mapping[str, Any], slices: Mapping[str, Slice] | None) -> None:
        """Read tensors into the caller's memory; see `AsyncTensors.into`."""
        caller = state_of_caller()
        # All are checked before any is written.
        targets = await self._source.instance.disk.run(
            lambda: [
                Target(each, bytes_of(destinations[each.meta.name], each))
                for each in select(self.tensors, destinations, slices)
            ]
        )
        devices = {target.data.device if getattr(target.data, "is_cuda", False) else None for target in targets}
        if len(devices) > 1:
            raise InvalidConfig("the destinations are on several devices", hint="one call for those of each device")
        await self._run(targets, next(iter(devices), None), caller)

    async def iterate(self, names: Names, slices: Mapping[str, Slice] | None) -> Iteration:
        """Begin to read tensors, of which each is returned when it is complete; see `AsyncTensors.stream`."""
        caller = state_of_caller()
        targets = await self._source.instance.disk.run(lambda: self._select(names, slices))
        load, files = await self._prepare(targets, self._device, caller, one_by_one=True)
        return Iteration(self, load, files, targets, min(self._memory // 4, _SEVERAL))

    async def aclose(self) -> None:
        """End the calls that are running, for example an iteration that was left early."""
        self._closed = True
        for task in self._running:
            task.cancel()
        if self._running:
            await shielded(asyncio.wait(self._running))

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a call, which ends when this is closed.

        Args:
            work: Reads the tensors.
        """
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def hand_over(self, target: Target) -> Any:
        """The tensor, which is the caller's from now on: no other reference to it is kept.

        Args:
            target: The tensor.
        """
        data, target.data = target.data, None
        return self._framework.tensor(data, target.selected)

    async def record(self, files: Sequence[FileLoad]) -> None:
        """Note how tensors were read, after the last one.

        Args:
            files: What was read of each file.
        """
        self.reads |= await self._source.instance.disk.run(
            lambda: {
                target.name: TensorRead(file.methods[target.name], target.requested, file.verified)
                for file in files
                for target in file.targets
            }
        )

    @property
    def _device(self) -> Any:
        """The GPU on which new tensors are made. None: none."""
        if isinstance(self._framework, TorchFramework) and self._framework.device.type == "cuda":
            return self._framework.device
        return None

    def _select(self, names: Names, slices: Mapping[str, Slice] | None) -> list[Target]:
        targets = []
        for selected in select(self.tensors, names, slices):
            self._framework.check(selected.meta.dtype)
            targets.append(Target(selected))
        return targets

    async def _run(self, targets: Sequence[Target], device: Any, caller: CudaState) -> None:
        load, files = await self._prepare(targets, device, caller, one_by_one=False)
        try:
            await finished(self.start(load.run(lambda _: None)))
        except BaseException:
            free(targets)
            raise
        await self.record(files)

    async def _prepare(
        self, targets: Sequence[Target], device: Any, caller: CudaState, *, one_by_one: bool
    ) -> tuple[Load, Sequence[FileLoad]]:
        """Plan the requests of a call."""
        if self._closed:
            raise ClosedError("the tensors are closed", hint="open them again")
        source = self._source
        length = Load.request_length(source, self._memory)
        files = await source.instance.disk.run(lambda: self._plan(targets, length))
        staging = None
        if device is not None:
            count = max(2, min(_SLABS, self._memory // length))
            staging = await source.instance.disk.run(lambda: CudaStaging(device, length, count, caller))
        return Load(source, files, self._memory, one_by_one, self._count, staging), files

    def _plan(self, targets: Sequence[Target], length: int) -> Sequence[FileLoad]:
        of_file: dict[str, list[Target]] = {}
        for target in targets:
            of_file.setdefault(target.selected.meta.file, []).append(target)
        return [
            FileLoad(self._source, file, of_file[file.name], self._verify, length)
            for file in self._files
            if file.name in of_file
        ]

    def _count(self, size: int) -> None:
        self.bytes_read += size
