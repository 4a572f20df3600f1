"""The content of a new object, in the forms that a caller may pass it in."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from functools import partial
from typing import Any

from ..errors import InvalidConfig
from ..runtime.detached import run_detached
from ..types import MiB

__all__ = ["as_chunks", "as_view"]

# Chunks, and bytes, that a thread takes from an iterable before it returns.
_MOST_CHUNKS, _MOST_BYTES = 256, MiB


def as_view(content: Any) -> memoryview | None:
    """The bytes of an object with a buffer: bytes, a bytearray, a memoryview, a numpy array, an mmap …

    Returns:
        The bytes; None: it has no buffer.

    Raises:
        InvalidConfig: Its memory is not contiguous, or it is a str.
    """
    if isinstance(content, str):
        raise InvalidConfig("the content is a str, not bytes", hint="encode the text")
    try:
        view = memoryview(content)
    except TypeError:
        return None
    if not view.c_contiguous:
        raise InvalidConfig("the content is not contiguous in memory", hint="copy it: bytes(content)")
    return view.cast("B") if view.nbytes else memoryview(b"")


async def as_chunks(content: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncGenerator[bytes | memoryview]:
    """Iterate over the chunks of a stream.

    A synchronous iterable may block, so it is advanced in a thread, which a cancelled call does not wait for.

    Args:
        content: The stream.

    Raises:
        InvalidConfig: It is no iterable, or yields something other than bytes.
    """
    if isinstance(content, AsyncIterable):
        async for piece in content:
            yield _checked(piece)
        return
    try:
        iterator = iter(content)
    except TypeError:
        kind = type(content).__name__
        hint = "pass bytes, or an iterable or async iterable of bytes"
        raise InvalidConfig(f"the content of an object cannot be {kind!r}", hint=hint) from None
    more = True
    while more:
        taken, more = await run_detached(partial(_take, iterator))
        for each in taken:
            yield each


def _take(iterator: Iterator[Any]) -> tuple[list[bytes | memoryview], bool]:
    """Take some chunks; blocking. Returns them, and whether there may be more."""
    taken: list[bytes | memoryview] = []
    size = 0
    for chunk in iterator:
        # A copy: the iterator may fill the same buffer again.
        kept = chunk if isinstance(chunk, bytes) else bytes(_checked(chunk))
        taken.append(kept)
        size += len(kept)
        if size >= _MOST_BYTES or len(taken) == _MOST_CHUNKS:
            return taken, True
    return taken, False


def _checked(chunk: Any) -> bytes | memoryview:
    if isinstance(chunk, bytes):
        return chunk
    view = None if isinstance(chunk, str) else as_view(chunk)
    if view is None:
        raise InvalidConfig(f"a chunk of the content is {type(chunk).__name__!r}, not bytes", hint="encode it")
    return view
