"""A connection that lives in a worker process, as the pool of this process sees it."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import ClosedError, InvalidConfig, StorageError, TransportError
from ...lane_contract import FileRange
from ..address import Address
from ..connection_errors import StaleConnectionError
from ..content_range import Expectation
from ..head_codec import closes
from ..message import TLS, Origin, Request, Response
from ..response_reader import MalformedResponseError
from .progress_record import ProgressRecord, ended
from .protocol import (
    FAILED,
    OPENED,
    PROGRESS,
    RESPONSE,
    Failure,
    ProtocolError,
    decode_failure,
    decode_progress,
    decode_response,
    decode_strings,
)

if TYPE_CHECKING:
    from .worker import Worker

__all__ = ["RemoteConnection"]


class RemoteConnection:
    """A connection of a worker, which has a thread of its own there.

    Args:
        worker: The worker.
        number: The number of the connection there.
        origin: The server.
        tls: Connection security.

    Attributes:
        interrupted: Why this process has ended what the worker was doing with it; None: it has not.
        reusable: The last exchange left the connection ready for another one.
        idle_since: Loop time at which the last exchange ended.
    """

    def __init__(self, worker: "Worker", number: int, origin: Origin, tls: TLS) -> None:
        self.worker = worker
        self.number = number
        self.origin = origin
        self.tls = tls
        self.interrupted: BaseException | None = None
        self.reusable = False
        self.idle_since = 0.0
        self._record: ProgressRecord | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._kill: asyncio.TimerHandle | None = None

    # Called by the pool.

    @property
    def round_trip(self) -> float:
        """Unknown: only the worker can ask the kernel."""
        return 0.0

    def interrupt(self, reason: BaseException) -> None:
        """End what the worker does with the connection; the call that waits for it raises `reason`."""
        self.interrupted = self.interrupted or reason
        self.reusable = False
        if self._answer is not None and not self._answer.done() and self._kill is None:
            self.worker.send("interrupt", self.number)
            self._kill = asyncio.get_running_loop().call_later(self.worker.patience, self.worker.kill)

    def close(self) -> None:
        """Close it; no call may be waiting for it."""
        self.worker.forget(self)

    def is_still_idle(self) -> bool:
        """Whether it can be tried: the worker looks at the socket before it sends a request."""
        return self.worker.alive and self.interrupted is None

    # Called by the worker's reader.

    def reported(self, kind: int, payload: bytes) -> None:
        """Process a report about this connection.

        Raises:
            ProtocolError: It makes no sense.
        """
        if self._answer is None or self._answer.done():
            raise ProtocolError
        if kind != PROGRESS:
            self._answer.set_result((kind, payload))
            return
        count, crcs = decode_progress(payload)
        if self._record is None:
            raise ProtocolError
        self._record.add(count, crcs)

    def lost(self) -> None:
        """The worker has ended."""
        if self._answer is not None and not self._answer.done():
            ended = TransportError("a worker process ended unexpectedly", retryable=True)
            self._answer.set_exception(self.interrupted or ended)

    # Called by tasks.

    async def open(self, addresses: Sequence[Address], timeout: float) -> list[str]:
        """Connect; as `Connection.open`."""
        order = ((int(each.family), each.sockaddr) for each in addresses)
        origin = (self.origin.scheme, self.origin.host, self.origin.port)
        # The worker runs in "/".
        files = (self.tls.ca_file, self.tls.certificate, self.tls.key)
        ca_file, certificate, key = (None if each is None else os.path.join(os.getcwd(), each) for each in files)
        tls = (self.tls.verify, ca_file, "any", certificate, key)
        kind, payload = await self._call(None, "open", origin, tls, list(order), timeout)
        if kind != OPENED:
            raise self._failed(kind, payload)
        return [reason.decode("utf-8", "replace") for reason in decode_strings(payload)]

    async def fetch(self, request: Request, head: bytes, sink: FileRange, expectation: Expectation) -> Response:
        """Receive a part of a file; as `Exchange.receive_into`.

        Args:
            request: The request.
            head: Its encoded head.
            sink: The part.
            expectation: What the response must say before its body is written.
        """
        self.reusable = False
        self._record = record = ProgressRecord(sink, self.worker.run_blocking)
        expected = (expectation.start, expectation.size, expectation.pinned)
        part = (sink.position, len(sink), tuple(sink.crcs.items()))
        sent = (head, request.method, closes(request), request.encoded, request.first_byte_timeout)
        order = (*sent, expected, *part)
        try:
            kind, payload = await self._call(sink.descriptor, "fetch", *order)
        finally:
            self._record = None
            await record.finish()
        if kind != RESPONSE:
            failure = self._failed(kind, payload, sink)
            if isinstance(failure, MalformedResponseError):
                await self.worker.run_blocking(sink.rewind)
            raise failure
        status, headers, body, unexpected, reusable = self._decoded(payload)
        if status in {200, 206} and not unexpected and len(sink):
            raise self._nonsense()
        self.reusable = reusable and self.interrupted is None
        return Response(status, headers, body, unexpected=unexpected)

    async def _call(self, descriptor: int | None, name: str, *order: Any) -> tuple[int, bytes]:
        """Send an order and wait for its answer.

        A cancelled call interrupts the order, and returns when it has ended: from then on, no byte is written.
        """
        if self.interrupted is not None:
            raise self.interrupted
        self._answer = answer = asyncio.get_running_loop().create_future()
        with self.worker.busy():
            try:
                self.worker.send(name, self.number, *order, descriptor=descriptor)
                return await asyncio.shield(answer)
            except asyncio.CancelledError:
                self.interrupt(ClosedError("cancelled"))
                await ended(answer)
                raise
            finally:
                if self._kill is not None:
                    self._kill.cancel()
                    self._kill = None

    def _failed(self, kind: int, payload: bytes, sink: FileRange | None = None) -> BaseException:
        """The error for a report that is no success."""
        if self.interrupted is not None:
            return self.interrupted
        if kind != FAILED:
            return self._nonsense()
        try:
            failure = decode_failure(payload)
        except ProtocolError:
            return self._nonsense()
        if failure.kind == Failure.OS_ERROR:
            error = OSError(failure.number, os.strerror(failure.number))
            return error if sink is None else sink.write_error(error)
        if failure.kind == Failure.DEFECT:
            return RuntimeError(failure.cause)
        return _storage_error(failure)

    def _decoded(self, payload: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool, bool]:
        with suppress(ProtocolError):
            return decode_response(payload)
        raise self._nonsense()

    def _nonsense(self) -> TransportError:
        self.worker.kill()
        return TransportError("a worker process sent a malformed report", retryable=True)


def _storage_error(failure: Failure) -> StorageError:
    hint = failure.hint or None
    if failure.kind == Failure.CONFIG:
        return InvalidConfig(failure.cause, hint=hint)
    if failure.kind == Failure.MALFORMED:
        return MalformedResponseError(failure.cause, hint=hint, retryable=failure.retryable)
    if failure.kind == Failure.STALE:
        return StaleConnectionError(failure.cause, hint=hint, retryable=failure.retryable)
    return TransportError(failure.cause, hint=hint, retryable=failure.retryable)
