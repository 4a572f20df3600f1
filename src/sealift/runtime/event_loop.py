"""Which event loop sealift's own programs and threads run on."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..config import wants_uvloop

if TYPE_CHECKING:
    import asyncio

__all__ = ["loop_factory"]


def loop_factory(environ: Mapping[str, str]) -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """What `asyncio.Runner` takes: uvloop where it is installed, None for asyncio's own loop.

    Raises:
        InvalidConfig: `SEALIFT_LOOP` is neither "asyncio" nor "uvloop".
    """
    if wants_uvloop(environ):
        try:
            import uvloop  # noqa: PLC0415 - an extra
        except (ImportError, RuntimeError):  # the latter once the main thread has ended: it cannot be loaded any more
            return None
        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return factory
    return None
