"""The record of one HTTP request, for those who observe it; see `observers.py`."""

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol, Self, TypeVar

from ..errors import StorageError
from .observers import CallRecord, Observer, current_call, watching

__all__ = ["RequestRecord", "begin_request", "request_records", "resending"]

# The identifiers that services give to requests, for their support.
_REQUEST_IDS = ("x-amz-request-id", "x-ms-request-id", "x-guploader-uploadid", "x-request-id", "x-amz-cf-id", "cf-ray")

_requests = logging.getLogger("sealift.requests")
_resends: ContextVar[int] = ContextVar("sealift_resends", default=0)


class ResponseHead(Protocol):
    """What is recorded of a response."""

    status: int

    def header(self, name: str, /) -> str | None: ...


R = TypeVar("R", bound=ResponseHead)


class RequestRecord:
    """One request; a context manager around it.

    Args:
        method: HTTP method.
        scheme: "http" or "https".
        host: Host name or address.
        port: Port.
        target: Path and query, of which only the path is kept: a query may contain a signature.
        sent: Bytes of its body.
        call: The call that it belongs to.
        observers: Whom to tell.

    Attributes:
        path: The path.
        resends: How often it was sent before.
        began: When it began, in nanoseconds since the epoch.
        seconds: How long it took, until the end of the body; until its beginning if the body is streamed.
        status: Status of the response; None: there was none.
        received: Bytes of the response's body, as its head says.
        request_id: The service's identifier for it.
        error: Why it has failed.
    """

    __slots__ = (
        "_start", "began", "call", "error", "host", "method", "observers", "path", "port", "received", "request_id",
        "resends", "scheme", "seconds", "sent", "status",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        scheme: str,
        host: str,
        port: int,
        target: str,
        sent: int,
        call: CallRecord | None,
        observers: tuple[Observer, ...],
    ) -> None:
        self.method = method
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = target.partition("?")[0]
        self.sent = sent
        self.call = call
        self.observers = observers
        self.resends = _resends.get()
        self.status: int | None = None
        self.received = 0
        self.request_id: str | None = None
        self.error: BaseException | None = None
        self.seconds = 0.0
        self.began, self._start = time.time_ns(), time.perf_counter()
        for observer in observers:
            observer.request_began(self)

    def answered(self, response: R) -> R:
        """Record a response."""
        self.status = response.status
        length = response.header("content-length") or ""
        self.received = int(length) if length.isascii() and length.isdigit() and self.method != "HEAD" else 0
        self.request_id = next(filter(None, map(response.header, _REQUEST_IDS)), None)
        return response

    def end(self, error: BaseException | None = None) -> None:
        """Record the end of the request."""
        self.seconds = time.perf_counter() - self._start
        self.error = error
        if self.status is None and isinstance(error, StorageError):
            self.status = error.status
        for observer in self.observers:
            observer.request_ended(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error)


class ServerAddress(Protocol):
    """Scheme, host and port of a server."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


def begin_request(method: str, origin: ServerAddress, target: str, sent: int = 0) -> RequestRecord | None:
    """Begin a request of the current call; None: nobody observes it.

    Args:
        method: HTTP method.
        origin: The server.
        target: Path and query.
        sent: Bytes of its body.
    """
    records = request_records(origin)
    return None if records is None else records(method, target, sent)


def request_records(origin: ServerAddress) -> Callable[[str, str, int], RequestRecord] | None:
    """What begins requests of the current call to a server, in any thread; None: nobody observes them.

    Args:
        origin: The server.

    Returns:
        Takes the method, the target, and the size of the body.
    """
    if not (observers := watching(_requests, logging.DEBUG)):
        return None
    call = current_call()
    scheme, host, port = origin.scheme, origin.host, origin.port
    return lambda method, target, sent: RequestRecord(method, scheme, host, port, target, sent, call, observers)


class resending:  # noqa: N801 - a context manager
    """Mark the requests of a block as sent again.

    Args:
        times: How often they were sent before.
    """

    __slots__ = ("_times", "_token")

    def __init__(self, times: int) -> None:
        self._times = times

    def __enter__(self) -> None:
        self._token = _resends.set(self._times)

    def __exit__(self, *exc_info: object) -> None:
        _resends.reset(self._token)
