"""Parse responses: common heads at once, bodies in place where possible, and everything else with h11."""

import asyncio

import h11

from ..errors import TransportError
from ..types import KiB, MiB
from .head_codec import MAX_HEAD_BYTES, parse_simple_head
from .message import Headers, Origin, Response

__all__ = ["BufferedReceiver", "InPlaceReceiver", "ResponseReceiver", "check_body"]

MAX_ERROR_BODY = 64 * KiB
MAX_BUFFERED_BODY = 8 * MiB  # a listing of 1,000 keys of 1,024 encoded bytes takes 3 to 4 MiB


class ResponseReceiver:
    """Parses one response from the data that its connection receives; subclasses decide where the body goes.

    All methods run synchronously in the event loop's callbacks, so the data is in place before any task wakes up.

    Attributes:
        future: Resolves to the response: once it is complete or, if the body is streamed, once its head has arrived.
        framing: h11 connection; parses responses whose head is not simple, and tracks whether the connection is
            reusable.
        no_bytes_received: Whether the response has not started.
        waiting: Whether a task waits for the next byte, so that a pause counts as a stall.
        transferring: Whether a head or a body is being received, so that the minimum throughput applies.
        rejected: The server has responded with an error status; sending the rest of the request body is pointless.
        must_close: The connection must not be reused, even if `framing` allows it.
    """

    waiting = True
    no_bytes_received = True
    transferring = False
    rejected = False
    must_close = False
    response: Response | None = None

    def __init__(
        self, framing: h11.Connection, scratch: memoryview, origin: Origin, future: asyncio.Future[Response]
    ) -> None:
        self.framing = framing
        self.future = future
        self._scratch = scratch
        self._origin = origin
        self._head_size = 0

    def receive(self, count: int) -> memoryview | None:
        """Process `count` bytes written to the buffer returned last, initially the scratch buffer.

        Returns:
            Buffer for the next bytes, never empty; None: the response is complete.

        Raises:
            TransportError: The response is not valid.
        """
        self.no_bytes_received = False
        try:
            self.framing.receive_data(self._scratch[:count])  # type: ignore[arg-type]  # takes any bytes-like
            if self.response is None and not self._read_head(count):
                return self._scratch
            return self._scratch if self._read_body() else None
        except h11.RemoteProtocolError:
            raise self._protocol_error("sent something that is not HTTP/1.1") from None

    def receive_eof(self) -> None:
        """Process the end of the connection.

        Raises:
            TransportError: The response is incomplete.
        """
        try:
            self.framing.receive_data(b"")
            if self.response is not None and not self._read_body():
                return
        except h11.RemoteProtocolError:
            pass
        raise self._protocol_error(
            f"closed the connection {'before' if self.no_bytes_received else 'in the middle of'} the response"
        )

    def complete(self) -> None:
        """Finish: the whole response has arrived, and the buffer is no longer written to."""
        if not self.future.done():
            assert self.response is not None  # noqa: S101  # for mypy: a complete response has a head
            self.future.set_result(self.response)

    def fail(self, error: Exception) -> None:
        """Finish with an error."""
        if not self.future.done():
            self.future.set_exception(error)

    def cancel(self) -> None:
        """Finish because the caller no longer waits."""
        self.future.cancel()

    def _protocol_error(self, problem: str) -> TransportError:
        return TransportError(f"{self._origin.address} {problem}", retryable=True)

    def _read_head(self, count: int) -> bool:
        """Parse the head, skipping informational (1xx) responses; return whether it is complete."""
        self._head_size += count
        while True:
            event = self.framing.next_event()
            if type(event) is h11.Response:
                break
            # h11 limits the size of one head; this limits a series of informational responses.
            if self._head_size > MAX_HEAD_BYTES + len(self._scratch):
                raise self._protocol_error("sent an endless response head")
            if event is h11.NEED_DATA:
                self.transferring = bool(self.framing.trailing_data[0])  # the head has started to arrive
                return False
            if type(event) is not h11.InformationalResponse:
                raise self._protocol_error("sent no response")
        self.transferring = False
        headers = list(event.headers)
        self.response = Response(event.status_code, headers)
        self.rejected = event.status_code >= 300
        names = {name for name, _ in headers}
        # https://www.rfc-editor.org/rfc/rfc9112#section-6.3-2.3: both at once suggests smuggling.
        self.must_close = b"transfer-encoding" in names and b"content-length" in names
        self._on_head(self.response)
        return True

    def _read_body(self) -> bool:
        """Process the body data received so far; return whether more is expected."""
        while True:
            event = self.framing.next_event()
            if type(event) is h11.Data:
                self._on_data(event.data)
            elif event is h11.NEED_DATA:
                return True
            elif type(event) is h11.EndOfMessage:
                self.must_close = self.must_close or bool(self.framing.trailing_data[0])
                return False
            else:
                raise self._protocol_error("sent something that is not HTTP/1.1")

    def _on_head(self, response: Response) -> None:
        """Called when the head is complete."""

    def _on_data(self, data: bytes) -> None:
        """Called with each piece of the body, in order."""
        raise NotImplementedError


