"""How a reply is read: an ordinary head in one go, a body in place where that is possible; all else by h11."""

import asyncio

import h11

from ..errors import TransportError
from ..types import KiB, MiB
from .head_codec import MAX_HEAD_BYTES, parse_simple_head
from .message import Headers, Origin, Response

__all__ = ["BufferedReceiver", "InPlaceReceiver", "ResponseReceiver", "check_body"]

MAX_ERROR_BODY = 64 * KiB
MAX_BUFFERED_BODY = 8 * MiB  # a page of 1,000 keys, each of 1,024 encoded bytes, has 3 to 4 MiB


class ResponseReceiver:
    """One reply, fed by its connection with what arrives; a subclass says where the body goes.

    Everything here runs synchronously inside the loop's callbacks, so that bytes are in place before any task wakes up.

    Attributes:
        answer: The reply, when the subclass regards it as answered.
        framing: Knows what the reply's bytes mean where its head is not read in one go, and whether the connection may
            be used again.
        untouched: No byte has come yet.
        waiting: Whether somebody waits for the next byte, so that its absence would be a stall.
        moving: Whether a head or a body is being received, so that its throughput counts.
        refused: The server has answered with a failure; there is no point in sending it the rest of a body.
        doubtful: The connection must not be used again, whatever the framing says.
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
        """`count` bytes have been written to the view that was last returned, at first to the scratch.

        Returns:
            Where the next bytes shall be written, never empty; None: the reply is complete.

        Raises:
            TransportError: This is no reply that can be used.
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
        """No more bytes will come.

        Raises:
            TransportError: The reply is not complete.
        """
        try:
            self.framing.receive_data(b"")
            if self.response is not None and not self._read_body():
                return
        except h11.RemoteProtocolError:
            pass
        raise self._protocol_error(
            f"closed the connection {'without' if self.no_bytes_received else 'in the middle of'} a reply"
        )

    def complete(self) -> None:
        """The whole reply is here and the buffer is no longer written to."""
        if not self.future.done():
            assert self.response is not None  # noqa: S101  # for mypy: a reply is complete after its head
            self.future.set_result(self.response)

    def fail(self, error: Exception) -> None:
        """The rest will never come."""
        if not self.future.done():
            self.future.set_exception(error)

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self.future.cancel()

    def _protocol_error(self, what: str) -> TransportError:
        return TransportError(f"{self._origin.address} {what}", retryable=True)

    def _read_head(self, count: int) -> bool:
        """Whether the final head is here; informational ones are skipped."""
        self._head_size += count
        while True:
            event = self.framing.next_event()
            if type(event) is h11.Response:
                break
            # h11 bounds one head, this bounds a series of informational ones.
            if self._head_size > MAX_HEAD_BYTES + len(self._scratch):
                raise self._protocol_error("sent a head without an end")
            if event is h11.NEED_DATA:
                self.transferring = bool(self.framing.trailing_data[0])  # a head that has begun comes on
                return False
            if type(event) is not h11.InformationalResponse:
                raise self._protocol_error("sent no reply")
        self.transferring = False
        headers = list(event.headers)
        self.response = Response(event.status_code, headers)
        self.rejected = event.status_code >= 300
        names = {name for name, _ in headers}
        # https://www.rfc-editor.org/rfc/rfc9112#section-6.3-2.3: both at once smells of smuggling.
        self.must_close = b"transfer-encoding" in names and b"content-length" in names
        self._on_head(self.response)
        return True

    def _read_body(self) -> bool:
        """Hand on what is here of the body; whether more is to come."""
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
        """The head is here."""

    def _on_data(self, data: bytes) -> None:
        """A piece of the body, in order."""
        raise NotImplementedError


class BufferedReceiver(ResponseReceiver):
    """A reply whose body is small, or else is an error."""

    def __init__(
        self, framing: h11.Connection, scratch: memoryview, origin: Origin, future: asyncio.Future[Response]
    ) -> None:
        super().__init__(framing, scratch, origin, future)
        self._body = bytearray()

    def _on_data(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > MAX_BUFFERED_BODY:
            raise TransportError(f"{self._origin.address} sent a reply of more than {MAX_BUFFERED_BODY} bytes")

    def complete(self) -> None:
        if self.response is not None:
            self.response.body = bytes(self._body)
        super().complete()


class InPlaceReceiver(ResponseReceiver):
    """A body of known length, which the kernel writes to where it is wanted.

    Only what comes in one packet with the head is copied, and what has to be unchunked.
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
                raise self._protocol_error(f"sent {self._filled} bytes where {len(self._into)} were asked for")
        elif more and len(self._error) == MAX_ERROR_BODY:
            self.must_close = True
            return False
        return more

    def _start_body(self, data: bytes | memoryview) -> bool:
        """The beginning of the body came with the head; whether more is to come."""
        room = len(self._into)
        self.must_close = self.must_close or len(data) > room
        self._filled = min(len(data), room)
        self._into[: self._filled] = data[:room]
        return self._filled < room

    def _on_data(self, data: bytes) -> None:
        if self._error is not None:
            self._error += data[: MAX_ERROR_BODY - len(self._error)]
            return
        end = self._filled + len(data)
        if end > len(self._into):
            raise self._protocol_error(f"sent more than the {len(self._into)} bytes that were asked for")
        self._into[self._filled : end] = data
        self._filled = end


def check_body(response: Response, length: int, origin: Origin, *, encoded: bool = False) -> bool:
    """Whether a 200 or 206 says that its body is exactly these bytes, before any of them is read.

    Returns:
        True: the body follows as it is. False: it comes without a length (chunked, or up to the connection's end), so
        that it has to be counted.

    Raises:
        TransportError: It has another length, which may be right the next time; or it is encoded, where
            `Accept-Encoding: identity` has been asked for: a server that does not heed this will not do so later.
    """
    told: Headers = []
    for header in response.headers:
        name, value = header
        if name == b"content-encoding" and value.lower() != b"identity" and not encoded:
            raise TransportError(
                f"{origin.address} sent an encoded body where the stored bytes were asked for",
                hint="have it, or the proxy in front of it, send this without Content-Encoding",
            )
        if name in {b"content-length", b"transfer-encoding"}:
            told.append(header)
    if len(told) != 1 or told[0][0] != b"content-length":
        return False
    if int(told[0][1]) != length:
        raise TransportError(
            f"{origin.address} sent {int(told[0][1])} bytes where {length} were asked for", retryable=True
        )
    return True
