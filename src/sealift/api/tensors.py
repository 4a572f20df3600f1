"""Tensors for any thread: what `Storage.tensors` returns."""

import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from ..errors import ClosedError
from .facade_thread import SharedStorage, close_with_thread, run_shared
from .process_settings import Settings, current_settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from ..tensors.cuda_state import CudaState
    from ..tensors.meta import Slice, TensorMeta, TensorRead
    from ..tensors.selection import Names
    from .async_storage import AsyncStorage
    from .async_tensors import AsyncTensors

__all__ = ["TensorStream", "Tensors", "open_tensors"]


class Tensors:
    """The tensors of one or more safetensors files, open for reading from any thread.

    Opening them reads the headers, no tensors. All bytes are of the versions that the files had then. Calls may run at
    the same time. `for name, tensor in tensors` is the same as `stream()`. Close them, or use a `with` block.

    Each tensor has memory of its own, into which its bytes are received. It belongs to the caller, and nothing writes
    to it after it was returned.

    Args:
        shared: What the engine's thread of this process owns.
        tensors: The same tensors, in the engine's thread.
    """

    def __init__(self, shared: SharedStorage, tensors: "AsyncTensors") -> None:
        self._shared = shared
        self._tensors = tensors

    @property
    def closed(self) -> bool:
        """Whether they were closed."""
        return self._tensors.closed

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tensors: file by file, in the order of their bytes."""
        return self._tensors.names

    @property
    def metadata(self) -> dict[str, str]:
        """The entries of "__metadata__" of all files; of equal keys, the first."""
        return self._tensors.metadata

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return self._tensors.nbytes

    @property
    def bytes_read(self) -> int:
        """Bytes of tensors that all calls so far have received; without headers and retries."""
        return self._tensors.bytes_read

    @property
    def reads(self) -> "dict[str, TensorRead]":
        """How each tensor was read by the last call that returned it."""
        return self._tensors.reads

    def meta(self, name: str) -> "TensorMeta":
        """The type, shape, size and place of a tensor. Sends no request.

        Args:
            name: Name of the tensor.

        Raises:
            InvalidConfig: There is no such tensor.
        """
        return self._tensors.meta(name)

    def load(self, names: "Names" = None, *, slices: "Mapping[str, Slice] | None" = None) -> dict[str, Any]:
        """Read tensors, and return them together; see `AsyncTensors.load`.

        Args:
            names: Which to read: names, or a function that is called with each name. None: all.
            slices: For some of them, the part to read: `(dimension, start, stop)`.

        Returns:
            The tensors by name, in the order of their bytes.

        Raises:
            StorageError: As there.
        """
        return run_shared(self._call(lambda tensors: tensors.load(names, slices=slices)))

    def into(self, destinations: Mapping[str, Any], *, slices: "Mapping[str, Slice] | None" = None) -> None:
        """Read tensors into memory of the caller, without a copy in between; see `AsyncTensors.into`.

        Args:
            destinations: Name of a tensor → a numpy array, a tensor or parameter of torch, or a writable buffer.
            slices: As in `load`; the destination has the shape of the slice.

        Raises:
            InvalidConfig: There is no such tensor, or a destination does not fit. Nothing was written.
            StorageError: As in `load`.
        """
        run_shared(self._call(lambda tensors: tensors.into(destinations, slices=slices)))

    def stream(self, names: "Names" = None, *, slices: "Mapping[str, Slice] | None" = None) -> "TensorStream":
        """Read tensors, and return each as soon as it is complete; see `AsyncTensors.stream`.

        Args:
            names: As in `load`.
            slices: As in `load`.

        Returns:
            An iterator over names and tensors. To stop before the last one, use a `with` block, or close the tensors.
        """
        return TensorStream(self._call, lambda tensors: tensors.batches(names, slices=slices))

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return self.stream()

    def close(self) -> None:
        """Close the files. Tensors stay valid. Idempotent."""
        if not self.closed:
            run_shared(self._finish)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _call(
        self, function: "Callable[[AsyncTensors], Coroutine[Any, Any, Any]]"
    ) -> "Callable[[SharedStorage], Coroutine[Any, Any, Any]]":
        from ..tensors.cuda_state import called_with, read_state  # noqa: PLC0415 - loaded by now

        state = read_state()

        async def call(shared: SharedStorage) -> Any:
            if self._shared is not shared:
                raise ClosedError("the tensors were opened before this process was forked", hint="open them again")
            with called_with(state):
                return await function(self._tensors)

        return call

    async def _finish(self, shared: SharedStorage) -> None:
        if self._shared is shared:
            await self._tensors.aclose()

    def __repr__(self) -> str:
        return repr(self._tensors).replace("AsyncTensors", "Tensors")

    def __del__(self) -> None:
        if hasattr(self, "_tensors") and not self.closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self._tensors.opened.abandon()


class TensorStream:
    """Names and tensors: an iterator, and a context manager for stopping early.

    Args:
        call: Makes a call for the engine's thread.
        open_source: Begins to read the tensors, in that thread.
    """

    def __init__(
        self,
        call: "Callable[[Callable[[AsyncTensors], Coroutine[Any, Any, Any]]], Any]",
        open_source: "Callable[[AsyncTensors], AsyncGenerator[list[tuple[str, Any]]]]",
    ) -> None:
        self._call = call
        self._open_source = open_source
        self._source: AsyncGenerator[list[tuple[str, Any]]] | None = None
        self._received: deque[tuple[str, Any]] = deque()
        self._closed = False

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return self

    def __next__(self) -> tuple[str, Any]:
        if not self._received and not self._closed:
            self._received.extend(run_shared(self._call(self._advance)))
            self._closed = not self._received
        if not self._received:
            raise StopIteration
        return self._received.popleft()

    async def _advance(self, tensors: "AsyncTensors") -> list[tuple[str, Any]]:
        if self._source is None:
            self._source = self._open_source(tensors)
        return await anext(self._source, [])

    def close(self) -> None:
        """Stop reading."""
        if not self._closed and self._source is not None:
            run_shared(self._call(self._stop))
        self._received.clear()
        self._closed = True

    async def _stop(self, _: "AsyncTensors") -> None:
        if self._source is not None:
            with suppress(RuntimeError):  # an abandoned call still waits for its next tensor
                await self._source.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def open_tensors(open_async: "Callable[[AsyncStorage], AsyncTensors]") -> Tensors:
    """Open tensors in the engine's thread.

    Args:
        open_async: Returns the tensors that are to be opened.
    """
    from ..tensors.cuda_state import read_state  # noqa: PLC0415 - only for tensors

    settings, state = current_settings(), read_state()
    return run_shared(lambda shared: _open(shared, settings, state, open_async))


async def _open(
    shared: SharedStorage,
    settings: Settings,
    state: "CudaState",
    open_async: "Callable[[AsyncStorage], AsyncTensors]",
) -> Tensors:
    from ..tensors.cuda_state import called_with  # noqa: PLC0415 - as above

    with called_with(state):
        tensors = Tensors(shared, await open_async(await shared.storage(settings)))
    close_with_thread(tensors)
    return tensors
