"""What an `AsyncStorage` owns in its event loop, and for how long: connections, threads, buffers, open backends."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import NamedTuple, TypeVar

from ..config import ConfigMap, StorageConfig, StorageConfigs, check_config
from ..errors import ClosedError
from ..instance import Instance
from ..operations.call_options import CallOptions
from ..operations.deadline import NO_DEADLINE, Deadline
from ..operations.open_location import OpenLocation, open_location
from ..types import Limits, OnEvent
from ..types.argument_checks import check_callback, wrong_type
from ..uri import Location
from .argument_types import StrPath, checked_limits
from .call_context import CallContext
from .results import Results

__all__ = ["Lifetime", "Located"]

T = TypeVar("T")


class Located(NamedTuple):
    """The location of a call that is not open yet.

    Attributes:
        operation: The verb.
        instance: The instance, with the environment of the call.
        location: The location.
        config: Its configuration. None: from the environment.
    """

    operation: str
    instance: Instance
    location: Location
    config: StorageConfig | None

    def open(self, version_id: str | None = None) -> AbstractAsyncContextManager[OpenLocation]:
        """Open the location; see `Lifetime.open`."""
        return open_location(self.instance, self.location, self.config, version_id)


class Lifetime:
    """Opens the instance for the first call or `async with` block, and closes it after the last.

    Args:
        limits: Limits on memory and connections, over all calls. None: from `environ`.
        environ: Environment variables for limits, credentials, endpoints and proxies. None: this process's.
        on_event: Called when a request of a call without an `on_event` has to wait.
        config: Configurations of calls that have none of their own; see `ConfigMap`.

    Attributes:
        limits: The limits.
        instance: The instance while a call or block is open, else None.

    Raises:
        InvalidConfig: An argument, or an environment variable of a limit, cannot be used.
    """

    def __init__(
        self,
        limits: Limits | None,
        environ: Mapping[str, str] | None,
        on_event: OnEvent | None = None,
        config: StorageConfigs | None = None,
    ) -> None:
        self._configs = ConfigMap(config)
        if environ is not None and not isinstance(environ, Mapping):
            raise wrong_type("environ", environ, "a mapping of variables, such as a dict")
        check_callback(on_event)
        self._environ = os.environ if environ is None else environ
        self.limits = checked_limits(limits, self._environ)
        self.instance: Instance | None = None
        self._on_event = on_event
        self._loop: asyncio.AbstractEventLoop | None = None
        self._users = 0
        self._closed = False
        self._lock = threading.Lock()  # of event loops in several threads, each for a moment

    @property
    def arguments(self) -> str:
        """The arguments that differ from the defaults, for the `repr` of the `AsyncStorage`."""
        config, limits = self._configs.given, self.limits
        shown = [] if limits == Limits() else [f"limits={limits!r}"]
        shown += [] if config is None else [f"config={config!r}"]
        return ", ".join([*shown, "closed"] if self._closed else shown)

    def enter(self) -> Instance:
        """Open the instance if it is not open; each `enter` needs a `leave` in the same event loop.

        It belongs to this event loop until the last user leaves, or until the loop is closed: a program may use one
        `AsyncStorage` in one `asyncio.run` after the other.

        Raises:
            ClosedError: It was closed, or is used in another event loop.
        """
        if self._closed:
            raise ClosedError("this AsyncStorage is closed", hint="make a new one")
        return self._enter()

    def _enter(self) -> Instance:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._loop is not loop:
                if self._loop is not None and not self._loop.is_closed():
                    raise ClosedError("this AsyncStorage is used in another event loop", hint="make one for each loop")
                self._users, self.instance = 0, None  # those of a loop that is closed have ended with it
            instance = self.instance or Instance(self.limits, self._environ)
            self._loop, self.instance = loop, instance
            self._users += 1
        return instance

    async def leave(self, *, linger: bool = True) -> None:
        """Close the instance after its last user; `linger` as for `Instance.aclose`."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the block is collected after its loop has ended
            return
        with self._lock:
            if self._loop is not loop:
                return  # the block began in a loop that is closed, and with it everything that it used
            self._users -= 1
            if self._users:
                return
            instance, self.instance, self._loop = self.instance, None, None
        if instance is not None:
            await instance.aclose(linger=linger and not self._closed)

    async def aclose(self) -> None:
        """Close the instance for good: at once, or after the calls that are running."""
        self._closed = True
        if not self._users:
            self._enter()
            await self.leave()  # closes what the last call has left open for the next one

    @asynccontextmanager
    async def kept_open(self) -> AsyncGenerator[Instance]:
        """Keep the instance open, so that the calls in the block share connections."""
        instance = self._enter()
        try:
            yield instance
        finally:
            await self.leave()

    @asynccontextmanager
    async def open(
        self,
        operation: str,
        uri: StrPath,
        config: StorageConfig | None,
        deadline: Deadline = NO_DEADLINE,
        on_event: OnEvent | None = None,
        version_id: str | None = None,
    ) -> AsyncGenerator[OpenLocation]:
        """Open the location of a call.

        Args:
            operation: The verb, for errors.
            uri: URI or local path.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            deadline: Cancels the block.
            on_event: Called when a request has to wait.
            version_id: The version of an object to read. None: the current one.
        """
        async with self._call(operation, uri, deadline=deadline, on_event=on_event) as (instance, (location,)):
            config = self.config_for(location, config)
            with deadline.enforced():
                async with open_location(instance, location, config, version_id) as place:
                    yield place

    async def open_in(
        self,
        resources: AsyncExitStack,
        operation: str,
        uri: StrPath,
        config: StorageConfig | None,
        version_id: str | None = None,
        deadline: Deadline = NO_DEADLINE,
        on_event: OnEvent | None = None,
    ) -> OpenLocation:
        """Open a location that other resources close: for an object or results that stay open between calls.

        Args:
            resources: Closes the location.
            operation: As in `open`.
            uri: URI or local path.
            config: As in `open`.
            version_id: As in `open`.
            deadline: Cancels the opening.
            on_event: As in `open`.
        """
        calling = self._call(operation, uri, deadline=deadline, on_event=on_event)
        instance, (location,) = await resources.enter_async_context(calling)
        config = self.config_for(location, config)
        with deadline.enforced():
            return await resources.enter_async_context(open_location(instance, location, config, version_id))

    async def share(
        self,
        operation: str,
        uri: StrPath,
        config: StorageConfig | None,
        options: CallOptions,
        function: Callable[[OpenLocation, CallOptions], Awaitable[T]],
        *arguments: Hashable,
    ) -> T:
        """Run a call, or wait for an equal one that runs already in this event loop; see `SharedCalls.run`.

        Calls are equal if their location, configuration, environment, options and arguments are.

        Args:
            operation: The verb, for errors.
            uri: URI or local path.
            config: As in `open`.
            options: Options of the call.
            function: Does the work at the open location, with these options.
            arguments: What the function does depends on.
        """
        async with self.located(operation, uri, config) as place:
            await options.deadline.prepare(place.instance.disk)
            with options.deadline.enforced():
                return await self.share_at(place, options, function, *arguments)

    async def share_at(
        self,
        place: "Located",
        options: CallOptions,
        function: Callable[[OpenLocation, CallOptions], Awaitable[T]],
        *arguments: Hashable,
    ) -> T:
        """As `share`, for a location that was parsed; without the deadline."""
        instance, location, config = place.instance, place.location, place.config

        async def work(on_event: OnEvent | None) -> T:
            observed = instance if on_event is None else instance.observed(on_event)
            # The call that has started it may end before it does.
            async with self.kept_open(), open_location(observed, location, config, options.version_id) as opened:
                return await function(opened, replace(options, on_event=on_event, deadline=NO_DEADLINE))

        environ = frozenset(instance.environ.items())
        key = (place.operation, location, config, environ, options.request, *arguments)
        return await instance.calls.run(key, work, options.about(location).on_event)

    @asynccontextmanager
    async def located(self, operation: str, uri: StrPath, config: StorageConfig | None) -> AsyncGenerator["Located"]:
        """Parse the location of a call, and choose its configuration; arguments as in `open`. Nothing is opened."""
        async with self._call(operation, uri, deadline=NO_DEADLINE) as (instance, (location,)):
            yield Located(operation, instance, location, self.config_for(location, config))

    @asynccontextmanager
    async def open_pair(
        self,
        operation: str,
        src: StrPath,
        dest: StrPath,
        configs: tuple[StorageConfig | None, StorageConfig | None],
        deadline: Deadline,
        check_source: Callable[[Location], None] | None = None,
        on_event: OnEvent | None = None,
        version_id: str | None = None,
    ) -> AsyncGenerator[tuple[OpenLocation, OpenLocation]]:
        """Open the source and the destination of a call.

        Args:
            operation: The verb, for errors.
            src: URI or local path.
            dest: URI or local path.
            configs: Credentials and endpoints of source and destination. Without one for the destination, it uses the
                source's if both have the same scheme or the source is a local path. If that is None, too: as in `open`.
            deadline: Cancels the block.
            check_source: Called with the source's location before anything is opened; raises if it is not allowed.
            on_event: As in `open`.
            version_id: As in `open`, for the source.
        """
        config, dest_config = configs
        calling = self._call(operation, src, dest, deadline=deadline, on_event=on_event)
        async with calling as (instance, (source, target)):
            if check_source is not None:
                check_source(source)
            if dest_config is None and source.scheme in {target.scheme, "file"}:
                dest_config = config
            config, dest_config = self.config_for(source, config), self.config_for(target, dest_config)
            with deadline.enforced():
                async with (
                    open_location(instance, source, config, version_id) as first,
                    open_location(instance, target, dest_config) as second,
                ):
                    yield first, second

    def iterate(
        self,
        operation: str,
        uri: StrPath,
        config: StorageConfig | None,
        function: Callable[[OpenLocation], AsyncGenerator[T]],
        deadline: Deadline = NO_DEADLINE,
        on_event: OnEvent | None = None,
        version_id: str | None = None,
    ) -> Results[T]:
        """The results of a generator that needs an open location.

        Args:
            operation: The verb, for errors.
            uri: URI or local path.
            config: As in `open`.
            function: Returns the generator.
            deadline: Cancels the generator, but never the code of the caller between two results.
            on_event: As in `open`.
            version_id: As in `open`.
        """

        async def open_location(resources: AsyncExitStack) -> OpenLocation:
            return await self.open_in(resources, operation, uri, config, version_id, deadline, on_event)

        return Results(open_location, function, deadline)

    def config_for(self, location: Location, config: StorageConfig | None) -> StorageConfig | None:
        """The configuration of a call for a location: its own, or else that of the instance."""
        if config is None:
            return self._configs.find(location)
        check_config(config, location.scheme)
        return config

    def _call(
        self, operation: str, *uris: StrPath, deadline: Deadline, on_event: OnEvent | None = None
    ) -> AbstractAsyncContextManager[tuple[Instance, list[Location]]]:
        """Keep the instance open for one call, and add the operation and URIs to its errors."""
        return CallContext(self.enter, self.leave, operation, uris, deadline, on_event or self._on_event)
