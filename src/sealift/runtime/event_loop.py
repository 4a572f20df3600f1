"""The event loop implementation for sealift's own programs and threads."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..config import wants_uvloop

if TYPE_CHECKING:
    import asyncio

__all__ = ["loop_factory"]


def loop_factory(environ: Mapping[str, str]) -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """The `loop_factory` for `asyncio.Runner`: uvloop if it is installed, None for asyncio's own loop.

    Raises:
        InvalidConfig: `SEALIFT_LOOP` is neither "asyncio" nor "uvloop".
    """
    if wants_uvloop(environ):
        try:
            import uvloop  # noqa: PLC0415 - optional dependency
        except (ImportError, RuntimeError):  # RuntimeError: the main thread has ended, so uvloop cannot be loaded
            return None
        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return factory
    return None