class BufferedReceiver(ResponseReceiver):
    """Buffers a small body; a larger one is an error."""

    def __init__(
        self, framing: h11.Connection, scratch: memoryview, origin: Origin, future: asyncio.Future[Response]
    ) -> None:
        super().__init__(framing, scratch, origin, future)
        self._body = bytearray()

    def _on_data(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > MAX_BUFFERED_BODY:
            raise TransportError(f"{self._origin.address} sent a response of more than {MAX_BUFFERED_BODY} bytes")

    def complete(self) -> None:
        if self.response is not None:
            self.response.body = bytes(self._body)
        super().complete()


class InPlaceReceiver(ResponseReceiver):
    """Receives a body of known length; the kernel writes directly to the caller's buffer.

    Only the data that arrives together with the head, and chunked bodies, are copied.
    """

    def __init__(
        self,
        framing: h11.Connection,
        scratch: memoryview,
        origin: Origin,
        future: asyncio.Future[Response],
        into: memoryview,
        encoded: bool = False,
    ) -> None:
        super().__init__(framing, scratch, origin, future)
        self._into = into
        self._encoded = encoded
        self._filled = 0
        self._in_place = False
        self._error: bytearray | None = None

    def receive(self, count: int) -> memoryview | None:
        if self.no_bytes_received and (found := parse_simple_head(self._scratch[:count])) is not None:
            self.no_bytes_received = False
            self.response, size = found
            self._on_head(self.response)
            more = self._start_body(self._scratch[size:count])
        elif self._in_place:
            self._filled += count
            more = self._filled < len(self._into)
        else:
            more = super().receive(count) is not None
        return self._next_buffer() if more else None

    def receive_eof(self) -> None:
        if self._in_place:
            raise self._protocol_error(f"closed the connection after {self._filled} of {len(self._into)} bytes")
        super().receive_eof()

    def complete(self) -> None:
        if self._error is not None and self.response is not None:
            self.response.body = bytes(self._error)
        super().complete()

    def _next_buffer(self) -> memoryview:
        return self._into[self._filled :] if self._in_place else self._scratch

    def _on_head(self, response: Response) -> None:
        self.transferring = True
        if response.status not in {200, 206}:
            self._error = bytearray()
        else:
            self._in_place = check_body(response, len(self._into), self._origin, encoded=self._encoded)

    def _read_body(self) -> bool:
        if self._in_place:
            return self._start_body(self.framing.trailing_data[0])
        more = super()._read_body()
        if self._error is None:
            if not more and self._filled < len(self._into):
                raise self._protocol_error(f"sent {self._filled} bytes, expected {len(self._into)}")
        elif more and len(self._error) == MAX_ERROR_BODY:
            self.must_close = True
            return False
        return more

    def _start_body(self, data: bytes | memoryview) -> bool:
        """Copy the part of the body that arrived with the head; return whether more is expected."""
        size = len(self._into)
        self.must_close = self.must_close or len(data) > size
        self._filled = min(len(data), size)
        self._into[: self._filled] = data[:size]
        return self._filled < size

    def _on_data(self, data: bytes) -> None:
        if self._error is not None:
            self._error += data[: MAX_ERROR_BODY - len(self._error)]
            return
        end = self._filled + len(data)
        if end > len(self._into):
            raise self._protocol_error(f"sent more than the expected {len(self._into)} bytes")
        self._into[self._filled : end] = data
        self._filled = end


def check_body(response: Response, length: int, origin: Origin, *, encoded: bool = False) -> bool:
    """Check the length and encoding of the body of a 200 or 206 from its headers.

    Returns:
        True: the body has the expected Content-Length. False: its length is unknown (chunked, or delimited by the end
        of the connection), so its bytes must be counted.

    Raises:
        TransportError: The length is wrong (retryable), or the body is encoded despite `Accept-Encoding: identity` (not
            retryable: the server would ignore it again).
    """
    framing_headers: Headers = []
    for header in response.headers:
        name, value = header
        if name == b"content-encoding" and value.lower() != b"identity" and not encoded:
            raise TransportError(
                f"{origin.address} sent an encoded body instead of the stored bytes",
                hint="configure the server, or the proxy in front of it, to respond without Content-Encoding",
            )
        if name in {b"content-length", b"transfer-encoding"}:
            framing_headers.append(header)
    if len(framing_headers) != 1 or framing_headers[0][0] != b"content-length":
        return False
    if int(framing_headers[0][1]) != length:
        raise TransportError(
            f"{origin.address} sent {int(framing_headers[0][1])} bytes, expected {length}", retryable=True
        )
    return True
