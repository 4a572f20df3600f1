"""Copy received bytes to a GPU, through a few pinned buffers and on a stream of their own.

Pinned memory is allocated once per call: cudaHostAlloc is slow, and only copies from pinned memory run beside others:
https://docs.nvidia.com/cuda/cuda-c-best-practices-guide/index.html#asynchronous-and-overlapping-transfers-with-computation.

A stream does not wait for others by itself, so (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-streams):

- what the caller has queued before, on its current stream, is done before its memory is written;
- memory for tensors is allocated on the caller's stream, as if by the caller. It may have been freed there with work
  still queued: the copies wait for that. `record_stream` keeps it from being used again before they are done;
- each copy is waited for by the CPU, so that the tensors are complete for all streams when the caller gets them.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from .cuda_state import CudaState
from .requests import Piece, Request

__all__ = ["CudaStaging", "Slab", "copy_rows"]


class Slab:
    """A pinned buffer.

    Args:
        pinned: A flat tensor of uint8 in pinned memory.

    Attributes:
        view: The bytes of the request that it is used for.
    """

    def __init__(self, pinned: Any) -> None:
        self.pinned = pinned
        self.view = memoryview(b"")


class CudaStaging:
    """Pinned buffers, and a stream that copies them to one GPU.

    Args:
        device: The GPU, as torch calls it, with its number.
        size: Bytes of a buffer: those of the longest request.
        count: Number of buffers.
        caller: The streams of the caller.
    """

    def __init__(self, device: Any, size: int, count: int, caller: CudaState) -> None:
        import torch  # noqa: PLC0415 - loaded by now: the device is one of torch

        self._torch = torch
        self._device = device
        self._caller = caller.streams.get(device.index) or torch.cuda.default_stream(device)
        self._stream = torch.cuda.Stream(device)
        self._stream.wait_stream(self._caller)
        self._free: asyncio.Queue[Slab] = asyncio.Queue()
        for _ in range(count):
            self._free.put_nowait(Slab(torch.empty(size, dtype=torch.uint8, pin_memory=True)))

    def allocate(self, nbytes: int) -> Any:
        """Memory of the GPU for one tensor; may block.

        Args:
            nbytes: Number of bytes.

        Raises:
            MemoryError: The GPU has not enough.
        """
        torch = self._torch
        try:
            with torch.cuda.stream(self._caller):
                flat = torch.empty(nbytes, dtype=torch.uint8, device=self._device)
        except torch.cuda.OutOfMemoryError:
            raise MemoryError from None
        self.use(flat)
        self._stream.wait_stream(self._caller)
        return flat

    def use(self, place: Any) -> None:
        """Keep memory from being used again before the copies to it are done.

        Args:
            place: A flat tensor of uint8 on the GPU.
        """
        place.record_stream(self._stream)

    @asynccontextmanager
    async def slab(self, size: int) -> AsyncGenerator[Slab]:
        """Wait for a buffer.

        Args:
            size: Bytes that will be used.
        """
        slab = await self._free.get()
        slab.view = memoryview(slab.pinned.numpy())[:size]
        try:
            yield slab
        finally:
            self._free.put_nowait(slab)

    def copy(self, slab: Slab, request: Request) -> None:
        """Copy a request to its tensors, and wait until they have it; blocks, without the interpreter lock."""
        with self._torch.cuda.stream(self._stream):
            for piece in request.pieces:
                copy_rows(slab.pinned, piece)
            event = self._stream.record_event()
        event.synchronize()

    def upload(self, received: memoryview, place: Any) -> None:
        """Copy a tensor that was received in main memory, and wait until the GPU has it; blocks.

        Args:
            received: Its bytes.
            place: A flat tensor of uint8.
        """
        with self._torch.cuda.stream(self._stream):
            place.copy_(self._torch.frombuffer(received, dtype=self._torch.uint8))
            event = self._stream.record_event()
        event.synchronize()


def copy_rows(received: Any, piece: Piece) -> None:
    """Copy the bytes of a piece to its tensor; returns before they are there.

    Args:
        received: All bytes of the request: a flat tensor of uint8.
        piece: The piece.
    """
    rows = received.as_strided((piece.count, piece.width), (piece.step, 1), piece.start)
    place = piece.target.data[piece.at : piece.at + piece.nbytes].view(piece.count, piece.width)
    place.copy_(rows, non_blocking=True)
