"""The contract for objects in memory."""

from collections.abc import Mapping

import pytest

from sealift.backends.memory import MemoryBackend
from tests.contract.conditional import ConditionalContract
from tests.contract.properties import RICH, PropertiesContract
from tests.contract.suite import MANY, Place
from tests.contract.writing import WritingContract
from tests.services.s3 import CONTROL_KEYS, ODD_KEYS, PATHLIKE_KEYS


class TestMemory(WritingContract, PropertiesContract, ConditionalContract):
    kept = RICH
    odd_keys = (*ODD_KEYS, *PATHLIKE_KEYS)
    control_keys = CONTROL_KEYS

    @pytest.fixture
    def place(self) -> Place:
        backend = MemoryBackend()

        def put(objects: Mapping[str, bytes], checksum: str | None = None) -> None:
            for key, data in objects.items():
                backend.store(key, data)

        return Place(backend, put, backend._objects.pop, checksum="crc64nvme")

    @pytest.fixture
    def crowded(self, place: Place) -> Place:
        place.put({f"many/{number:05}": b"x" for number in range(MANY)})
        return place
