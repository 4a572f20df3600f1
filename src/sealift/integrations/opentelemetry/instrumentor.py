"""`SealiftInstrumentor`, for `opentelemetry-instrument`, which finds it by its entry point."""

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from . import instrument, uninstrument

__all__ = ["SealiftInstrumentor"]


class SealiftInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Reports the calls of sealift to OpenTelemetry.

    Example:
        >>> SealiftInstrumentor().instrument(tracer_provider=None)
        >>> SealiftInstrumentor().uninstrument()
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what is instrumented: this package itself, so there is nothing to check."""
        return ()

    def _instrument(self, **options: Any) -> None:
        instrument(tracer_provider=options.get("tracer_provider"), meter_provider=options.get("meter_provider"))

    def _uninstrument(self, **options: Any) -> None:  # noqa: ARG002 - the signature of `BaseInstrumentor`
        uninstrument()
