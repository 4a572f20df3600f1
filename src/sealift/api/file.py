"""Opening a file object in the engine's thread: what `Storage.open` does."""

from typing import TYPE_CHECKING, Any, overload

from .facade_thread import close_with_thread, run
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
    return run(lambda storage: _open(storage, open_async))


async def _open(storage: "AsyncStorage", open_async: "Callable[[AsyncStorage], Any]") -> ReadableFile | WritableFile:
    file = open_async(storage)  # raises for a mode that does not exist
    await file
    made = ReadableFile(storage, file) if file.mode == "rb" else WritableFile(storage, file)
    close_with_thread(made)
    return made
