"""Resolving a URI closes the listing, however far it was read."""

from collections.abc import AsyncGenerator

import pytest

from sealift.backends.memory import MemoryBackend
from sealift.contract import EVERYTHING, Walk
from sealift.errors import ModelMissingError
from sealift.operations.resolve import Prefix, find_object, resolve
from sealift.runtime.host_pace import Hosts
from sealift.runtime.retry import Retry
from sealift.types import ObjectInfo

pytestmark = pytest.mark.anyio


class Watched(MemoryBackend):
    """Counts the listings that are still open."""

    open = 0

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        self.open += 1
        try:
            async for obj in super().list(prefix, walk):
                yield obj
        finally:
            self.open -= 1


async def test_a_listing_that_nobody_reads_is_closed() -> None:
    backend = Watched()
    for key in ("p/a", "p/b"):
        await backend.put(key, memoryview(b"x"))
    retry = Retry(Hosts(4))
    found = await resolve(backend, "p", retry, Walk())
    assert isinstance(found, Prefix)
    assert backend.open == 1
    await found.objects.aclose()
    assert backend.open == 0
    with pytest.raises(ModelMissingError, match="only objects below"):
        await find_object(backend, "p", retry)
    assert backend.open == 0
    found = await resolve(backend, "p", retry, Walk())
    assert isinstance(found, Prefix)
    assert [obj.key async for obj in found.objects] == ["p/a", "p/b"]
    assert backend.open == 0
