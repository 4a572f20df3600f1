"""Find out what keeps a location from being read: configuration, network, clock or permissions."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from ..backends import describe_backend, open_backend
from ..config import Proxies, StorageConfig
from ..contract import Backend, OnlyInOrder
from ..errors import StorageError
from ..frozen_dataclass import dataclass
from ..instance import Instance
from ..types import ObjectInfo
from ..uri import Location
from ..wire import Origin, Request
from ..wire.proxy_choice import proxy_for
from .resolve import IGNORE_SKIPPED, Prefix, resolve

__all__ = ["Finding", "diagnose"]

# Seconds by which the clock may differ from the server's. Signatures are rejected from 15 minutes on (S3, Azure).
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (RequestTimeTooSkewed)
_CLOCK_TOLERANCE = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        check: What was checked.
        detail: The result, in one line without secrets.
        error: Why the check failed. None: it did not.
    """

    check: str
    detail: str
    error: StorageError | None = None


async def diagnose(location: Location, config: StorageConfig | None, instance: Instance) -> AsyncGenerator[Finding]:
    """Check, step by step, whether a location can be read; later steps are omitted if one fails that they need.

    Args:
        location: The object or prefix.
        config: Credentials and endpoint. None: from the environment.
        instance: The instance.

    Yields:
        The findings, each when it is known.
    """

    async def step(check: str, work: Callable[[], Awaitable[str]]) -> Finding:
        try:
            return Finding(check, await work())
        except StorageError as error:
            return Finding(check, str(error), error)

    try:
        facts = await describe_backend(location, config, instance)
        for name, setting in facts.items():
            yield Finding(name, str(setting))
        backend = await open_backend(location, config, instance)
    except StorageError as error:
        yield Finding("configuration", str(error), error)
        return
    try:
        url = facts["endpoint"].value if "endpoint" in facts else location.root
        if url.startswith(("http://", "https://")):
            origin = Origin.of(url)
            proxy = proxy_for(origin, Proxies.from_env(instance.environ))
            yield Finding("proxy", "none" if proxy is None else Origin.of(proxy).address)
            reached = await step("connection", lambda: _connect(origin, instance))
            yield reached
        yield await step("read", lambda: _read(location, backend, instance))
    finally:
        await backend.aclose()


async def _connect(origin: Origin, instance: Instance) -> str:
    began, sent = time.monotonic(), time.time()
    reply = await instance.wire.send(Request("HEAD", origin, "/"))
    seconds = time.monotonic() - began
    text = f"{origin.address} answers in {seconds * 1000:.0f} ms"
    date = reply.time("date")
    if date is None:
        return text
    difference = sent - date.timestamp()
    if abs(difference) > _CLOCK_TOLERANCE:
        way = "ahead of" if difference > 0 else "behind"
        cause = f"the clock of this machine is {abs(difference):.0f} s {way} that of {origin.address}"
        raise StorageError(cause, hint="set the clock: signed requests are rejected")
    return f"{text}, clocks agree"


async def _read(location: Location, backend: Backend, instance: Instance) -> str:
    found = await resolve(backend, location.key, instance.retry, IGNORE_SKIPPED)
    if isinstance(found, Prefix):
        async with aclosing(found.objects) as objects:
            async for obj in objects:
                if obj.size:
                    return f"may list {location}; {await _read_byte(obj, backend, instance)}"
        return f"may list {location}; it has no object to read"
    return await _read_byte(found, backend, instance)


async def _read_byte(obj: ObjectInfo, backend: Backend, instance: Instance) -> str:
    if obj.size:
        text = f"may read {obj.key!r} ({obj.size:,} bytes)"
        try:
            await instance.retry(lambda: backend.read_range(obj, 0, memoryview(bytearray(1))))
        except OnlyInOrder as error:
            return f"{text}, in order only: {error.reason}"
        return text
    return f"found {obj.key!r}, which is empty or of unknown size"
