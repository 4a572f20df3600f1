"""What the outcome of a request tells about its host."""

from types import TracebackType
from typing import Self, TypeVar

from ..errors import TransportError
from ..runtime.host_pace import HostPace
from ..runtime.request_record import RequestRecord
from .message import Origin, Request, Response
from .streamed_response import StreamedResponse

__all__ = ["Observation"]

R = TypeVar("R", Response, StreamedResponse)


class Observation:
    """Reports the response to a request to the pace of its host; errors and responses get the name of the host.

    Args:
        origin: The server.
        pace: Its pace.
        request: The request, which responses get as well; None: there are several.
        record: The record of the request, for its observers. None: nobody observes it.

    Example:
        >>> async def send(wire: Wire, request: Request) -> Response:
        ...     with Observation(request.origin, pace, request) as observation:
        ...         return observation.answered(await wire.exchange(request))
    """

    __slots__ = ("_host", "_pace", "_record", "_request")

    def __init__(
        self, origin: Origin, pace: HostPace, request: Request | None = None, record: RequestRecord | None = None
    ) -> None:
        self._host = origin.address
        self._pace = pace
        self._request = request
        self._record = record

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, TransportError):
            error.host = error.host or self._host
        if self._record is not None:
            self._record.end(error)

    async def turn(self) -> None:
        """Wait until the host may be asked; the pool does so for connections of its own."""
        while self._pace.limited:
            await self._pace.resumed()
            if await self._pace.turn():
                break

    def answered(self, response: R) -> R:
        """Record a response."""
        response.host, response.request = self._host, self._request
        if self._record is not None:
            self._record.answered(response)
        if not response.is_failure:
            self._pace.succeeded()
        return response

    def completed(self, requests: int) -> None:
        """Record requests that succeeded."""
        if requests:
            self._pace.succeeded(requests)
