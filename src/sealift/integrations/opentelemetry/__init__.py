"""Traces and metrics of sealift for OpenTelemetry: `python -m pip install "sealift[otel]"`.

    from sealift.integrations.opentelemetry import instrument

    instrument()

or without a change to the program, `opentelemetry-instrument python server.py`, which finds `SealiftInstrumentor`.

Each call is a span, such as `sealift download`, and each HTTP request of it a child span by the conventions for HTTP
clients: https://opentelemetry.io/docs/specs/semconv/http/http-spans/. URLs have no query, since it may contain a
signature. docs/progress.md lists the metrics.
"""

from typing import TYPE_CHECKING

from ...runtime.observers import add_observer, remove_observer
from .telemetry import Telemetry

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["instrument", "uninstrument"]

_active: list[Telemetry] = []


def instrument(
    *, tracer_provider: "TracerProvider | None" = None, meter_provider: "MeterProvider | None" = None
) -> None:
    """Report all calls that begin from now on, in all threads of this process. Does nothing if it is active already.

    Args:
        tracer_provider: Receives the spans. None: the global one.
        meter_provider: Receives the metrics. None: the global one.

    Example:
        >>> instrument()
        >>> uninstrument()
    """
    if not _active:
        telemetry = Telemetry(tracer_provider, meter_provider)
        _active.append(telemetry)
        add_observer(telemetry)


def uninstrument() -> None:
    """Stop reporting calls; those that run are reported to their end."""
    while _active:
        remove_observer(_active.pop())
