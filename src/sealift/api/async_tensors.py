"""Tensors for an event loop: what `AsyncStorage.tensors` returns."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from ..errors import ClosedError
from ..operations.open_location import OpenLocation
from .opened import Opened

if TYPE_CHECKING:
    from ..config import StorageConfig
    from ..tensors.checkpoint import Checkpoint
    from ..tensors.meta import Slice, TensorMeta, TensorRead
    from ..tensors.selection import Names
    from ..types import Verify
    from .lifetime import Lifetime

__all__ = ["AsyncTensors"]

_OPERATION = "read tensors"


class AsyncTensors:
    """The tensors of one or more safetensors files, open for reading within one event loop.

    `async with` or `await` opens them and reads the headers, no tensors. All bytes are of the versions that the files
    had then. Calls may run at the same time. `async for name, tensor in tensors` is the same as `stream()`.

    Each tensor has memory of its own, into which its bytes are received. It belongs to the caller, and nothing writes
    to it after it was returned.

    Args:
        lifetime: The instance.
        uri: URI or local path.
        config: Credentials and endpoint.
        framework: "numpy" or "torch".
        device: Where the tensors are to be.
        memory: Bytes in flight.
        verify: Whether to compare checksums.
    """

    def __init__(
        self,
        lifetime: "Lifetime",
        uri: str,
        config: "StorageConfig | None",
        *,
        framework: str,
        device: str,
        memory: int | None,
        verify: "Verify",
    ) -> None:
        async def open_checkpoint(place: OpenLocation) -> "tuple[Checkpoint, Callable[[], Awaitable[None]]]":
            # In a thread: the event loop would stop meanwhile.
            module = await place.instance.disk.run(lambda: import_module("...tensors.checkpoint", __name__))
            opened: Checkpoint = await module.Checkpoint.open(place, framework, device, memory, verify)
            return opened, opened.aclose

        self._open: Callable[[], Awaitable[Opened[Checkpoint]]] = lambda: Opened.open(
            lifetime, _OPERATION, uri, config, open_checkpoint
        )
        self._opened: Opened[Checkpoint] | None = None

    def __await__(self) -> Generator[object, None, Self]:
        return self._enter().__await__()

    async def __aenter__(self) -> Self:
        return await self if self._opened is None else self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _enter(self) -> Self:
        if self._opened is not None:
            raise ClosedError("the tensors were opened before", hint="call storage.tensors(…) again")
        self._opened = await self._open()
        return self

    @property
    def opened(self) -> "Opened[Checkpoint]":
        """The open files, for the synchronous facade.

        Raises:
            ClosedError: They are not open.
        """
        if self._opened is None or self._opened.closed:
            raise ClosedError("the tensors are not open", hint="async with storage.tensors(…) as tensors")
        return self._opened

    @property
    def closed(self) -> bool:
        """Whether they were closed, or not opened yet."""
        return self._opened is None or self._opened.closed

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tensors: file by file, in the order of their bytes."""
        return tuple(self.opened.stream.tensors)

    @property
    def metadata(self) -> dict[str, str]:
        """The entries of "__metadata__" of all files; of equal keys, the first."""
        return dict(self.opened.stream.metadata)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(each.nbytes for each in self.opened.stream.tensors.values())

    @property
    def bytes_read(self) -> int:
        """Bytes of tensors that all calls so far have received; without headers and retries."""
        return self.opened.stream.bytes_read

    @property
    def reads(self) -> "dict[str, TensorRead]":
        """How each tensor was read by the last call that returned it."""
        return dict(self.opened.stream.reads)

    def meta(self, name: str) -> "TensorMeta":
        """The type, shape, size and place of a tensor. Sends no request.

        Args:
            name: Name of the tensor.

        Raises:
            InvalidConfig: There is no such tensor.
        """
        from ..tensors.selection import find_tensor  # noqa: PLC0415 - loaded by now

        with self.opened.named(_OPERATION):
            return find_tensor(self.opened.stream.tensors, name)

    async def load(self, names: "Names" = None, *, slices: "Mapping[str, Slice] | None" = None) -> dict[str, Any]:
        """Read tensors, and return them together.

        Args:
            names: Which to read: names, or a function that is called with each name. Others are not read. None: all.
            slices: For some of them, the part to read: `(dimension, start, stop)`. A part of the first dimension is one
                range of the file. Others are read row by row if there are up to 1,024 rows in each file, more than
                4 KiB apart, and otherwise together with what is between the rows; `reads` says which.

        Returns:
            The tensors by name, in the order of their bytes.

        Raises:
            InvalidConfig: There is no such tensor, or it has no such slice. Nothing was read.
            IntegrityError: A file that was read completely does not match its checksum.
            ObjectChanged: A file was replaced after the headers were read.
            StorageError: Any other failure.

        Example:
            >>> async def half(storage: AsyncStorage, uri: str, rows: int) -> numpy.ndarray:
            ...     name = "model.embed_tokens.weight"
            ...     async with storage.tensors(uri) as tensors:
            ...         return (await tensors.load([name], slices={name: (0, 0, rows // 2)}))[name]
        """
        with self.opened.named(_OPERATION):
            return await self.opened.stream.load(names, slices)

    async def into(self, destinations: Mapping[str, Any], *, slices: "Mapping[str, Slice] | None" = None) -> None:
        """Read tensors into memory of the caller, without a copy in between.

        Args:
            destinations: Name of a tensor → where its elements go: a numpy array, a tensor or parameter of torch, or
                any writable buffer of the same size. Arrays and tensors must have the shape and type of the tensor,
                and be contiguous. Their content is undefined after a failure.
            slices: As in `load`; the destination has the shape of the slice.

        Raises:
            InvalidConfig: There is no such tensor, or a destination does not fit. Nothing was written.
            StorageError: As in `load`.

        Example:
            >>> async def fill(storage: AsyncStorage, uri: str, model: torch.nn.Module) -> None:
            ...     async with storage.tensors(uri, framework="torch") as tensors:
            ...         await tensors.into(dict(model.named_parameters()))
        """
        with self.opened.named(_OPERATION):
            await self.opened.stream.into(destinations, slices)

    async def stream(
        self, names: "Names" = None, *, slices: "Mapping[str, Slice] | None" = None
    ) -> AsyncGenerator[tuple[str, Any]]:
        """Read tensors, and yield each as soon as it is complete.

        No more is read while as many bytes as `memory` allows are waiting for the caller. A tensor that is larger than
        that is read alone.

        Args:
            names: As in `load`.
            slices: As in `load`.

        Yields:
            Name and tensor, each once. To stop before the last one, use `contextlib.aclosing`, or close the tensors.

        Raises:
            IntegrityError: A file that was read completely does not match its checksum. Its last tensor is not yielded,
                but those before it were.
            StorageError: As in `load`.
        """
        with self.opened.named(_OPERATION):
            iteration = await self.opened.stream.iterate(names, slices)
            try:
                while await iteration.advance():
                    yield iteration.take()  # no variable, which would keep the tensor until the next one
            finally:
                await iteration.aclose()

    async def batches(
        self, names: "Names" = None, *, slices: "Mapping[str, Slice] | None" = None
    ) -> AsyncGenerator[list[tuple[str, Any]]]:
        """As `stream`, with small tensors together, for the synchronous facade: each step there changes threads.

        Args:
            names: As in `load`.
            slices: As in `load`.
        """
        with self.opened.named(_OPERATION):
            iteration = await self.opened.stream.iterate(names, slices)
            try:
                while await iteration.advance():
                    yield iteration.take_several()
            finally:
                await iteration.aclose()

    def __aiter__(self) -> AsyncIterator[tuple[str, Any]]:
        return self.stream()

    async def aclose(self) -> None:
        """Close the files. Calls that are running end with ClosedError. Tensors stay valid. Idempotent."""
        if self._opened is not None:
            await self._opened.aclose()

    def __repr__(self) -> str:
        state = "closed" if self._opened is None or self._opened.closed else repr(self._opened.name)
        return f"<{type(self).__name__} {state}>"
