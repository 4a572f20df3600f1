"""The log: each call at INFO, each request at DEBUG, each retry at WARNING. Queries and headers are not logged."""

import logging

from ..errors import StorageError
from ..types import Event
from .observers import CallRecord
from .request_record import RequestRecord

__all__ = ["LOG"]

_calls = logging.getLogger("sealift.calls")
_requests = logging.getLogger("sealift.requests")
_retries = logging.getLogger("sealift.retries")


class CallLog:
    """Writes log records; see `Observer`. Control characters are escaped, so that each record is one line."""

    def call_began(self, call: CallRecord) -> None: ...

    def call_reported(self, call: CallRecord, event: Event) -> None: ...

    def call_ended(self, call: CallRecord) -> None:
        if call.error is not None:
            _calls.info("%s: failed after %.3f s: %s", _name(call), call.seconds, _line(_text(call.error)))
            return
        moved = max(0, call.size - call.resumed)
        parts = [""]
        if call.objects > call.deleted:
            parts.append(_count(call.objects - call.deleted, "object"))
        if call.size:
            parts += [_count(call.size, "byte"), f"{moved / max(call.seconds, 1e-6) / 1e6:.1f} MB/s"]
        if call.resumed:
            parts.append(f"{call.resumed} bytes resumed")
        if call.cache:
            parts.append(f"cache: {call.cache}")
        if call.deleted:
            parts.append(f"{_count(call.deleted, 'object')} deleted")
        if call.retries:
            parts.append(f"{_count(call.retries, 'request')} sent again")
        if call.verified:
            counts = ", ".join(f"{name} ({number})" for name, number in call.verified.most_common())
            parts.append(f"verified: {counts}")
        _calls.info("%s: done in %.3f s%s", _name(call), call.seconds, ", ".join(parts))

    def request_began(self, request: RequestRecord) -> None: ...

    def request_ended(self, request: RequestRecord) -> None:
        if request.error is not None and request.status is None:
            outcome = _line(_text(request.error))
        else:
            outcome = f"{request.status}, {request.received} bytes"
        _requests.debug(
            "%s %s://%s:%d%s: %s, sent %d bytes, %.1f ms%s%s",
            request.method,
            request.scheme,
            request.host,
            request.port,
            _line(request.path),
            outcome,
            request.sent,
            request.seconds * 1000,
            f", resend {request.resends}" if request.resends else "",
            f", request id {_line(request.request_id)}" if request.request_id else "",
        )

    def retrying(self, call: CallRecord | None, error: StorageError, delay: float, *, paused: bool) -> None:
        name = "" if call is None else f"{_name(call)}: "
        what = f"pausing requests to {error.host} for" if paused else "retrying in"
        _retries.warning("%s%s %.1f s: %s", name, what, delay, _line(str(error)))


LOG = CallLog()


def _name(call: CallRecord) -> str:
    return _line(f"{call.operation} {' to '.join(call.uris)}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _text(error: BaseException) -> str:
    """What to say about an error. Only sealift's own are known to contain no secret."""
    return str(error) if isinstance(error, StorageError) else type(error).__name__


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
