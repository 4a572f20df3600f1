"""Show progress on stderr: a bar on a terminal or in a notebook, otherwise a line every few seconds."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from ..runtime.detached import run_detached
from ..runtime.start_thread import NoThreadError, start_thread
from .lines import ProgressLines
from .tally import Tally

if TYPE_CHECKING:
    from .bar import NotebookBar, TerminalBar

__all__ = ["show_progress"]

_log = logging.getLogger(__name__)

# Seconds that a call waits at its end for a terminal that does not accept output.
_CLOSE_TIMEOUT = 1.0


@asynccontextmanager
async def show_progress(tally: Tally, *, leave: bool = False, alone: bool = False) -> AsyncGenerator[None]:
    """Show progress while the block runs.

    A thread draws it, so that a slow terminal does not stop the event loop.

    Args:
        tally: The totals to show.
        leave: Whether the final state stays on the screen.
        alone: Whether no other part of this process uses tqdm.
    """
    try:
        closing, ended = await _start(tally, leave=leave, alone=alone)
    except NoThreadError as error:  # the transfer itself may manage with the threads that it has
        _log.warning("progress is not shown: %s", error)
        yield
        return
    try:
        yield
    finally:
        closing.put(None)
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), _CLOSE_TIMEOUT)


async def _start(tally: Tally, *, leave: bool, alone: bool) -> "tuple[SimpleQueue[None], asyncio.Event]":
    """Start the thread; return the queue that ends it, and the event that it sets at its end."""
    kind = await run_detached(partial(_kind, alone=alone))  # importing tqdm takes 20 ms
    display = kind(tally, leave=leave)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    closing: SimpleQueue[None] = SimpleQueue()

    def refresh() -> None:
        # Nobody reads a stream that is closed, and the transfer goes on without it.
        with suppress(OSError, ValueError):
            _refresh(display, closing)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(ended.set)

    start_thread(refresh, name="sealift-progress")
    return closing, ended


def _refresh(display: "NotebookBar | TerminalBar | ProgressLines", closing: "SimpleQueue[None]") -> None:
    while True:
        try:
            closing.get(timeout=display.interval)
        except Empty:
            display.show()
        else:
            display.close()
            return


def _kind(*, alone: bool) -> "type[NotebookBar | TerminalBar | ProgressLines]":
    """The kind of display that fits where stderr leads to."""
    if _in_notebook():
        from .bar import NotebookBar  # noqa: PLC0415 - imports tqdm, here and below

        return NotebookBar
    # A dumb terminal, such as that of an editor or of a CI job, cannot draw over a line.
    if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from .bar import TerminalBar, prepare_lock  # noqa: PLC0415

        prepare_lock(alone=alone)
        return TerminalBar
    return ProgressLines


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook that can show widgets."""
    return "ipykernel.zmqshell" in sys.modules and find_spec("ipywidgets") is not None
