"""What a caller has chosen in torch: the current GPU, and the current stream of each. Both are those of a thread.

A call works in other threads, where torch has other defaults. So they are read in the thread of the caller: for the
synchronous facade, before the call is handed to the engine's thread. torch is never imported here: a program that has
not imported it, or has not used a GPU, has chosen nothing.
"""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..frozen_dataclass import dataclass

__all__ = ["NOTHING_CHOSEN", "CudaState", "called_with", "read_state", "state_of_caller"]


@dataclass(frozen=True, slots=True)
class CudaState:
    """The choices of a thread.

    Attributes:
        device: Number of the current GPU.
        streams: Number of a GPU → its current stream. Empty: the default streams.
    """

    device: int
    streams: Mapping[int, Any]


NOTHING_CHOSEN = CudaState(0, {})
_caller: ContextVar[CudaState | None] = ContextVar("cuda_state_of_caller", default=None)


def read_state() -> CudaState:
    """The choices of this thread: https://docs.pytorch.org/docs/stable/notes/cuda.html."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return NOTHING_CHOSEN
    numbers = range(torch.cuda.device_count())
    return CudaState(torch.cuda.current_device(), {number: torch.cuda.current_stream(number) for number in numbers})


@contextmanager
def called_with(state: CudaState) -> Generator[None]:
    """Run a block for a caller in another thread.

    Args:
        state: The choices of that thread.
    """
    token = _caller.set(state)
    try:
        yield
    finally:
        _caller.reset(token)


def state_of_caller() -> CudaState:
    """The choices of whoever has made this call; without `called_with`, that is this thread."""
    return _caller.get() or read_state()
