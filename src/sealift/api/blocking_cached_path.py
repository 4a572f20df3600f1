"""Paths in the cache for code without an event loop."""

from typing import TYPE_CHECKING

from .facade_thread import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from .async_storage import AsyncStorage
    from .cached_path import AsyncCachedPath, InUse

__all__ = ["CachedPath"]


class CachedPath:
    """A path in the cache, which stays for the block of a `with`.

    Args:
        open_path: Makes the path that the engine's thread finds or downloads.
    """

    def __init__(self, open_path: "Callable[[AsyncStorage], AsyncCachedPath]") -> None:
        self._open_path = open_path
        self._used: list[InUse] = []

    def __enter__(self) -> str:
        used = run(lambda storage: self._open_path(storage).use())
        self._used.append(used)
        return used.path

    def __exit__(self, *exc_info: object) -> None:
        release = self._used.pop().release
        if release is not None:
            release()
