"""Read one response from a connection: common heads at once, everything else with h11. Blocking; used on lanes."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from ..errors import TransportError
from ..types import KiB, MiB
from .head_codec import MAX_HEAD_BYTES, parse_simple_head
from .message import Headers, Origin, Response

if TYPE_CHECKING:
    import h11

__all__ = ["MAX_BUFFERED_BODY", "MAX_ERROR_BODY", "MalformedResponseError", "ResponseReader", "Source", "body_length"]

MAX_ERROR_BODY = 64 * KiB
MAX_BUFFERED_BODY = 8 * MiB  # a listing of 1,000 keys of 1,024 encoded bytes takes 3 to 4 MiB


class MalformedResponseError(TransportError):
    """The server has sent something that is not a valid response; what was read of it cannot be relied on."""


class Source(Protocol):
    """Where a response comes from.

    Attributes:
        transferring: Whether a head or a body is being received, so that the minimum throughput applies.
    """

    transferring: bool

    def receive_into(self, view: memoryview) -> int:
        """Receive at least one byte; 0: the peer has closed the connection."""

    def splice_into(self, pipe: int, limit: int) -> int | None:
        """Receive at least one byte into a pipe; 0 as above, None: that does not work, or the pipe is full."""


class ResponseReader:
    """Reads the response to one request.

    Args:
        source: The connection.
        origin: The server, for messages.
        framing: Creates the h11 connection for a response that it has to parse.
        scratch: Buffer for data that is not received in place.
        head_only: The request was a HEAD, so the response has no body.

    Attributes:
        response: The response, once its head was read; without its body.
        no_bytes_received: Whether the response has not started.
        must_close: Whether the connection cannot be reused.
    """

    def __init__(
        self,
        source: Source,
        origin: Origin,
        framing: Callable[[], "h11.Connection"],
        scratch: memoryview,
        *,
        head_only: bool = False,
    ) -> None:
        self.response: Response | None = None
        self.no_bytes_received = True
        self._finished = False
        self.must_close = False
        self._source = source
        self._origin = origin
        self._new_framing = framing
        self._framing: h11.Connection | None = None
        self._scratch = scratch
        self._head_only = head_only
        self._head = b""  # what has arrived of the head that h11 parses
        self._head_size = 0
        self._missing = -1  # bytes of a body that is not parsed by h11
        self._ahead = memoryview(b"")  # bytes of it that arrived with the head

    @property
    def finished(self) -> bool:
        """Whether the whole response was received; its last bytes may not have been read yet."""
        return self._finished or 0 <= self._missing == len(self._ahead)

    def read_head(self) -> Response:
        """Read the head, skipping informational (1xx) responses.

        Raises:
            TransportError: The response is not valid or incomplete.
        """
        while self.response is None:
            self.feed(self._source.receive_into(self._scratch))
        return self.response

    def feed(self, count: int) -> None:
        """Process `count` bytes of the head that were received into the scratch buffer; 0: an EOF.

        Raises:
            TransportError: The response is not valid or incomplete.
        """
        data = self._scratch[:count]
        if not count:
            raise self._ended()
        first, self.no_bytes_received = self.no_bytes_received, False
        if first and (found := parse_simple_head(data)) is not None:
            self.response, size = found
            self._missing = 0 if self._head_only else body_length(self.response.headers) or 0
            self._skip(data[size:])
            return
        if self._framing is None:
            self._framing = self._new_framing()
        self._head_size += count
        self._head += data
        self._framing.receive_data(data)  # type: ignore[arg-type]  # takes any bytes-like
        try:
            self._parse_head(self._framing)
        except MalformedResponseError:
            from .odd_heads import repaired  # noqa: PLC0415 - most servers send valid heads

            if (head := repaired(self._head)) is None:
                raise
            self._framing = self._new_framing()
            self._framing.receive_data(head)
            self._parse_head(self._framing)

    def in_place(self, length: int) -> bool:
        """Whether the body has a Content-Length, so that it can be read with `read_into`.

        Args:
            length: That Content-Length.
        """
        if self._framing is not None and self._missing < 0:
            self._missing = length
            self._skip(memoryview(self._framing.trailing_data[0]))
        return self._missing >= 0

    def read_into(self, view: memoryview) -> int:
        """Read bytes of a body that is received in place; at least one.

        Raises:
            TransportError: The body is truncated.
        """
        if self._ahead:
            count = min(len(self._ahead), len(view))
            view[:count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
        else:
            count = self._source.receive_into(view[: self._missing])
            if not count:
                raise self._ended()
        self._missing -= count
        return count

    @property
    def arrived(self) -> bool:
        """Whether bytes of the body have arrived with the head, and were not read yet."""
        return bool(self._ahead)

    def splice_into(self, pipe: int, limit: int) -> int | None:
        """Move bytes of a body that is received in place into a pipe; not before those that have `arrived` were read.

        Returns:
            How many, at least one; None: that does not work, or the pipe is full.

        Raises:
            TransportError: The body is truncated.
        """
        count = self._source.splice_into(pipe, min(limit, self._missing))
        if count == 0:
            raise self._ended()
        self._missing -= count or 0
        return count

    def pieces(self) -> Iterator[memoryview]:
        """Read the body, piece by piece. Each piece is valid until the next one is read.

        Raises:
            TransportError: The response is not valid or incomplete.
        """
        if self._missing >= 0:
            while self._missing:
                yield self._scratch[: self.read_into(self._scratch)] if not self._ahead else self._take_ahead()
            return
        assert self._framing is not None  # noqa: S101 - for mypy
        yield from self._parsed_pieces(self._framing)

    def _take_ahead(self) -> memoryview:
        data, self._ahead = self._ahead, memoryview(b"")
        self._missing -= len(data)
        return data

    def _skip(self, data: memoryview) -> None:
        """Keep what arrived of the body; more than the body is unsolicited."""
        self.must_close = self.must_close or len(data) > self._missing
        self._ahead = data[: self._missing]

    def _parse_head(self, framing: "h11.Connection") -> None:
        import h11  # noqa: PLC0415 - most responses are parsed without it

        while True:
            event = self._next_event(framing)
            if type(event) is h11.Response:
                break
            # h11 limits the size of one head; this limits a series of informational responses.
            if self._head_size > MAX_HEAD_BYTES + len(self._scratch):
                raise self._error("sent an endless response head")
            if event is h11.NEED_DATA:
                self._source.transferring = bool(framing.trailing_data[0])  # the head has started to arrive
                return
            if type(event) is not h11.InformationalResponse:
                raise self._error("sent no response")
            self._head = framing.trailing_data[0]
        self._source.transferring = False
        self._head = b""
        headers = list(event.headers)
        self.response = Response(event.status_code, headers)
        names = {name for name, _ in headers}
        # https://www.rfc-editor.org/rfc/rfc9112#section-6.3-2.3: both at once suggests smuggling.
        self.must_close = framing.our_state is not h11.DONE or {b"transfer-encoding", b"content-length"} <= names

    def _parsed_pieces(self, framing: "h11.Connection") -> Iterator[memoryview]:
        import h11  # noqa: PLC0415 - most responses are parsed without it

        data = b""
        while not self._finished:
            try:
                event = self._next_event(framing)
            except TransportError:
                yield memoryview(data)
                raise
            if type(event) is h11.EndOfMessage:
                closing = framing.our_state is not h11.DONE or bool(framing.trailing_data[0])
                self.must_close, self._finished = self.must_close or closing, True
            elif type(event) is not h11.Data and event is not h11.NEED_DATA:
                raise self._not_http()
            if data:  # not before the next event is known: it may be the end
                yield memoryview(data)
            data = event.data if type(event) is h11.Data else b""
            if event is h11.NEED_DATA:
                self._receive(framing, self._scratch[: self._source.receive_into(self._scratch)])

    def _receive(self, framing: "h11.Connection", data: memoryview) -> None:
        import h11  # noqa: PLC0415 - most responses are parsed without it

        framing.receive_data(data)  # type: ignore[arg-type]  # takes any bytes-like
        if data:
            return
        try:  # an EOF may be the end of the body
            event = framing.next_event()
        except h11.RemoteProtocolError:
            raise self._ended() from None
        if type(event) is not h11.EndOfMessage:
            raise self._ended()
        self.must_close = self._finished = True

    def _next_event(self, framing: "h11.Connection") -> object:
        import h11  # noqa: PLC0415 - most responses are parsed without it

        try:
            return framing.next_event()
        except h11.RemoteProtocolError:
            raise self._not_http() from None

    def _ended(self) -> TransportError:
        if self._missing > 0 and self.response is not None:
            whole = body_length(self.response.headers) or 0
            return self._error(f"closed the connection after {whole - self._missing} of {whole} bytes")
        return self._error(
            f"closed the connection {'before' if self.no_bytes_received else 'in the middle of'} the response"
        )

    def _not_http(self) -> TransportError:
        return MalformedResponseError(f"{self._origin.address} sent something that is not HTTP/1.1", retryable=True)

    def _error(self, problem: str) -> TransportError:
        return TransportError(f"{self._origin.address} {problem}", retryable=True)


def body_length(headers: Headers) -> int | None:
    """The length of a body that is neither chunked nor delimited by the end of the connection; None: it is one."""
    found = [value for name, value in headers if name in {b"content-length", b"transfer-encoding"}]
    if len(found) != 1 or (b"content-length", found[0]) not in headers:
        return None
    return int(found[0])
