"""The one place that learns of calls, requests, and retries, and tells those who observe them: the log and telemetry.

Without an observer, and with the loggers at their default level, no record is made: a call, a request and a lane of
small objects each find that out once. A record is filled in by one thread at a time: that of the event loop, or a lane.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from ..errors import StorageError
from ..types import Event, OnEvent

if TYPE_CHECKING:
    from .request_record import RequestRecord

__all__ = [
    "CallRecord", "Observer", "add_observer", "begin_call", "count_bytes", "count_read", "current_call",
    "observed_events", "remove_observer", "retrying", "watching",
]  # fmt: skip

logging.getLogger("sealift").addHandler(logging.NullHandler())  # silent unless the program configures it
_calls = logging.getLogger("sealift.calls")
_retries = logging.getLogger("sealift.retries")


class Observer(Protocol):
    """Learns of calls and requests. Its methods must not block; those about requests are called in any thread."""

    def call_began(self, call: "CallRecord") -> None: ...
    def call_reported(self, call: "CallRecord", event: Event) -> None: ...
    def call_ended(self, call: "CallRecord") -> None: ...
    def request_began(self, request: "RequestRecord") -> None: ...
    def request_ended(self, request: "RequestRecord") -> None: ...
    def retrying(self, call: "CallRecord | None", error: StorageError, delay: float, *, paused: bool) -> None: ...


_UNOBSERVED = nullcontext()
_observers: tuple[Observer, ...] = ()
_current: ContextVar["CallRecord | None"] = ContextVar("sealift_call", default=None)


def add_observer(observer: Observer) -> None:
    """Tell an observer of all calls and requests that begin from now on, in all threads."""
    global _observers  # noqa: PLW0603
    _observers = (*_observers, observer)


def remove_observer(observer: Observer) -> None:
    """Stop telling an observer of new calls and requests."""
    global _observers  # noqa: PLW0603
    _observers = tuple(each for each in _observers if each is not observer)


def watching(logger: logging.Logger, level: int) -> tuple[Observer, ...]:
    """The observers, with the log if it is enabled."""
    if not logger.isEnabledFor(level):
        return _observers
    from .call_log import LOG  # noqa: PLC0415 - only if somebody reads it

    return (*_observers, LOG)


class CallRecord:
    """One call of a verb; a context manager around its work.

    Args:
        operation: The verb, such as "download".
        uris: What it is about: URIs or paths, without secrets.
        observers: Whom to tell.
        on_wait: Called with the "retry" and "paused" events of a call without a callback of its own.

    Attributes:
        began: When it began, in nanoseconds since the epoch.
        seconds: How long it took.
        objects: Objects that were transferred, deleted or read.
        deleted: Objects of these that were deleted.
        size: Bytes that were transferred, including those of earlier runs.
        resumed: Bytes of these that an earlier run had transferred.
        retries: Requests that were sent again.
        verified: Number of objects for each checksum that was compared.
        cache: What the cache has answered; "" for a call that does not use it.
        error: Why it has failed; for `call_ended`.
        data: What observers remember about it.
    """

    def __init__(
        self, operation: str, uris: Sequence[str], observers: tuple[Observer, ...], on_wait: OnEvent | None
    ) -> None:
        self.operation = operation
        self.uris = uris
        self.observers = observers
        self.on_wait = on_wait
        self.began = 0
        self.seconds = 0.0
        self.objects = self.deleted = self.size = self.resumed = self.retries = 0
        self.verified: Counter[str] = Counter()
        self.cache = ""
        self.error: BaseException | None = None
        self.data: dict[object, object] = {}

    def __enter__(self) -> Self:
        self.began, self._start = time.time_ns(), time.perf_counter()
        self._before = _current.get()
        for observer in self.observers:
            observer.call_began(self)
        _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _current.set(self._before)  # no token: a generator may be closed in another context
        self.seconds = time.perf_counter() - self._start
        self.error = None if isinstance(error, GeneratorExit) else error  # the caller needs no more of it
        for observer in self.observers:
            observer.call_ended(self)
        self.error = None  # its traceback refers to this frame

    def report(self, event: Event) -> None:
        """Count an event."""
        match event.kind:
            case "progress":
                self.size += event.size
            case "resumed":
                self.resumed += event.size
            case "object":
                self.objects += 1
                if event.verified is not None:
                    self.verified[event.verified] += 1
            case "deleted":
                self.objects += 1
                self.deleted += 1
            case "cache" if event.reason != "evicted":
                self.cache = event.reason
        for observer in self.observers:
            observer.call_reported(self, event)


def begin_call(
    operation: str, uris: Iterable[object], on_wait: OnEvent | None = None
) -> AbstractContextManager[object]:
    """The record of a call of a verb, to be entered around its work; nothing is recorded if nobody observes it.

    Args:
        operation: The verb, such as "download".
        uris: What it is about; their texts contain no secrets.
        on_wait: As for `CallRecord`.
    """
    if not (observers := watching(_calls, logging.INFO)):
        return _UNOBSERVED
    return CallRecord(operation, [str(uri) for uri in uris], observers, on_wait)


def current_call() -> CallRecord | None:
    """The record of the call that this task works for; None: nobody observes it."""
    return _current.get()


def observed_events(on_event: OnEvent | None) -> OnEvent | None:
    """The callback for the events of the current call, which are counted in its record.

    Args:
        on_event: The caller's own.
    """
    if (call := _current.get()) is None:
        return on_event

    def report(event: Event) -> None:
        call.report(event)
        if on_event is not None:
            on_event(event)
        elif call.on_wait is not None and event.kind in {"retry", "paused"}:
            call.on_wait(event)

    return report


def count_read(size: int) -> None:
    """Count bytes that the current call has read into memory."""
    count_bytes(_current.get(), size)


def count_bytes(call: CallRecord | None, size: int) -> None:
    """Count bytes that a call has moved, from any task: those of a file object belong to the call that opened it."""
    if call is not None:
        call.report(Event("progress", "", size))


def retrying(error: StorageError, delay: float, *, paused: bool = False) -> None:
    """Report that a request of the current call will be sent again, or that a host has been paused.

    Args:
        error: Why.
        delay: Seconds until then.
        paused: Whether no request is sent to the host meanwhile.
    """
    call = _current.get()
    if call is not None and not paused:
        call.retries += 1
    for observer in watching(_retries, logging.WARNING):
        observer.retrying(call, error, delay, paused=paused)
