"""Find the safetensors files that a URI names, and read their headers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeVar

from ..contract import OnlyInOrder
from ..engine.continued_read import read_into
from ..errors import InvalidConfig, ModelMissingError, TensorFileError, UnsupportedOperation, first_of
from ..operations.chunks import chunks
from ..operations.open_location import OpenLocation
from ..operations.resolve import IGNORE_SKIPPED, Prefix, resolve
from ..operations.sequential_read import SequentialRead
from ..runtime.shielded import cancelled_once
from ..types import KiB, ObjectInfo
from .checkpoint_limits import CheckpointLimits
from .header import PREFIX, Header, header_length, parse_header
from .shown import shown
from .weight_index import INDEX_SUFFIX, MAX_INDEX, TENSOR_SUFFIX, check_against_files, parse_index

__all__ = ["TensorFile", "open_files"]

T = TypeVar("T")
U = TypeVar("U")

# The header of most files fits: it has about 100 bytes for each tensor.
_FIRST_READ = 256 * KiB
_CONCURRENT = 16
# Formats that run code of the file when they are read: https://docs.python.org/3/library/pickle.html
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
# The names that a repository with several indexes uses for its main one.
_USUAL_INDEX = f"model{INDEX_SUFFIX}"


class TensorFile:
    """One file, and its header.

    Args:
        obj: The file, pinned to a version where the storage has versions.
        name: Path relative to the URI.
        header: The parsed header.
        head: The bytes before the first tensor.

    Attributes:
        ranged: Whether it can be read in ranges; otherwise it is read once, in order.
    """

    def __init__(self, obj: ObjectInfo, name: str, header: Header, head: memoryview) -> None:
        self.obj = obj
        self.name = name
        self.header = header
        self.head = head
        self.ranged = obj.ranged and obj.size is not None


async def open_files(source: OpenLocation) -> Sequence[TensorFile]:
    """Read the headers of all files of a checkpoint.

    Args:
        source: A safetensors file, an index, or a prefix, directory or repository that contains one or the other.

    Raises:
        ModelMissingError: There is no such file.
        TensorFileError: A header or the index is not valid, or they do not agree.
        UnsupportedOperation: There are only pickle files.
        InvalidConfig: There are several indexes to choose from.
    """
    backend, instance, key = source.backend, source.instance, source.location.key
    found = await resolve(backend, key, instance.retry, IGNORE_SKIPPED, one_level=True)
    limits = CheckpointLimits()
    listed: Mapping[str, ObjectInfo] = {}
    if isinstance(found, Prefix):
        directory = found.key
        listed = await _list_files(found, limits)
        index = _choose_index(listed)
    else:
        name = found.key.rpartition("/")[2]
        _refuse_pickles([name])
        directory = found.key[: len(found.key) - len(name)]
        index = found if name.endswith(INDEX_SUFFIX) else None
        if index is None:
            return [await _open_file(source, found, name if found.name is None else found.name, limits)]
    if index is None:
        chosen = {name: obj for name, obj in listed.items() if name.endswith(TENSOR_SUFFIX)}
        if not chosen:
            _refuse_pickles(listed)
            raise ModelMissingError(key, cause=f"there is no {TENSOR_SUFFIX} file directly under {directory!r}")
        files = await _open_all(source, directory, chosen, limits)
        _check_unique(files)
        return files
    weight_map = parse_index(await _read_whole(source, await _pinned(source, index)))
    names = sorted(set(weight_map.values()))
    limits.check_files(len(names))
    files = await _open_all(source, directory, {name: listed.get(name) for name in names}, limits)
    check_against_files(weight_map, (tensor for file in files for tensor in file.header.tensors))
    return files


async def _list_files(found: Prefix, limits: CheckpointLimits) -> Mapping[str, ObjectInfo]:
    """The safetensors files and indexes of a prefix, and one file that may be a pickle, by name."""
    listed: dict[str, ObjectInfo] = {}
    has_pickle = False
    async with aclosing(found.objects) as objects:
        async for obj in objects:
            name = obj.key[len(found.key) :]
            is_pickle = not has_pickle and _may_be_pickle(name)
            if not obj.is_prefix and (is_pickle or name.endswith((TENSOR_SUFFIX, INDEX_SUFFIX))):
                has_pickle |= is_pickle
                listed[name] = obj
                limits.check_files(len(listed))
    return listed


def _choose_index(listed: Mapping[str, ObjectInfo]) -> ObjectInfo | None:
    indexes = sorted(name for name in listed if name.endswith(INDEX_SUFFIX))
    if len(indexes) > 1 and _USUAL_INDEX not in indexes:
        raise InvalidConfig(f"there are several indexes: {', '.join(indexes)}", hint="name one in the URI")
    return listed[_USUAL_INDEX if _USUAL_INDEX in indexes else indexes[0]] if indexes else None


def _refuse_pickles(names: Sequence[str] | Mapping[str, ObjectInfo]) -> None:
    for name in names:
        if _may_be_pickle(name):
            raise UnsupportedOperation(
                f"{name!r} may be a pickle file, which can run any code when it is read",
                hint="convert it to safetensors; or download it, and let torch read only weights from it",
            )


def _may_be_pickle(name: str) -> bool:
    return name.lower().endswith(_PICKLES)


def _check_unique(files: Sequence[TensorFile]) -> None:
    owners: dict[str, str] = {}
    for file in files:
        for tensor in file.header.tensors:
            if owners.setdefault(tensor.name, file.name) != file.name:
                raise TensorFileError(
                    f"the tensor {shown(tensor.name)} is in {owners[tensor.name]!r} and in {file.name!r}",
                    hint="name one file in the URI",
                )


async def _open_all(
    source: OpenLocation, directory: str, wanted: Mapping[str, ObjectInfo | None], limits: CheckpointLimits
) -> Sequence[TensorFile]:
    """Open files by their paths below a directory; None: the file was not listed."""

    async def open_one(name: str) -> TensorFile:
        obj = wanted[name] or ObjectInfo(f"{directory}{name}", None)
        try:
            return await _open_file(source, await _pinned(source, obj), name, limits)
        except ModelMissingError as error:
            raise TensorFileError(
                f"the index names the file {shown(name)}, which does not exist: {error.cause}"
            ) from None

    return await _all_of(open_one, list(wanted))


async def _all_of(function: Callable[[U], Awaitable[T]], arguments: Sequence[U]) -> list[T]:
    """Call a function for each argument, some at a time."""
    limit = asyncio.Semaphore(_CONCURRENT)

    async def call(argument: U) -> T:
        async with limit:
            return await function(argument)

    async def call_all() -> list[T]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call(argument)) for argument in arguments]
        return [task.result() for task in tasks]

    try:
        return await cancelled_once(call_all())
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None


async def _pinned(source: OpenLocation, obj: ObjectInfo) -> ObjectInfo:
    """An object of known size and version; asks the service if the listing did not say."""
    if obj.size is not None and obj.version is not None:
        return obj
    return await source.instance.retry(lambda: source.backend.stat(obj.key))


async def _open_file(source: OpenLocation, obj: ObjectInfo, name: str, limits: CheckpointLimits) -> TensorFile:
    try:
        if obj.ranged and obj.size is not None:
            try:
                return await _open_ranged(source, obj, obj.size, name, limits)
            except OnlyInOrder as error:
                obj = error.obj
        return await _open_in_order(source, obj, name, limits)
    except TensorFileError as error:
        raise TensorFileError(f"{name!r}: {error.cause}", hint=error.hint) from None


async def _open_ranged(
    source: OpenLocation, obj: ObjectInfo, size: int, name: str, limits: CheckpointLimits
) -> TensorFile:
    head = bytearray(min(size, _FIRST_READ))
    await _read(source, obj, head, 0)
    end = PREFIX + header_length(head, size)
    limits.add_header(end)
    first, head = head[:end], bytearray(end)
    head[: len(first)] = first
    await _read(source, obj, head, len(first))
    return await _parsed(source, obj, memoryview(head), name, limits)


async def _open_in_order(source: OpenLocation, obj: ObjectInfo, name: str, limits: CheckpointLimits) -> TensorFile:
    head, buffer, end = bytearray(), memoryview(bytearray(_FIRST_READ)), 0
    async with aclosing(SequentialRead(source.backend, obj)) as reader:
        while (not end or len(head) < end) and (count := await source.instance.retry(lambda: reader.readinto(buffer))):
            head += buffer[:count]
            if not end and len(head) >= PREFIX:
                end = PREFIX + header_length(head, obj.size)
                limits.add_header(end)
    if not end or len(head) < end:
        end = PREFIX + header_length(head, len(head))  # raises: the file ends before its header
    del head[end:]
    file = await _parsed(source, obj, memoryview(head), name, limits)
    file.ranged = False
    return file


async def _parsed(
    source: OpenLocation, obj: ObjectInfo, head: memoryview, name: str, limits: CheckpointLimits
) -> TensorFile:
    header = await source.instance.disk.run(lambda: parse_header(head[PREFIX:], obj.size, name))
    limits.add_tensors(len(header.tensors))
    return TensorFile(obj, name, header, head)


async def _read(source: OpenLocation, obj: ObjectInfo, head: bytearray, start: int) -> None:
    """Fill the rest of the beginning of a file."""
    if start < len(head):
        with memoryview(head)[start:] as view:
            await read_into(source.instance.retry, source.backend, obj, start, view)


async def _read_whole(source: OpenLocation, obj: ObjectInfo) -> bytes:
    """The bytes of an index."""
    data = bytearray()
    async with aclosing(chunks(source.instance, source.backend, obj, 0, obj.size, to_end=True)) as body:
        async for chunk in body:
            data += chunk
            if len(data) > MAX_INDEX:
                raise TensorFileError(f"the index has more than {MAX_INDEX} bytes")
    return bytes(data)
