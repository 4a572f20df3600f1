"""Spans and metrics, from the records of calls and requests."""

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from ...errors import StorageError
from ...runtime.observers import CallRecord
from ...runtime.request_record import RequestRecord
from ...types import Event
from ...version import __version__

__all__ = ["Telemetry"]

Attributes = dict[str, AttributeValue]

_SCHEMA = "https://opentelemetry.io/schemas/1.27.0"
# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration
_DURATION_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_CALL_BOUNDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600)


class Telemetry:
    """Reports calls and requests to OpenTelemetry; see `Observer`.

    Args:
        tracer_provider: Receives the spans. None: the global one.
        meter_provider: Receives the metrics. None: the global one.
    """

    def __init__(self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None) -> None:
        self._tracer = trace.get_tracer("sealift", __version__, tracer_provider, _SCHEMA)
        meter = metrics.get_meter("sealift", __version__, meter_provider, _SCHEMA)
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_DURATION_BOUNDS,
        )
        self._active_requests = meter.create_up_down_counter(
            "http.client.active_requests", unit="{request}", description="HTTP requests that are in flight."
        )
        self._bytes = meter.create_counter(
            "sealift.transferred", unit="By", description="Bytes that calls have transferred."
        )
        self._objects = meter.create_counter(
            "sealift.objects", unit="{object}", description="Objects that calls have transferred or deleted."
        )
        self._calls = meter.create_histogram(
            "sealift.call.duration",
            unit="s",
            description="Duration of calls.",
            explicit_bucket_boundaries_advisory=_CALL_BOUNDS,
        )
        self._retries = meter.create_counter(
            "sealift.retries", unit="{request}", description="Requests that were sent again."
        )
        self._throttled = meter.create_counter(
            "sealift.throttled", unit="{response}", description="Responses that asked for fewer requests."
        )

        self._cache = meter.create_counter(
            "sealift.cache", unit="{lookup}", description="Lookups in the cache, and evictions, by their outcome."
        )

    def call_began(self, call: CallRecord) -> None:
        attributes: Attributes = {"sealift.operation": call.operation, "sealift.uris": list(call.uris)}
        call.data[self] = self._tracer.start_span(
            f"sealift {call.operation}", attributes=attributes, start_time=call.began
        )

    def call_reported(self, call: CallRecord, event: Event) -> None:
        if event.kind == "progress" and event.size > 0:
            self._bytes.add(event.size, {"sealift.operation": call.operation})
        elif event.kind in {"object", "deleted"}:
            self._objects.add(1, {"sealift.operation": call.operation})
        elif event.kind == "cache":
            self._cache.add(1, {"sealift.cache.outcome": event.reason})

    def call_ended(self, call: CallRecord) -> None:
        attributes: Attributes = {"sealift.operation": call.operation}
        if call.error is not None:
            attributes["error.type"] = _type(call.error)
        self._calls.record(call.seconds, attributes)
        span = self._span(call)
        if span is None:
            return
        span.set_attributes(
            {
                "sealift.objects": call.objects,
                "sealift.bytes": call.size,
                "sealift.bytes_resumed": call.resumed,
                "sealift.retries": call.retries,
            }
        )
        if call.verified:
            span.set_attribute("sealift.verified", sorted(call.verified))
        if call.error is not None:
            span.set_attribute("error.type", _type(call.error))
            # Other errors may contain secrets.
            text = str(call.error) if isinstance(call.error, StorageError) else None
            span.set_status(Status(StatusCode.ERROR, text))
        span.end(call.began + round(call.seconds * 1e9))

    def request_began(self, request: RequestRecord) -> None:
        self._active_requests.add(1, _host(request))

    def request_ended(self, request: RequestRecord) -> None:
        attributes = _host(request) | {"url.scheme": request.scheme}
        self._active_requests.add(-1, _host(request))
        attributes["network.protocol.version"] = "1.1"
        if request.status is not None:
            attributes["http.response.status_code"] = request.status
        failed = request.error is not None or (request.status or 0) >= 400
        if failed:
            error = request.error
            attributes["error.type"] = str(request.status) if error is None or request.status else _type(error)
        self._duration.record(request.seconds, attributes)
        default = {"http": 80, "https": 443}.get(request.scheme)
        host = f"[{request.host}]" if ":" in request.host else request.host
        where = host if request.port == default else f"{host}:{request.port}"
        attributes["url.full"] = f"{request.scheme}://{where}{request.path}"
        if request.resends:
            attributes["http.request.resend_count"] = request.resends
        if request.sent:
            attributes["http.request.body.size"] = request.sent
        if request.status is not None:
            attributes["http.response.body.size"] = request.received
        if request.request_id is not None:
            attributes["sealift.request_id"] = request.request_id
        parent = None if request.call is None else self._span(request.call)
        span = self._tracer.start_span(
            request.method,
            context=None if parent is None else trace.set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=request.began,
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(request.began + round(request.seconds * 1e9))

    def retrying(self, call: CallRecord | None, error: StorageError, delay: float, *, paused: bool) -> None:
        if paused:  # besides, the request is sent again
            return
        attributes: Attributes = {} if error.host is None else {"server.address": error.host.rpartition(":")[0]}
        self._retries.add(1, attributes | {"error.type": str(error.status or _type(error))})
        if error.throttled:
            self._throttled.add(1, attributes)
        if call is not None and (span := self._span(call)) is not None:
            details: Attributes = {"sealift.delay": delay, "exception.message": str(error)}
            span.add_event("retry", details | attributes)

    def _span(self, call: CallRecord) -> Span | None:
        """The span of a call; None: the call began before this observer was added."""
        span = call.data.get(self)
        return span if isinstance(span, Span) else None


def _host(request: RequestRecord) -> Attributes:
    return {
        "http.request.method": request.method,
        "server.address": request.host,
        "server.port": request.port,
    }


def _type(error: BaseException) -> str:
    return type(error).__name__
