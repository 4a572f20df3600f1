"""List the files in a layer that is a tar archive, and verify its digest. The whole layer is read for that."""

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Self

from ...errors import ArchiveError, IntegrityError, TransportError
from ...frozen_dataclass import dataclass
from ...instance import Instance
from ...runtime.shielded import shielded
from ...types import MiB, Unpack
from .blob_stream import BlobStream
from .decoder import SLICE, Decoder, decoder_for, is_compressed
from .manifest import Layer
from .registry import Registry
from .tar_scanner import Entry, TarScanner

__all__ = ["LayerIndex", "LayerIndexes"]

# Layers that are listed at the same time, each some MiB ahead.
_AT_ONCE = 3
# Layers whose entries an instance remembers.
_REMEMBERED = 64
# Limits for decompression bombs, as for archives; any layer may expand to 64 MiB.
_LIMITS = Unpack()
_ALWAYS_ALLOWED = 64 * MiB


@dataclass(frozen=True, slots=True)
class LayerIndex:
    """What is in a layer.

    Attributes:
        entries: The entries, in the order of the archive.
        compressed: Whether the layer is compressed, so that its files cannot be read in ranges.
    """

    entries: Sequence[Entry]
    compressed: bool


class LayerIndexes:
    """The layers that an instance has listed; their content cannot change."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, LayerIndex] = OrderedDict()
        self._locks: dict[Hashable, asyncio.Lock] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @classmethod
    async def of_instance(cls, instance: Instance) -> Self:
        """Return those of an instance."""

        async def create() -> AbstractAsyncContextManager[Self]:
            return nullcontext(cls())

        indexes: Self = await instance.client(("oci", "layers"), create)
        return indexes

    async def of(self, registry: Registry, layer: Layer) -> LayerIndex:
        """List a layer, unless that was done before.

        Args:
            registry: Sends the requests.
            layer: The layer.

        Raises:
            IntegrityError: Its digest is another one than the manifest's.
            ArchiveError: It is not a tar archive, or is damaged.
            StorageError: The registry or its storage returned an error.
        """
        # The registry decides who may read a repository, so layers of another one are not looked up.
        key = registry.address, registry.authorization, layer.blob.digest
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                if key in self._known:
                    self._known.move_to_end(key)
                    return self._known[key]
                async with self._turns:
                    index = await _index(registry, layer)
                self._known[key] = index
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
                return index
        finally:
            if not lock.locked():
                self._locks.pop(key, None)


async def _index(registry: Registry, layer: Layer) -> LayerIndex:
    stream, reading = BlobStream(registry, layer.blob), _Reading(layer)
    try:
        while window := await stream.next():
            await registry.instance.disk.run(partial(reading.feed, window), interrupt=reading.stop)
    finally:
        await shielded(stream.aclose())
    return reading.finish()


class _Reading:
    """Takes the bytes of a layer, in order. Blocking."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._hash = hashlib.sha256()
        self._scanner = TarScanner()
        self._decoder: Decoder | None = None
        self._step = SLICE
        self._compressed = False
        self._read = self._expanded = 0
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Make `feed` end soon; called while it runs. A few MiB can be a million entries."""
        self._stopped.set()

    def feed(self, window: memoryview) -> None:
        self._hash.update(window)
        if self._decoder is None:
            self._compressed = is_compressed(window)
            self._decoder = decoder_for(window, self._write)
            self._step = SLICE if self._compressed else len(window)
        for start in range(0, len(window), self._step):
            piece = window[start : start + self._step]
            self._read += len(piece)
            self._decoder.feed(piece)

    def _write(self, data: bytes | memoryview) -> None:
        if self._stopped.is_set():
            raise TransportError("interrupted")
        self._expanded += len(data)
        if self._expanded > max(_ALWAYS_ALLOWED, self._layer.blob.size * _LIMITS.ratio):
            ratio = f"{_LIMITS.ratio:g}"
            raise ArchiveError(f"the layer {self._layer.blob.digest} expands to more than {ratio} times its size")
        self._scanner.write(data)

    def finish(self) -> LayerIndex:
        digest = f"sha256:{self._hash.hexdigest()}"
        if digest != self._layer.blob.digest:
            raise IntegrityError(f"a layer has the digest {digest} instead of {self._layer.blob.digest}")
        return LayerIndex(self._scanner.finish(), self._compressed)
