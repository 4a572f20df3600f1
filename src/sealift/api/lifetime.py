"""The lifetime of an `AsyncStorage`, and the frame of its verbs: what they hold open, and how they fail."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Self

import anyio

from ..backends import open_backend
from ..backends.local import LocalBackend
from ..config import StorageConfig
from ..contract import Backend
from ..errors import ClosedError, DeadlineExceeded, InvalidConfig, StorageError
from ..instance import Instance
from ..types import Limits
from ..uri import Location, parse

__all__ = ["Deadline", "End", "Session"]


@dataclass(frozen=True, slots=True)
class End:
    """One end of a transfer.

    Attributes:
        instance: Of the instance.
        backend: The bucket, container, repository or directory.
        location: What the URI names in it.
    """

    instance: Instance
    backend: Backend
    location: Location


class Deadline:
    """The end of the time that one call may take, though it be made of several.

    Args:
        timeout: Seconds from now on; None: any time.
    """

    def __init__(self, timeout: float | None) -> None:
        if timeout is not None and not timeout >= 0:
            raise InvalidConfig(f"timeout={timeout!r} is no time in seconds")
        self._timeout = timeout
        self._end = None if timeout is None else anyio.current_time() + timeout

    @contextmanager
    def held(self) -> Generator[None]:
        """Cancel the block when the time is over.

        Raises:
            DeadlineExceeded: Then; whatever was cancelled has cleaned up.
        """
        if self._end is None:
            yield
            return
        with anyio.CancelScope(deadline=self._end) as scope:
            yield
        if scope.cancelled_caught:
            raise DeadlineExceeded(f"not done after {self._timeout:g} s", hint="allow it more time, or try again later")


class Session:
    """Belongs to the loop that first uses it.

    Inside `async with` its connections, threads and buffers live to the end of the block; without it, from the first
    running verb to the last.

    Args:
        limits: How much of the machine all its calls together may use.
        environ: Environment variables to find credentials, endpoints and proxies in; None: this process's.
    """

    def __init__(self, limits: Limits | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        self._limits = limits or Limits()
        self._environ = os.environ if environ is None else environ
        self._loop: asyncio.AbstractEventLoop | None = None
        self._instance: Instance | None = None
        self._users = 0

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._leave()

    def _enter(self) -> Instance:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise ClosedError("this AsyncStorage belongs to another event loop", hint="make one for each loop")
        self._instance = self._instance or Instance(self._limits, self._environ)
        self._users += 1
        return self._instance

    async def _leave(self) -> None:
        self._users -= 1
        if not self._users and self._instance is not None:
            instance, self._instance = self._instance, None
            await instance.aclose()

    @asynccontextmanager
    async def _verb(
        self, operation: str, *uris: str, deadline: Deadline | None = None
    ) -> AsyncGenerator[tuple[Instance, list[Location]]]:
        """Hold the instance for the time of one verb; its errors say which verb and which URIs failed."""
        locations: list[Location] = []
        try:
            locations += map(parse, uris)
            instance = self._enter()
            try:
                with nullcontext() if deadline is None else deadline.held():
                    yield instance.for_call(), locations
            finally:
                with anyio.CancelScope(shield=True):
                    await self._leave()
        except StorageError as error:
            error.__context__ = None  # `from None` only hides it, and it may quote a secret, as a file's parser does
            raise error.about(operation, " to ".join(map(str, locations))) from error.__cause__

    @asynccontextmanager
    async def _at(
        self, operation: str, uri: str, config: StorageConfig | None, deadline: Deadline | None = None
    ) -> AsyncGenerator[End]:
        """The place of a verb that has one."""
        async with (
            self._verb(operation, uri, deadline=deadline) as (instance, (location,)),
            _opened(instance, location, config) as end,
        ):
            yield end

    @asynccontextmanager
    async def _between(
        self,
        operation: str,
        src: str,
        dest: str,
        config: StorageConfig | None,
        dest_config: StorageConfig | None,
        deadline: Deadline,
    ) -> AsyncGenerator[tuple[End, End]]:
        """The places of a verb that has two; one configuration serves both, or the one that is no local path."""
        async with self._verb(operation, src, dest, deadline=deadline) as (instance, (source, target)):
            if dest_config is None and source.scheme in {target.scheme, "file"}:
                dest_config = config
            async with _opened(instance, source, config) as first, _opened(instance, target, dest_config) as second:
                yield first, second


@asynccontextmanager
async def _opened(instance: Instance, location: Location, config: StorageConfig | None) -> AsyncGenerator[End]:
    backend = await open_backend(location, config, instance)
    if isinstance(backend, LocalBackend) and location.scheme != "file":
        # A volume is a directory of this machine: from here on its files are like all others.
        backend, location = LocalBackend("/", instance.disk), parse(backend.path(location.key))
    try:
        yield End(instance, backend, location)
    finally:
        with anyio.CancelScope(shield=True):
            await backend.aclose()
