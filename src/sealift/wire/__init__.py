"""HTTP/1.1 client for bulk transfer.

`Wire.fetch` receives a body in place, `Wire.stream` receives it as it comes, and `Wire.send` sends a body, if any, and
receives a small response.
"""

from .client import Wire
from .connection_lane import ConnectionLane
from .content_range import Expectation, check_expected, check_range, check_read, check_suffix
from .head_codec import check_value, format_head
from .held_connection import HeldConnection
from .message import TLS, Origin, Request, Response, first_byte_timeout
from .proxy_choice import proxy_for
from .range_writer import PIECE, RangeWriter
from .sinks import fill, memory_sink
from .streamed_response import StreamedResponse, fill_buffer

__all__ = [
    "PIECE",
    "TLS",
    "ConnectionLane",
    "Expectation",
    "HeldConnection",
    "Origin",
    "RangeWriter",
    "Request",
    "Response",
    "StreamedResponse",
    "Wire",
    "check_expected",
    "check_range",
    "check_read",
    "check_suffix",
    "check_value",
    "fill",
    "fill_buffer",
    "first_byte_timeout",
    "format_head",
    "memory_sink",
    "proxy_for",
]
