"""What the outcome of a request tells about its host."""

from types import TracebackType
from typing import Self

from ..errors import TransportError
from ..runtime.host_pace import HostPace
from ..runtime.request_record import RequestRecord
from .message import Request, Response

__all__ = ["Observation"]


class Observation:
    """Reports the response to a request to the pace of its host; errors and responses get the name of the host.

    Args:
        request: The request, which responses get as well.
        pace: The pace of its host.
        record: The record of the request, for its observers. None: nobody observes it.

    Example:
        >>> async def send(wire: Wire, request: Request) -> Response:
        ...     with Observation(request, pace) as observation:
        ...         return observation.answered(await wire.exchange(request))
    """

    __slots__ = ("_pace", "_record", "_request")

    def __init__(self, request: Request, pace: HostPace, record: RequestRecord | None = None) -> None:
        self._request = request
        self._pace = pace
        self._record = record

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, TransportError):
            error.host = error.host or self._request.origin.address
        if self._record is not None:
            self._record.end(error)

    def answered(self, response: Response) -> Response:
        """Record a response."""
        response.host, response.request = self._request.origin.address, self._request
        if self._record is not None:
            self._record.answered(response)
        if not response.is_failure:
            self._pace.succeeded()
        return response
