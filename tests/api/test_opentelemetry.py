"""OpenTelemetry: spans of calls and requests, and metrics, with the exporters of the SDK in memory."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from sealift import AsyncStorage, Limits, ModelMissingError, Storage
from sealift.integrations.opentelemetry import instrument, uninstrument
from sealift.types import MiB
from tests.api.servers import FakeS3, failure, pattern
from tests.api.writable import WritableS3

pytestmark = pytest.mark.anyio

SMALL = {"p/a": b"a" * 10, "p/b": b"b" * 20}
LARGE = pattern(20 * MiB)


class Received:
    """The spans and metrics of a test."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self._reader])

    def spans(self, kind: SpanKind) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.kind is kind]

    @property
    def call(self) -> ReadableSpan:
        """The span of the only call."""
        (span,) = self.spans(SpanKind.INTERNAL)
        return span

    def points(self, name: str) -> list[Any]:
        """The data points of a metric."""
        data = self._reader.get_metrics_data()
        resources = [] if data is None else data.resource_metrics
        found = [metric for each in resources for scope in each.scope_metrics for metric in scope.metrics]
        return [point for metric in found if metric.name == name for point in metric.data.data_points]

    def close(self) -> None:
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


@pytest.fixture
def received() -> Iterator[Received]:
    received = Received()
    instrument(tracer_provider=received.tracer_provider, meter_provider=received.meter_provider)
    yield received
    uninstrument()
    received.close()


