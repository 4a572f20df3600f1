"""A lane of a worker process: a thread with one connection, which carries out one order at a time."""

import os
import signal
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ...errors import InvalidConfig, TransportError
from ...runtime.start_thread import start_thread
from ..address import Address
from ..connection import Connection
from ..connection_errors import StaleConnectionError
from ..content_range import Expectation
from ..exchange import Exchange
from ..message import TLS, Origin, Request
from ..range_writer import PIECE
from ..response_reader import MalformedResponseError
from .file_range import ReceivedRange
from .protocol import (
    FAILED,
    OPENED,
    PROGRESS,
    RESPONSE,
    Failure,
    encode_failure,
    encode_progress,
    encode_response,
    encode_strings,
)

if TYPE_CHECKING:
    import ssl

    from ...runtime.bandwidth import Bandwidths

__all__ = ["Lane", "TLSFields", "connection_for"]

# The fields of a `TLS`, in order; addresses are checked by the parent.
TLSFields = tuple[bool, str | None, Literal["any"], str | None, str | None]


class Report(Protocol):
    """Sends a report to the parent; may wait until the parent reads."""

    def __call__(self, kind: int, payload: bytes = b"") -> None: ...


class Lane:
    """A thread and its connection.

    Each order is answered by one report other than `PROGRESS`. After it, no byte is written to the order's file.

    Args:
        connection: The connection, not open yet.
        context: Returns the TLS settings for it.
        report: Sends a report about this connection.

    Raises:
        NoThreadError: The thread cannot be started.
    """

    def __init__(self, connection: Connection, context: Callable[[], "ssl.SSLContext | None"], report: Report) -> None:
        self.connection = connection
        self._context = context
        self._report = report
        self._orders: SimpleQueue[Callable[[], bytes] | None] = SimpleQueue()
        self._answer = OPENED
        start_thread(self._run, name="sealift-lane")

    def open(self, addresses: list[tuple[int, Any]], timeout: float) -> None:
        """Order to connect."""
        found = [Address(family, sockaddr) for family, sockaddr in addresses]  # type: ignore[arg-type]  # a plain int

        def run() -> bytes:
            reasons = self.connection.open(found, timeout, self._context())
            return encode_strings([reason.encode() for reason in reasons])

        self._orders.put(run)

    def fetch(self, order: tuple[Any, ...], descriptor: int) -> None:
        """Order to receive a part of a file; closes the descriptor."""
        self._orders.put(lambda: self._fetch(order, descriptor))

    def close(self) -> None:
        """End the thread; it carries out no order now."""
        self._orders.put(None)
        self.connection.close()

    def _fetch(self, order: tuple[Any, ...], descriptor: int) -> bytes:
        head, method, closing, encoded, first_byte_timeout, expected, position, length, crcs = order
        connection = self.connection
        try:
            if connection.reused and not connection.is_still_idle():
                raise StaleConnectionError(f"{connection.name} closed the idle connection", retryable=True)
            headers = [("Connection", "close")] if closing else []
            request = Request(method, connection.origin, "/", headers, connection.tls, encoded, first_byte_timeout)
            sink = ReceivedRange(descriptor, position, length, dict(crcs), self._piece, self._progress)
            connection.waiting = True
            try:
                response = Exchange(connection, request, head).receive_into(sink, Expectation(*expected))
            finally:
                connection.waiting = connection.transferring = False
        finally:
            os.close(descriptor)
        return encode_response(
            response.status,
            response.headers,
            response.body,
            unexpected=response.unexpected,
            reusable=connection.reusable,
        )

    def _progress(self, count: int, crcs: Any) -> None:
        self._report(PROGRESS, encode_progress(count, crcs))

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        self._piece = memoryview(bytearray(PIECE))
        while (run := self._orders.get()) is not None:
            try:
                payload = run()
            except Exception as error:  # noqa: BLE001 - raised again in the parent
                self._report(FAILED, encode_failure(_failure(error)))
            else:
                self._report(self._answer, payload)
            self._answer = RESPONSE  # after the first order


def _failure(error: Exception) -> Failure:
    if isinstance(error, (TransportError, InvalidConfig)):
        kind = Failure.CONFIG if isinstance(error, InvalidConfig) else Failure.TRANSPORT
        kind = Failure.STALE if isinstance(error, StaleConnectionError) else kind
        kind = Failure.MALFORMED if isinstance(error, MalformedResponseError) else kind
        return Failure(kind, error.cause, error.hint or "", retryable=error.retryable)
    if isinstance(error, OSError) and error.errno is not None:
        return Failure(Failure.OS_ERROR, number=error.errno)
    # Neither the message nor the traceback: they could quote the request.
    return Failure(Failure.DEFECT, f"a worker process failed with {type(error).__name__}")


def connection_for(origin: tuple[str, str, int], tls: TLSFields, bandwidths: "Bandwidths | None" = None) -> Connection:
    """A connection that is not open yet. The parent has checked which addresses may be reached."""
    return Connection(Origin(*origin), TLS(*tls), bandwidths)
