"""Compare the bytes of a file that was read completely, in requests, with its checksum."""

from collections.abc import Sequence
from dataclasses import replace

from ..engine.verification import SIZE_ONLY, fetch_checksums, unverifiable, verify_digest
from ..errors import ObjectChanged
from ..integrity import checksums
from ..operations.open_location import OpenLocation
from ..types import ObjectInfo, Verify
from .tensor_files import TensorFile

__all__ = ["FileCheck"]


class FileCheck:
    """The checksum of one file. CRCs are combined from those of the requests; hashes follow the bytes in order.

    Args:
        source: Where the file is.
        file: The file.
        count: Number of requests that read all of it, after its header.
        verify: As in `AsyncStorage.download`.

    Attributes:
        outcome: The algorithm that was compared, or `SIZE_ONLY`; "" before.
    """

    def __init__(self, source: OpenLocation, file: TensorFile, count: int, verify: Verify) -> None:
        self._source = source
        self._file = file
        self._obj = file.obj
        self._verify = verify
        self._digests: list[tuple[str, int]] = [("", 0)] * (count + 1)  # the first is that of the header
        self._missing = count
        self._algorithm: str | None = None
        self._in_order: checksums.InOrder | None = None
        self.outcome = ""

    async def prepare(self) -> None:
        """Find out which checksum there is. Must be done before the first `add`.

        Raises:
            IntegrityError: One is required, and there is none.
            ObjectChanged: The file has another version now.
        """
        self._obj = obj = await self._with_checksums() if self._verify else replace(self._file.obj, checksums={})
        self._algorithm = checksums.best(obj.checksums, combinable=True)
        in_order = checksums.best(obj.checksums, combinable=False)
        if self._algorithm is not None:
            head = self._file.head
            self._digests[0] = (checksums.digest(self._algorithm, head), len(head))
        elif in_order is not None:
            self._algorithm = in_order
            self._in_order = checksums.InOrder(in_order)
            self._in_order.update(self._file.head)
        elif self._verify == "require":
            raise unverifiable(f"there is no checksum to verify {obj.key!r} with")
        if not self._missing:
            self._finish()

    async def _with_checksums(self) -> ObjectInfo:
        """The file with its checksums, which a listing does not contain everywhere."""
        backend, retry, obj = self._source.backend, self._source.instance.retry, self._file.obj
        if not obj.checksums and not obj.composite and obj.properties is None and backend.capabilities.checksums:
            found = await retry(lambda: backend.stat(obj.key))
            if found.version != obj.version:
                raise ObjectChanged(f"{obj.key!r} was replaced while it was read")
            obj = found
        return replace(obj, checksums=await retry(lambda: fetch_checksums(backend, obj)))

    async def add(self, index: int, data: Sequence[memoryview]) -> None:
        """Add the bytes of a request; waits for those before it if their order matters.

        Args:
            index: Index of the request in the file.
            data: Its bytes.

        Raises:
            IntegrityError: These were the last bytes, and the checksum differs.
        """
        if self._in_order is not None:
            async with self._in_order.hash_turns.turn(index):
                await self._source.instance.disk.run(lambda: self._update(data))
        elif self._algorithm is not None:
            crc = 0
            for each in data:
                crc = checksums.extend_crc(self._algorithm, each, crc)
            self._digests[index + 1] = (checksums.crc_digest(self._algorithm, crc), sum(map(len, data)))
        self._missing -= 1
        if not self._missing:
            self._finish()

    def _update(self, data: Sequence[memoryview]) -> None:
        assert self._in_order is not None  # noqa: S101 - for mypy: called only then
        for each in data:
            self._in_order.update(each)

    def _finish(self) -> None:
        algorithm = self._algorithm
        if algorithm is not None:
            found = checksums.combine(algorithm, self._digests) if self._in_order is None else self._in_order.digest
            verify_digest(self._obj, self._obj.checksums, algorithm, found)
        self.outcome = algorithm or SIZE_ONLY
