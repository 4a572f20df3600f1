"""Read tensors from a file without ranges: all of it, once, in order."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from ..errors import ObjectChanged, TransportError
from ..operations.open_location import OpenLocation
from ..operations.sequential_read import SequentialRead
from .selection import Selected
from .target import Target
from .tensor_files import TensorFile

__all__ = ["read_in_order"]


async def read_in_order(
    source: OpenLocation,
    file: TensorFile,
    targets: Sequence[Target],
    length: int,
    admit: Callable[[Target], Awaitable[memoryview]],
    done: Callable[[Target], Awaitable[None]],
    on_bytes: Callable[[int], None],
) -> None:
    """Read tensors of one file.

    Args:
        source: Where the file is.
        file: The file. Its header is compared with the one that was read before: there may be no version to pin.
        targets: The tensors, in the order of their bytes.
        length: Bytes that are received at once at most.
        admit: Called before the first byte of each; waits for memory, and returns where its bytes go.
        done: Called with each tensor when it is complete.
        on_bytes: Called with the number of bytes of each chunk.

    Raises:
        ObjectChanged: The file was replaced.
        TransportError: It has more or fewer bytes than its header says.
    """
    waiting = [target for target in targets if target.selected.nbytes]
    position, place = 0, memoryview(b"")
    buffer = memoryview(bytearray(length))
    try:
        async with aclosing(SequentialRead(source.backend, file.obj)) as reader:
            while count := await source.instance.retry(lambda: reader.readinto(buffer)):
                chunk = buffer[:count]
                _compare_header(file, position, chunk)
                while waiting and waiting[0].selected.first < position + count:
                    target = waiting[0]
                    if not target.begun:
                        place = await admit(target)
                    if not _fill(place, target.selected, position, chunk):
                        break
                    await done(waiting.pop(0))
                    place.release()  # the tensor belongs to the caller
                on_bytes(count)
                position += count
    finally:
        place.release()
    if position != file.header.end:
        raise TransportError(f"{file.name!r}: received {position} bytes instead of {file.header.end}")


def _compare_header(file: TensorFile, position: int, chunk: memoryview) -> None:
    count = min(len(chunk), len(file.head) - position)
    if count > 0 and chunk[:count] != file.head[position : position + count]:
        raise ObjectChanged(f"{file.name!r} was replaced after its header was read")


def _fill(place: memoryview, selected: Selected, position: int, chunk: memoryview) -> bool:
    """Copy what a chunk has of a tensor. Returns whether the tensor is complete."""
    end = position + len(chunk)
    row = max((position - selected.first) // selected.step, 0)
    while row < selected.count:
        first = selected.first + row * selected.step
        last = first + selected.width
        if first >= end:
            return False
        start, stop = max(first, position), min(last, end)
        if start < stop:
            at = row * selected.width + start - first
            place[at : at + stop - start] = chunk[start - position : stop - position]
        if last > end:
            return False
        row += 1
    return True
