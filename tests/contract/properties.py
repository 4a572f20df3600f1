"""The contract of backends that store properties with an object's bytes."""

from dataclasses import replace

import pytest

from sealift.errors import UnsupportedOperation
from sealift.runtime import part_sizes
from sealift.types import ObjectInfo
from sealift.types.properties import Properties
from tests.contract.suite import Place, keys, read
from tests.contract.writing import body

# All fields; metadata that is not ASCII, empty, or looks like an encoded word (RFC 2047).
RICH = Properties(
    content_type='text/csv; charset="utf-8"',
    content_encoding="gzip",
    content_language="de, en",
    content_disposition='attachment; filename="table.csv"',
    cache_control="no-store, max-age=0",
    expires="Wed, 21 Oct 2026 07:28:00 GMT",
    metadata={"owner": "me", "two": "words  here", "town": "Zürich 日本", "word": "=?UTF-8?Q?x?=", "long": "ß" * 200},
    tags={"team": "a b/c:d", "empty": ""},
)


@pytest.mark.anyio
class PropertiesContract:
    """Tests for a backend that stores properties.

    Attributes:
        kept: The properties of `RICH` that it stores.
        step: Bytes of each part except the last one.
    """

    kept: Properties
    step: int

    async def found(self, place: Place, key: str, obj: ObjectInfo | None = None) -> Properties:
        """The properties of an object, including its tags."""
        obj = obj or await place.backend.stat(key)
        assert obj.properties is not None
        if obj.properties.tags is None:
            return replace(obj.properties, tags=await place.backend.tags(obj))
        return obj.properties

    async def test_put_with_properties(self, place: Place) -> None:
        for key, data in (("k", b"bytes"), ("empty", b"")):
            stored = await place.backend.put(key, memoryview(data), RICH)
            assert await self.found(place, key, stored) == self.kept
            assert await self.found(place, key) == self.kept

    async def test_an_upload_in_parts_with_properties(self, place: Place) -> None:
        size = 2 * self.step + 1
        upload = await place.backend.open_upload("k", size, properties=RICH)
        whole = memoryview(body(size))
        parts = part_sizes.parts(size, self.step)
        receipts = [await upload.write_part(part, whole[part.start : part.start + part.size]) for part in parts]
        stored = await upload.complete(receipts)
        assert await self.found(place, "k", stored) == self.kept
        assert await self.found(place, "k") == self.kept

    async def test_an_object_that_is_replaced_loses_its_properties(self, place: Place) -> None:
        await place.backend.put("k", memoryview(b"bytes"), RICH)
        await place.backend.put("k", memoryview(b"other"))
        found = await self.found(place, "k")
        assert replace(found, content_type=None) == Properties()

    async def test_the_reply_to_a_read_tells_the_properties_if_the_listing_does_not(self, place: Place) -> None:
        await place.backend.put("k", memoryview(b"bytes"), RICH)
        (obj,) = [obj async for obj in place.backend.list("k")]
        head = await place.backend.read_range(obj, 0, memoryview(bytearray(5)))
        told = head.properties or obj.properties
        assert told is not None
        assert await self.found(place, "k", replace(obj, properties=told)) == self.kept
        if obj.properties is not None:
            assert await self.found(place, "k", obj) == self.kept

    async def test_a_copy_keeps_the_properties(self, place: Place) -> None:
        await place.backend.put("k", memoryview(b"bytes"), RICH)
        (listed,) = [obj async for obj in place.backend.list("k")]
        for obj in (listed, await place.backend.stat("k")):
            await place.backend.copy(place.backend.location, obj, "copy")
            assert await self.found(place, "copy") == self.kept
            assert await read(place.backend, await place.backend.stat("copy")) == b"bytes"
            await place.backend.delete("copy")


@pytest.mark.anyio
class HeadersContract(PropertiesContract):
    """Tests for a backend that stores properties and sends them as headers."""

    @pytest.mark.parametrize("text", ["a\r\nx-injected: 1", "a\nb", "a\rb", "a\x00b", "\x7f"])
    async def test_no_property_becomes_another_header(self, place: Place, text: str) -> None:
        for properties in (Properties(content_type=text), Properties(cache_control=text)):
            with pytest.raises(UnsupportedOperation, match="of 'k' contains a line break"):
                await place.backend.put("k", memoryview(b"bytes"), properties)
            with pytest.raises(UnsupportedOperation):
                await place.backend.open_upload("k", 5, properties=properties)
        assert await keys(place.backend, "") == set()

    async def test_what_no_header_can_carry_is_left_out(self, place: Place) -> None:
        stored = await place.backend.put(
            "k", memoryview(b"bytes"), Properties(content_type="tëxt", metadata={"a": "b"})
        )
        assert stored.content_type != "tëxt"
        assert (await place.backend.stat("k")).metadata == {"a": "b"}
