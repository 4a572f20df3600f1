"""What the `lane_contract.Lane` of each service has in common."""

from collections.abc import Callable
from typing import TypeVar

from ..lane_contract import ByteCount
from ..types import ObjectInfo
from .content_range import Expectation
from .head_codec import encode_request
from .held_connection import HeldConnection
from .message import Request, Response

__all__ = ["ConnectionLane"]

T = TypeVar("T")


class ConnectionLane:
    """What the `lane_contract.Lane` of each service needs besides its requests.

    Args:
        connection: The connection.
    """

    def __init__(self, connection: HeldConnection) -> None:
        self.connection = connection
        self.ahead = connection.ahead
        self.received = ByteCount()
        self.sent = ByteCount()

    def ask(self, obj: ObjectInfo) -> None:
        self.connection.ask(self.read_head(obj))

    def receive(self, obj: ObjectInfo, into: memoryview, expectation: Expectation) -> Response:
        """Receive an object; the request for it is sent first, unless `ask` did."""
        if not self.connection.asked:
            self.ask(obj)
        return self.connection.fetch(into, expectation, self.received)

    def send(self, request: Request, body: memoryview) -> Response:
        """Send a request with a body; see `HeldConnection.send`."""
        return self.connection.send(encode_request(request, len(body)), body, self.sent)

    def read_head(self, obj: ObjectInfo) -> bytes:
        """Encode the request for a whole object."""
        return encode_request(self.read_request(obj))

    def read_request(self, obj: ObjectInfo) -> Request:
        """Build the request for a whole object."""
        raise NotImplementedError

    @property
    def fastest(self) -> float:
        return self.connection.fastest

    @property
    def usable(self) -> bool:
        return self.connection.usable

    async def run(self, function: Callable[[], T]) -> T:
        return await self.connection.run(function)
