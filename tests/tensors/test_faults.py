"""The faults of the matrix, while tensors are read: right bytes, or one clear error, and never a wrong tensor."""

import asyncio
import random
from collections.abc import Mapping

import pytest

from sealift import AsyncStorage, IntegrityError, Limits, StorageError
from sealift.types import KiB
from tests.api.helpers import shows
from tests.faults.case import PATIENCE
from tests.faults.conftest import file_servers, plain_storage, s3_storage
from tests.faults.injection import Context, Injection
from tests.faults.kinds import KINDS
from tests.faults.proxy import Exchange
from tests.faults.storage import Endpoints, StorageServer

from .models import Tensor, file_of, tensor

__all__ = ["file_servers", "plain_storage", "s3_storage"]

NAME = "model.safetensors"
SHAPES = {"large": (5 * 64 * KiB + 17,), **{f"small.{number}": (999,) for number in range(9)}}
OLD, NEW = (
    {name: tensor("U8", shape, rng) for name, shape in SHAPES.items()} for rng in (random.Random(1), random.Random(2))
)


def read(storage: StorageServer, endpoints: Endpoints, prefix: str, limits: Limits) -> list[dict[str, bytes]]:
    """Open the file, read all tensors one by one, and then all at once."""
    uri = f"{storage.uri(endpoints, prefix)}/{NAME}"

    async def read_twice() -> list[dict[str, bytes]]:
        async with asyncio.timeout(PATIENCE), AsyncStorage(limits) as client:
            async with client.tensors(uri, config=storage.config(endpoints)) as tensors:
                first = {name: each async for name, each in tensors}
                copies = {name: each.tobytes() for name, each in first.items()}
                second = {name: each.tobytes() for name, each in (await tensors.load()).items()}
                assert copies == {name: each.tobytes() for name, each in first.items()}
                return [copies, second]

    return asyncio.run(read_twice())


def bytes_of(tensors: Mapping[str, Tensor]) -> dict[str, bytes]:
    return {name: data for name, (_, _, data) in tensors.items()}


@pytest.fixture(scope="module")
def requests_of() -> dict[str, int]:
    """How many requests each storage gets without a fault."""
    return {}


@pytest.mark.parametrize("fault", [fault for fault, kind in KINDS.items() if "download" in kind.where])
@pytest.mark.parametrize("name", ["s3", "plain"])
def test_a_fault(name: str, fault: str, request: pytest.FixtureRequest, requests_of: dict[str, int]) -> None:
    storage: StorageServer = request.getfixturevalue(f"{name}_storage")
    kind, rng = KINDS[fault], random.Random(f"{name} {fault}")
    if kind.ranges and not storage.ranged:
        return
    prefix = f"tensors-{next(storage.numbers)}"
    storage.put(prefix, {NAME: file_of(OLD)})
    if name not in requests_of:
        requests_of[name] = count(storage, prefix)
    replaced = False

    def swap() -> None:
        nonlocal replaced
        if not replaced:
            replaced = True
            storage.put(prefix, {NAME: file_of(NEW)})

    context = Context(rng, file_of(OLD), storage.expired, swap)
    # The last requests are those for tensors, the first ones those for the header.
    first = 0 if kind.bodies or not kind.heals else rng.randrange(requests_of[name])
    injection = Injection(kind, context, storage.carries, first, rng.choice(kind.times))
    attempts = 2 if fault == "outage" else 5
    limits = Limits(part_size=64 * KiB, attempts=attempts, patience=60, idle_timeout=0.7 if kind.impatient else 30.0)
    with storage.proxied(injection, handshake=kind.tls) as proxied:
        try:
            found = read(storage, proxied.endpoints, prefix, limits)
        except StorageError as error:
            # A file without a version is not read again: it might be another one.
            assert not (kind.heals and storage.ranged), "a retry would have succeeded"
            assert "read tensors" in str(error)
            assert storage.uri(proxied.endpoints, prefix) in str(error)
            assert not shows(error, *storage.secrets)
        else:
            undetectable = kind.corrupts and storage.checked is None
            assert undetectable or all(each in (bytes_of(OLD), bytes_of(NEW)) for each in found)
        assert injection.struck
    for proxy in proxied.proxies:
        assert not proxy.failures


def count(storage: StorageServer, prefix: str) -> int:
    """The number of requests of `read` without a fault."""
    requests: list[object] = []

    def watch(exchange: Exchange) -> bool:
        requests.append(exchange.request)
        return False

    with storage.proxied(watch) as proxied:
        read(storage, proxied.endpoints, prefix, Limits(part_size=64 * KiB))
    return len(requests)


def test_a_file_with_damaged_bytes_is_never_complete(s3_storage: StorageServer) -> None:
    """Its last tensors are not yielded: the iteration ends with an error."""
    storage, rng = s3_storage, random.Random(3)
    prefix = f"tensors-{next(storage.numbers)}"
    storage.put(prefix, {NAME: file_of(OLD)})
    context = Context(rng, file_of(OLD), storage.expired)
    injection = Injection(KINDS["flip"], context, storage.carries, first=1, times=1)  # the first one is the header
    names: list[str] = []

    async def read_one_by_one(endpoints: Endpoints) -> None:
        async with AsyncStorage(Limits(part_size=64 * KiB)) as client:
            uri = f"{storage.uri(endpoints, prefix)}/{NAME}"
            async with client.tensors(uri, config=storage.config(endpoints)) as tensors:
                async for name, _ in tensors:
                    names.append(name)

    with storage.proxied(injection) as proxied, pytest.raises(IntegrityError, match="crc64nvme"):
        asyncio.run(read_one_by_one(proxied.endpoints))
    assert set(names) < set(OLD)
