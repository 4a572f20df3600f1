"""The contract of `overwrite=False`: nothing is replaced, and a new object is stored."""

from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import pytest

from sealift.contract import Backend
from sealift.errors import ObjectExists
from sealift.types import ObjectInfo, Part
from tests.contract.suite import DATA, OTHER, SIZE, Place, read

Write = Callable[[Backend, str], Awaitable[ObjectInfo]]


async def put(backend: Backend, key: str) -> ObjectInfo:
    return await backend.put(key, memoryview(DATA), overwrite=False)


async def upload(backend: Backend, key: str) -> ObjectInfo:
    writing = await backend.open_upload(key, SIZE, overwrite=False)
    try:
        return await writing.complete([await writing.write_part(Part(0, 0, SIZE), memoryview(DATA))])
    except ObjectExists:
        await writing.abort()
        raise


async def copy(backend: Backend, key: str) -> ObjectInfo:
    source = await backend.put("source", memoryview(DATA))
    return await backend.copy(backend.location, source, key, overwrite=False)


async def lane(backend: Backend, key: str) -> ObjectInfo:
    if (files := backend.small_objects) is not None:
        return await anyio.to_thread.run_sync(lambda: files.put(key, memoryview(DATA), overwrite=False))
    if (opening := backend.open_lane()) is None:  # as the engine does
        return await put(backend, key)
    async with opening as held:
        return await held.run(lambda: held.put(key, memoryview(DATA), overwrite=False))


WRITES: dict[str, Write] = {"put": put, "upload": upload, "copy": copy, "lane": lane}


@pytest.mark.anyio
class ConditionalContract:
    """Tests for a backend that can write.

    Attributes:
        ignored: The writes whose condition this server ignores, so that they replace the object.
    """

    ignored: frozenset[str] = frozenset()

    @pytest.fixture(params=list(WRITES))
    def new(self, request: pytest.FixtureRequest) -> Write:
        return WRITES[request.param]

    async def test_a_new_object_is_stored(self, place: Place, new: Write) -> None:
        assert (await new(place.backend, "k")).size == SIZE
        assert await read(place.backend, await place.backend.stat("k")) == DATA

    async def test_an_object_that_exists_is_not_replaced(self, place: Place, new: Write) -> None:
        place.put({"k": OTHER})
        if new.__name__ in self.ignored:
            await new(place.backend, "k")
            return
        with pytest.raises(ObjectExists, match="k'? exists already"):
            await new(place.backend, "k")
        assert await read(place.backend, await place.backend.stat("k")) == OTHER
