"""One request and its response on one connection. Blocking; runs on a lane."""

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import TransportError
from ..types import KiB, MiB
from .connection import Connection
from .connection_errors import ConnectionLostError, StaleConnectionError
from .content_range import Expectation
from .head_codec import closes, response_framing
from .message import Request, Response
from .response_reader import MAX_BUFFERED_BODY, MAX_ERROR_BODY, MalformedResponseError, ResponseReader, body_length
from .sinks import fill, is_file_range

if TYPE_CHECKING:
    import h11

    from ..lane_contract import ByteCount, FileRange, Sink

__all__ = ["Exchange", "check_body"]

# Bodies up to this size are sent together with the head.
_SMALL_BODY = 64 * KiB
# Bodies from this size on are worth a pipe.
_LARGE_BODY = MiB
_SCRATCH = 64 * KiB


class _Lane(threading.local):
    """What each lane has of its own."""

    def __init__(self) -> None:
        self.scratch = memoryview(bytearray(_SCRATCH))


_lane = _Lane()


class Exchange:
    """A request to send on a connection; each method is called once, on a lane.

    Args:
        connection: The connection.
        request: The request.
        head: Its encoded head.
        body: Its body.
        sent_bytes: Counts the bytes of the body while they are sent.

    Attributes:
        sent: The whole request was sent; otherwise the connection cannot be reused.
    """

    __slots__ = ("body", "connection", "head", "request", "sent", "sent_bytes")

    def __init__(
        self,
        connection: Connection,
        request: Request,
        head: bytes,
        body: memoryview | None = None,
        sent_bytes: "ByteCount | None" = None,
    ) -> None:
        self.connection = connection
        self.request = request
        self.head = head
        self.body = body
        self.sent_bytes = sent_bytes
        self.sent = False

    def receive_small(self) -> Response:
        """Send the request; return the response with its whole body."""
        reader = self.begin(_lane.scratch)
        response = self.read_head(reader)
        body = bytearray()
        for piece in reader.pieces():
            body += piece
            if len(body) > MAX_BUFFERED_BODY:
                raise TransportError(f"{self.connection.name} sent a response of more than {MAX_BUFFERED_BODY} bytes")
        response.body = bytes(body)
        self.finish(reader)
        if self.body and not self.sent and response.status < 300:
            cause = f"{self.connection.name} answered {response.status} before it had received the whole body"
            raise TransportError(cause, retryable=True)
        return response

    def receive_into(self, sink: "Sink", expectation: Expectation | None = None) -> Response:
        """Send the request; write the body of a 200 or 206 to a sink.

        Args:
            sink: Where the body goes; it has the length of the sink.
            expectation: What the response must say before its body is written.

        Returns:
            The response. `Response.body` holds the beginning of its body if nothing was written to the sink.
        """
        reader = self.begin(_lane.scratch)
        response = self.read_head(reader)
        self.connection.transferring = True
        wanted = response.status in {200, 206} and (expectation is None or expectation.matches(response, len(sink)))
        if not wanted:
            response.unexpected = response.status in {200, 206}
            self._keep_beginning(reader, response)
        else:
            counted = not check_body(response, len(sink), self.request)
            try:
                self._fill_counted(reader, sink) if counted else self._fill(reader, sink)
            except MalformedResponseError:
                sink.rewind()
                raise
            finally:
                sink.flush()
        self.finish(reader)
        return response

    def begin(self, scratch: memoryview) -> ResponseReader:
        """Send the request; return the reader of its response."""
        connection, request, body = self.connection, self.request, self.body
        connection.reusable = False
        connection.idle_timeout = request.first_byte_timeout

        def framing() -> "h11.Connection":
            return response_framing(request, body, sent=self.sent)

        reader = ResponseReader(connection, request.origin, framing, scratch, head_only=request.method == "HEAD")
        with suppress(ConnectionLostError):  # the response may have arrived before
            if not body or len(body) <= _SMALL_BODY:
                connection.send(self.head if not body else self.head + body)
                self.sent = True
            else:
                connection.send(self.head)
                self.sent = self._send_body(reader, body, scratch)
        return reader

    def _send_body(self, reader: ResponseReader, body: memoryview, scratch: memoryview) -> bool:
        done = 0
        if self.sent_bytes is not None:
            self.sent_bytes.count = 0  # of this attempt
        early: memoryview | None = scratch
        while True:
            count, received = self.connection.send_body(body[done:], early, self.sent_bytes)
            done += count
            if received is None:
                return True
            if not received:
                return False
            reader.feed(received)
            if reader.response is not None:
                if reader.finished or reader.response.status >= 300:
                    return False  # the rest of the body is pointless
                early = None  # the rest of the response is received afterwards

    def finish(self, reader: ResponseReader) -> None:
        """Record whether the connection can be used again."""
        reusable = self.sent and reader.finished and not reader.must_close and not closes(self.request)
        self.connection.finish(reusable=reusable)

    def read_head(self, reader: ResponseReader) -> Response:
        """Read the head of the response.

        Raises:
            StaleConnectionError: The server had closed the idle connection.
        """
        try:
            response = reader.read_head()
            self.connection.idle_timeout = 0.0
            return response
        except TransportError as error:
            # An interrupted exchange was not refused by the server.
            if self.connection.reused and reader.no_bytes_received and self.connection.interrupted is None:
                raise StaleConnectionError(error.cause, retryable=True) from None
            raise

    def _fill(self, reader: ResponseReader, sink: "Sink") -> None:
        reader.in_place(len(sink))
        if len(sink) >= _LARGE_BODY and is_file_range(sink) and self.connection.is_plain:
            if reader.arrived:
                self._filled(sink, reader.read_into(sink.space()))
            with sink.pipe() as pipe:
                self._splice(reader, sink, pipe)
        while len(sink):
            self._filled(sink, reader.read_into(sink.space()))

    def _splice(self, reader: ResponseReader, sink: "FileRange", pipe: int | None) -> None:
        """Fill a sink through its pipe; returns earlier if that does not work here."""
        moved = True
        while pipe is not None and len(sink):
            count = reader.splice_into(pipe, len(sink))
            if count is not None:
                self._filled(sink, count)
            elif not moved:
                break
            else:  # the pipe is full
                self.connection.storing = True
                sink.flush()
                self.connection.storing = False
            moved = count is not None

    def _filled(self, sink: "Sink", count: int) -> None:
        self.connection.storing = True
        sink.filled(count)
        self.connection.storing = False

    def _fill_counted(self, reader: ResponseReader, sink: "Sink") -> None:
        """Fill a sink from a body whose length is not known before its end."""
        expected, received = len(sink), 0
        for piece in reader.pieces():
            received += len(piece)
            if received > expected:
                raise MalformedResponseError(
                    f"{self.connection.name} sent more than the expected {expected} bytes", retryable=True
                )
            self.connection.storing = True
            fill(sink, piece)
            self.connection.storing = False
        if received < expected:
            raise MalformedResponseError(
                f"{self.connection.name} sent {received} bytes, expected {expected}", retryable=True
            )

    def _keep_beginning(self, reader: ResponseReader, response: Response) -> None:
        body = bytearray()
        for piece in reader.pieces():
            if len(body) == MAX_ERROR_BODY:
                break
            body += piece[: MAX_ERROR_BODY - len(body)]
        response.body = bytes(body)


def check_body(response: Response, length: int, request: Request) -> bool:
    """Check the length and encoding of the body of a 200 or 206 from its headers.

    Returns:
        True: the body has the expected Content-Length. False: its length is unknown (chunked, or delimited by the end
        of the connection), so its bytes must be counted.

    Raises:
        TransportError: The length is wrong (retryable), or the body is encoded despite `Accept-Encoding: identity` (not
            retryable: the server would ignore it again).
    """
    where = request.origin.address
    for name, value in response.headers:
        if name == b"content-encoding" and value.lower() != b"identity" and not request.encoded:
            raise TransportError(
                f"{where} sent an encoded body instead of the stored bytes",
                hint="configure the server, or the proxy in front of it, to respond without Content-Encoding",
            )
    announced = body_length(response.headers)
    if announced is not None and announced != length:
        raise TransportError(f"{where} sent {announced} bytes, expected {length}", retryable=True)
    return announced is not None
