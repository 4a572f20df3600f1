"""`ReadOnlyBackend`: what all backends have in common whose services are only read."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from ..contract import Reader, Upload
from ..errors import UnsupportedOperation
from ..lane_contract import ByteCount, SmallObjects
from ..types import ObjectInfo
from ..types.properties import NO_PROPERTIES, Properties
from ..types.write_options import WriteOptions
from ..uri import Location

__all__ = ["ReadOnlyBackend"]


class ReadOnlyBackend:
    """The methods of `Backend` that a service without writing refuses, and those that need no service.

    Derive from it. Its capabilities need `writable=False`.

    Attributes:
        location: As in `Backend`.
        kind: What the storages of this kind are called in errors; None: the scheme of their URIs.
        write_hint: What to do instead of writing; None: nothing.
    """

    location: Location
    kind: str | None = None
    write_hint: str | None = None
    small_objects: SmallObjects | None = None

    @property
    def address(self) -> str:
        return ""

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}  # there are no composite checksums

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}

    def find_and_read(
        self, key: str, last: int | None = None
    ) -> AbstractAsyncContextManager[tuple[ObjectInfo, Reader]] | None:
        return None

    def open_lane(self) -> None:
        return None

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        self._refuse()

    async def open_upload(
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> Upload:
        self._refuse()

    async def copy(
        self,
        src: Location,
        obj: ObjectInfo,
        key: str,
        options: WriteOptions | None = None,
        *,
        overwrite: bool = True,
        on_copied: Callable[[int], None] | None = None,
    ) -> ObjectInfo:
        self._refuse()

    async def delete(self, key: str, *, snapshots: bool = False, version: str | None = None) -> None:
        self._refuse()

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        self._refuse()

    async def presign(self, key: str, method: str, seconds: int) -> str:
        raise UnsupportedOperation(f"{self.location.scheme}:// has no presigned URLs")

    async def aclose(self) -> None:
        """Release nothing: the instance owns the connections."""

    def _refuse(self) -> NoReturn:
        raise UnsupportedOperation(
            f"{self.kind or f'{self.location.scheme}://'} can only be read", hint=self.write_hint
        )
