"""HTTP/1.1 client for bulk transfer: `Wire.fetch` receives in place, `Wire.stream` streams, `Wire.send` uploads."""

from .client import Wire
from .content_range import check_range
from .message import TLS, Origin, Request, Response
from .no_proxy import proxy_for
from .redirect import MOST_REDIRECTS, redirected
from .streamed_response import StreamedResponse

__all__ = [
    "MOST_REDIRECTS",
    "TLS",
    "Origin",
    "Request",
    "Response",
    "StreamedResponse",
    "Wire",
    "check_range",
    "proxy_for",
    "redirected",
]
