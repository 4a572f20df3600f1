"""What surrounds one call: an open instance, the record of the call, and the operation and URIs in its errors."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType

from .. import operations
from ..errors import StorageError
from ..instance import Instance
from ..operations.call_options import CallEvents
from ..operations.deadline import Deadline
from ..runtime.module_loading import load_modules
from ..runtime.observers import begin_call
from ..runtime.shielded import shielded
from ..types import OnEvent
from ..uri import Location, parse
from .argument_types import StrPath

__all__ = ["CallContext"]

# The modules of operations that have another name.
_MODULES = {
    "abort uploads": "abort_uploads", "check": "exists", "list": "listing", "open": "object_reader",
    "read ranges": "read_ranges", "read tensors": "read", "sign": "presign",
}  # fmt: skip


class CallContext(AbstractAsyncContextManager[tuple[Instance, list[Location]]]):
    """Keeps the instance open for one call, and adds the operation and URIs to its errors.

    This is no generator: an event loop that ends closes all of them at once, which fails for those within others.

    Args:
        enter: Opens the instance.
        leave: Closes it after its last user.
        operation: The verb.
        uris: URIs and local paths.
        deadline: That of the call.
        on_event: Called when a request has to wait.
    """

    def __init__(
        self,
        enter: Callable[[], Instance],
        leave: Callable[[], Awaitable[None]],
        operation: str,
        uris: Sequence[StrPath],
        deadline: Deadline,
        on_event: OnEvent | None,
    ) -> None:
        self._enter = enter
        self._leave = leave
        self._operation = operation
        self._uris = uris
        self._deadline = deadline
        self._on_event = on_event
        self._locations: list[Location] = []
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> tuple[Instance, list[Location]]:
        try:
            async with AsyncExitStack() as resources:
                self._locations += map(parse, self._uris)
                instance = self._enter()
                resources.push_async_callback(lambda: shielded(self._leave()))
                module = _MODULES.get(self._operation, self._operation)
                await load_modules(instance.disk, f"{operations.__name__}.{module}")
                await self._deadline.prepare(instance.disk)
                about = None if self._on_event is None else CallEvents(self._on_event, str(self._locations[0]))
                resources.enter_context(begin_call(self._operation, self._locations, about))
                self._resources = resources.pop_all()
                return instance.for_call(self._deadline.end, about), self._locations
        except StorageError as error:
            raise self._named(error) from error.__cause__

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._resources.__aexit__(kind, error, traceback)
        if isinstance(error, StorageError):
            raise self._named(error) from error.__cause__

    def _named(self, error: StorageError) -> StorageError:
        error.__context__ = None  # may quote a secret, as a parser's error does; `from None` would only hide it
        return error.about(self._operation, " to ".join(map(str, self._locations)))
