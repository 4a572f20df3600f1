"""Copy received bytes to a GPU, through a few pinned buffers and on a stream of their own.

Pinned memory is allocated once per call: cudaHostAlloc is slow, and only copies from pinned memory run beside others:
https://docs.nvidia.com/cuda/cuda-c-best-practices-guide/index.html#asynchronous-and-overlapping-transfers-with-computation.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

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
        device: The GPU, as torch calls it.
        size: Bytes of a buffer: those of the longest request.
        count: Number of buffers.
    """

    def __init__(self, device: Any, size: int, count: int) -> None:
        import torch  # noqa: PLC0415 - loaded by now: the device is one of torch

        self._torch = torch
        self._device = device
        self._stream = torch.cuda.Stream(device)
        # Destinations of the caller may still be in use by work that was queued before.
        self._stream.wait_stream(torch.cuda.current_stream(device))
        self._free: asyncio.Queue[Slab] = asyncio.Queue()
        for _ in range(count):
            self._free.put_nowait(Slab(torch.empty(size, dtype=torch.uint8, pin_memory=True)))

    def allocate(self, nbytes: int) -> Any:
        """Memory of the GPU for one tensor.

        Args:
            nbytes: Number of bytes.
        """
        flat = self._torch.empty(nbytes, dtype=self._torch.uint8, device=self._device)
        # The allocator may have given it to this stream while another one still used it before.
        self._stream.wait_stream(self._torch.cuda.current_stream(self._device))
        return flat

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