def fields(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


@pytest.mark.parametrize("objects", [SMALL, {"p": b"one object"}, {"p": LARGE}], ids=["small", "one", "large"])
@pytest.mark.parametrize("processes", [0, 1])
async def test_a_call_and_its_requests(
    received: Received, tmp_path: Path, objects: dict[str, bytes], processes: int
) -> None:
    """Requests on lanes and in worker processes are children of the span of the call."""
    with FakeS3({"b": objects}) as server:
        storage = AsyncStorage(Limits(processes=processes, part_size=6 * MiB))
        await storage.download("s3://b/p", tmp_path / "p", config=server.config)
    size = sum(map(len, objects.values()))
    call = received.call
    assert call.name == "sealift download"
    assert call.status.status_code is StatusCode.UNSET
    expected = {
        "sealift.operation": "download", "sealift.uris": ("s3://b/p",), "sealift.objects": len(objects),
        "sealift.bytes": size, "sealift.bytes_resumed": 0, "sealift.retries": 0, "sealift.verified": ("md5",),
    }  # fmt: skip
    assert dict(fields(call)) == expected
    requests = received.spans(SpanKind.CLIENT)
    assert len(requests) == len(server.asked)
    context = call.get_span_context()
    for span in requests:
        assert span.parent is not None
        assert (span.parent.span_id, span.context.trace_id) == (context.span_id, context.trace_id)
        assert call.start_time <= span.start_time <= span.end_time <= call.end_time
    assert sorted(fields(span)["url.full"] for span in requests) == sorted(
        server.endpoint + asked.path for asked in server.asked
    )
    assert sorted(span.name for span in requests) == sorted(asked.method for asked in server.asked)


async def test_the_attributes_of_a_request(received: Received) -> None:
    with FakeS3({"b": {"m": b"12345"}}) as server:
        await AsyncStorage().read("s3://b/m", config=server.config)
    (span,) = received.spans(SpanKind.CLIENT)
    assert dict(fields(span)) == {
        "http.request.method": "GET", "server.address": "127.0.0.1", "server.port": server.port,
        "url.full": f"{server.endpoint}/b/m", "url.scheme": "http", "network.protocol.version": "1.1",
        "http.response.status_code": 200, "http.response.body.size": 5,
    }  # fmt: skip
    assert fields(received.call)["sealift.bytes"] == 5


async def test_failed_requests_and_retries(received: Received, tmp_path: Path) -> None:
    answers = [failure(500, "InternalError"), failure(503, "SlowDown")]
    with FakeS3({"b": {"m": b"m"}}, instead=lambda asked: answers.pop(0) if answers else None) as server:
        limits = Limits(backoff_initial=0.01)
        assert await AsyncStorage(limits).read("s3://b/m", config=server.config) == b"m"
    requests = received.spans(SpanKind.CLIENT)
    assert [fields(span)["http.response.status_code"] for span in requests] == [500, 503, 200]
    assert [fields(span).get("error.type") for span in requests] == ["500", "503", None]
    assert [fields(span).get("http.request.resend_count") for span in requests] == [None, 1, 2]
    failed = [span.status.status_code is StatusCode.ERROR for span in requests]
    assert failed == [True, True, False]
    assert [event.name for event in received.call.events] == ["retry", "retry"]
    assert fields(received.call)["sealift.retries"] == 2
    assert sum(point.value for point in received.points("sealift.retries")) == 2
    assert sum(point.value for point in received.points("sealift.throttled")) == 1


async def test_a_server_that_cannot_be_reached(received: Received) -> None:
    from sealift import S3Config, TransportError

    config = S3Config("AKIA", "secret", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(TransportError):
        await AsyncStorage(Limits(attempts=1)).read("s3://b/m", config=config)
    (span,) = received.spans(SpanKind.CLIENT)
    assert str(fields(span)["error.type"]).endswith("Error")
    assert "http.response.status_code" not in fields(span)
    assert received.call.status.status_code is StatusCode.ERROR


async def test_a_call_that_fails(received: Received, tmp_path: Path) -> None:
    with FakeS3({"b": {}}) as server, pytest.raises(ModelMissingError):
        await AsyncStorage().download("s3://b/m", tmp_path / "m", config=server.config)
    call = received.call
    assert call.status.status_code is StatusCode.ERROR
    assert fields(call)["error.type"] == "ModelMissingError"
    (point,) = received.points("sealift.call.duration")
    assert dict(point.attributes) == {"sealift.operation": "download", "error.type": "ModelMissingError"}


async def test_metrics(received: Received, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    with WritableS3("b") as server:
        server.objects["b"] = dict(SMALL)
        storage = AsyncStorage()
        await storage.download("s3://b/p", tmp_path / "p", config=server.config)
        await storage.upload(tmp_path / "f", "s3://b/f", config=server.config)
        await storage.delete("s3://b/f", config=server.config)

    def by_operation(name: str) -> dict[str, int]:
        return {point.attributes["sealift.operation"]: point.value for point in received.points(name)}

    assert by_operation("sealift.transferred") == {"download": 30, "upload": 5}
    assert by_operation("sealift.objects") == {"download": 2, "upload": 1, "delete": 1}
    assert {point.value for point in received.points("http.client.active_requests")} == {0}
    durations = received.points("http.client.request.duration")
    assert sum(point.count for point in durations) == len(server.asked)
    assert {point.attributes["server.port"] for point in durations} == {server.port}
    assert not any("url.full" in point.attributes for point in durations)


async def test_a_query_is_not_reported(received: Received, tmp_path: Path) -> None:
    with FakeS3({"b": {"p/a": b"a"}}) as server:
        await AsyncStorage().list_objects("s3://b/p", config=server.config)
    assert any("?" in asked.target for asked in server.asked)
    assert not any("?" in fields(span)["url.full"] for span in received.spans(SpanKind.CLIENT))


async def test_a_call_is_a_child_of_the_program_s_span(received: Received) -> None:
    tracer = received.tracer_provider.get_tracer("test")
    with FakeS3({"b": {"m": b"m"}}) as server:
        with tracer.start_as_current_span("request", kind=SpanKind.SERVER) as outer:
            await AsyncStorage().read("s3://b/m", config=server.config)
            assert trace.get_current_span() is outer
            await asyncio.to_thread(Storage.read, "s3://b/m", config=server.config)
    calls = received.spans(SpanKind.INTERNAL)
    assert len(calls) == 2
    assert {span.parent.span_id for span in calls if span.parent} == {outer.get_span_context().span_id}


async def test_a_generator_leaves_the_context_of_its_caller(received: Received) -> None:
    with FakeS3({"b": {"m": LARGE, "n": b"n"}}) as server:
        storage = AsyncStorage()
        async for _ in storage.stream("s3://b/m", config=server.config):
            assert not trace.get_current_span().get_span_context().is_valid
            await storage.read("s3://b/n", config=server.config)
    outer = [span for span in received.spans(SpanKind.INTERNAL) if fields(span)["sealift.uris"] == ("s3://b/m",)]
    assert len(outer) == 1
    assert fields(outer[0])["sealift.bytes"] == len(LARGE)
    assert all(span.parent is None for span in received.spans(SpanKind.INTERNAL))


async def test_twice_is_once(received: Received) -> None:
    instrument(tracer_provider=received.tracer_provider)
    with FakeS3({"b": {"m": b"m"}}) as server:
        await AsyncStorage().read("s3://b/m", config=server.config)
        assert len(received.spans(SpanKind.CLIENT)) == 1
        uninstrument()
        await AsyncStorage().read("s3://b/m", config=server.config)
    assert len(received.spans(SpanKind.CLIENT)) == 1


async def test_the_standard_instrumentor() -> None:
    """What `opentelemetry-instrument` does."""
    (entry,) = entry_points(group="opentelemetry_instrumentor", name="sealift")
    instrumentor = entry.load()()
    received = Received()
    instrumentor.instrument(tracer_provider=received.tracer_provider, meter_provider=received.meter_provider)
    try:
        with FakeS3({"b": {"m": b"m"}}) as server:
            await AsyncStorage().read("s3://b/m", config=server.config)
    finally:
        instrumentor.uninstrument()
    assert len(received.spans(SpanKind.CLIENT)) == 1
    received.close()


def test_nothing_is_imported_without_it() -> None:
    code = "import sys, sealift, sealift.api.async_storage, sealift.cli; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path}; {code}"],
        capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout == "False\n"
