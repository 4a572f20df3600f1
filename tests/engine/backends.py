"""In-memory backends for the engine's tests that record calls, block, fail, damage bytes, or lack features."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel

from sealift.backends.memory import MemoryBackend
from sealift.contract import EVERYTHING, Reader, Upload, Walk
from sealift.errors import StorageError, TransportError
from sealift.lane_contract import ByteCount
from sealift.types import Capabilities, Head, ObjectInfo, Part, Receipt
from sealift.types.properties import NO_PROPERTIES, Properties
from sealift.types.write_options import WriteOptions
from sealift.uri import Location

Hook = Callable[[str, str], Awaitable[None]]


def transient(text: str = "busy") -> TransportError:
    return TransportError(text, retryable=True)


class Watched(MemoryBackend):
    """Records the requests it receives.

    Attributes:
        calls: The verb and key of every call, in order.
        reads: Key, start and size of every range that was read.
        most_reading: The maximum number of concurrent range reads.
        uploads: Every upload that was opened.
        before: Awaited at the start of each call, with the verb and the key.
    """

    def __init__(self, objects: dict[str, bytes] | None = None, **capabilities: Any) -> None:
        super().__init__("watched", objects)
        self.capabilities: Capabilities = replace(self.capabilities, **capabilities)
        self.calls: list[tuple[str, str]] = []
        self.reads: list[tuple[str, int, int]] = []
        self.reading = 0
        self.most_reading = 0
        self.uploads: list[WatchedUpload] = []
        self.before: Hook | None = None

    async def called(self, verb: str, key: str) -> None:
        self.calls.append((verb, key))
        await anyio.lowlevel.checkpoint()
        if self.before is not None:
            await self.before(verb, key)

    def count(self, verb: str) -> int:
        return sum(called == verb for called, _ in self.calls)

    def contents(self) -> dict[str, bytes]:
        return {key: self.content(key) for key in self._objects}

    async def stat(self, key: str) -> ObjectInfo:
        await self.called("stat", key)
        return await super().stat(key)

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        self.reads.append((obj.key, start, len(into)))
        self.reading += 1
        self.most_reading = max(self.most_reading, self.reading)
        try:
            await self.called("read", obj.key)
            return await super().read_range(obj, start, into)
        finally:
            self.reading -= 1

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        await self.called("put", key)
        return await super().put(key, data, properties, overwrite=overwrite, sent=sent)

    async def open_upload(
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> Any:
        await self.called("open", key)
        upload = await super().open_upload(key, size, properties=properties, overwrite=overwrite)
        self.uploads.append(WatchedUpload(self, key, upload))
        return self.uploads[-1]

    async def copy(
        self, src: Location, obj: ObjectInfo, key: str, options: WriteOptions | None = None, **how: Any
    ) -> ObjectInfo:
        await self.called("copy", key)
        return await super().copy(src, obj, key, options, **how)


class WatchedUpload(Upload):
    """An upload that records how it ended.

    Attributes:
        state: "open", "complete" or "aborted".
        parts: The parts that were written.
    """

    token = ""

    def __init__(self, backend: Watched, key: str, upload: Any) -> None:
        self.state = "open"
        self.parts: list[Part] = []
        self._backend = backend
        self._key = key
        self._upload = upload

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        await self._backend.called("write", self._key)
        self.parts.append(part)
        receipt: Receipt = await self._upload.write_part(part, data, sent)
        return receipt

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        await self._backend.called("complete", self._key)
        info: ObjectInfo = await self._upload.complete(receipts)
        self.state = "complete"
        return info

    async def abort(self) -> None:
        await self._backend.called("abort", self._key)
        await self._upload.abort()
        if self.state == "open":
            self.state = "aborted"


class Gate:
    """Blocks calls of one verb until they are released; use as `Watched.before`.

    Attributes:
        waiting: The keys of the blocked calls, in order.
    """

    def __init__(self, verb: str) -> None:
        self.waiting: list[str] = []
        self._verb = verb
        self._held: list[anyio.Event] = []
        self._open = False

    async def __call__(self, verb: str, key: str) -> None:
        if verb != self._verb or self._open:
            return
        event = anyio.Event()
        self.waiting.append(key)
        self._held.append(event)
        await event.wait()

    def let_one_through(self) -> None:
        self.waiting.pop(0)
        self._held.pop(0).set()

    def open(self) -> None:
        self._open = True
        while self._held:
            self.let_one_through()


class Faults:
    """Makes the next calls of a verb fail, one error each; use as `Watched.before`."""

    def __init__(self, **errors: Iterable[StorageError]) -> None:
        self._errors = {verb: list(several) for verb, several in errors.items()}

    async def __call__(self, verb: str, key: str) -> None:
        if self._errors.get(verb):
            raise self._errors[verb].pop(0)


class Damaging(Watched):
    """Flips a bit in the bytes of the first `times` reads."""

    def __init__(self, objects: dict[str, bytes], times: int) -> None:
        super().__init__(objects)
        self._times = times

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        head = await super().read_range(obj, start, into)
        if self._times:
            self._times -= 1
            into[len(into) // 2] ^= 1
        return head


class Streaming(Watched):
    """Lacks sizes, ranges or versions, and returns bodies in small pieces."""

    def __init__(
        self, objects: dict[str, bytes], *, piece: int = 700, cut: list[int] | None = None, **lacks: Any
    ) -> None:
        super().__init__(objects)
        self._piece = piece
        self._cut = cut if cut is not None else []
        self._lacks = lacks

    def poorer(self, obj: ObjectInfo) -> ObjectInfo:
        return replace(obj, **self._lacks)

    async def stat(self, key: str) -> ObjectInfo:
        return self.poorer(await super().stat(key))

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        async for obj in super().list(prefix, walk):
            yield self.poorer(obj)

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        await self.called("stream", obj.key)
        cut = self._cut.pop(0) if self._cut else None
        async with super().open_read(obj) as reader:
            yield _Pieces(reader, self._piece, cut)


class _Pieces:
    """A body in pieces of an odd length; the connection breaks after `cut` bytes."""

    def __init__(self, reader: Reader, piece: int, cut: int | None) -> None:
        self._reader = reader
        self._piece = piece
        self._left = cut

    async def readinto(self, view: memoryview) -> int:
        await anyio.lowlevel.checkpoint()
        if self._left is not None and self._left <= 0:
            raise transient("the body broke off")
        count = await self._reader.readinto(view[: self._piece])
        if self._left is not None:
            self._left -= count
        return count
