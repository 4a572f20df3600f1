"""Opening a file object in the engine's thread: what `Storage.open` does."""

from typing import TYPE_CHECKING, Any, overload

from .facade_thread import SharedStorage, close_with_thread, run_shared
from .process_settings import Settings, current_settings
from .readable_file import ReadableFile
from .writable_file import WritableFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from .async_file import AsyncReadableFile, AsyncWritableFile
    from .async_storage import AsyncStorage

__all__ = ["ReadableFile", "WritableFile", "open_file"]


@overload
def open_file(open_async: "Callable[[AsyncStorage], AsyncReadableFile]") -> ReadableFile: ...
@overload
def open_file(open_async: "Callable[[AsyncStorage], AsyncWritableFile]") -> WritableFile: ...
@overload
def open_file(
    open_async: "Callable[[AsyncStorage], AsyncReadableFile | AsyncWritableFile]",
) -> ReadableFile | WritableFile: ...
def open_file(open_async: "Callable[[AsyncStorage], Any]") -> Any:
    """Open a file in the engine's thread.

    Args:
        open_async: Returns the file that is to be opened.
    """
    settings = current_settings()
    return run_shared(lambda shared: _open(shared, settings, open_async))


async def _open(
    shared: SharedStorage, settings: Settings, open_async: "Callable[[AsyncStorage], Any]"
) -> ReadableFile | WritableFile:
    file = open_async(await shared.storage(settings))  # raises for a mode that does not exist
    await file
    made = ReadableFile(shared, file) if file.mode == "rb" else WritableFile(shared, file)
    close_with_thread(made)
    return made
