"""`Origin`, `Request` and `Response`, and the check of Content-Range."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from sealift.errors import InvalidConfig, TransportError
from sealift.wire import Origin, Request, Response, check_range

from .servers import Peer, serve, wire_with


@pytest.mark.parametrize(
    ("url", "origin", "netloc"),
    [
        ("http://Host", Origin("http", "host", 80), "host"),
        ("https://host/a?b#c", Origin("https", "host", 443), "host"),
        ("https://user:pass@host:80", Origin("https", "host", 80), "host:80"),
        ("HTTP://127.0.0.1:9000/", Origin("http", "127.0.0.1", 9000), "127.0.0.1:9000"),
        ("http://[::1]/", Origin("http", "::1", 80), "[::1]"),
        ("https://[FD00::1]:8443", Origin("https", "fd00::1", 8443), "[fd00::1]:8443"),
        ("https://bücher.example", Origin("https", "xn--bcher-kva.example", 443), "xn--bcher-kva.example"),
    ],
)
def test_origin_of_a_url(url: str, origin: Origin, netloc: str) -> None:
    assert Origin.of(url) == origin
    assert origin.netloc == netloc


@pytest.mark.parametrize(
    "url", ["", "host", "ftp://host", "http://", "http:///k", "http://h:x", "http://h:99999", "http://[::1"]
)
def test_invalid_urls(url: str) -> None:
    with pytest.raises(InvalidConfig):
        Origin.of(url)


def test_repr_shows_no_secrets() -> None:
    request = Request("GET", Origin.of("https://host:444"), "/k?X-Amz-Signature=SECRET", [("Authorization", "SECRET")])
    assert repr(request) == "Request(GET https://host:444/k)"
    response = Response(302, [(b"location", b"https://x/?SECRET")], b"SECRET")
    assert repr(response) == "Response(302, headers=[location], body=6 bytes)"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Tue, 01 Sep 2020 10:20:30 GMT", 0.0),
        ("Tue, 01 Sep 2020 10:20:30", 0.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("5, 5", None),
        ("\u00b2", None),  # a digit, but not ASCII
        ("Tue, 01 Sep 99999999999999999999 10:20:30 GMT", None),
        ("Tue, 01 Sep 2020 10:20:30 +9999", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert Response(503, [(b"retry-after", value.encode("latin-1"))]).retry_after == seconds


@pytest.mark.parametrize("zone", [" GMT", " +0000", ""])
def test_retry_after_with_a_date_in_the_future(zone: str) -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    wait = Response(503, [(b"retry-after", f"{until:%a, %d %b %Y %H:%M:%S}{zone}".encode())]).retry_after
    assert wait is not None
    assert 0 < wait <= 300


@pytest.mark.parametrize(("until", "seconds"), [("10:21:30", 60), ("10:20:30", 0), ("10:00:00", 0)])
def test_retry_after_with_a_date_of_the_server_s_clock(until: str, seconds: float) -> None:
    """Whatever the clock of this machine says."""
    date, until = (f"Tue, 01 Sep 2020 {each} GMT" for each in ("10:20:30", until))
    assert Response(503, [(b"date", date.encode()), (b"retry-after", until.encode())]).retry_after == seconds


def test_no_retry_after() -> None:
    assert Response(503, []).retry_after is None


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/a b", ()),
        ("GET", "/SECRET\r\nX: y", ()),
        ("GET", "/SECRET\0", ()),
        ("GET", "/SECRET\u00fc", ()),
        ("GET", "", ()),
        ("GET", "http://elsewhere/SECRET", ()),
        ("GET /SECRET", "/", ()),
        ("GET\r\nX: SECRET", "/", ()),
        ("GET", "/", [("X", "SECRET\r\nY: z")]),
        ("GET", "/", [("X", "SECRET\n")]),
        ("GET", "/", [("X", "SECRET\0")]),
        ("GET", "/", [("X", "SECRET\u00fc")]),
        ("GET", "/", [("X: SECRET\r\nY", "z")]),
        ("GET", "/", [("", "SECRET")]),
        ("GET", "/", [("Content-Length", "SECRET")]),
        ("GET", "/", [("Host", "SECRET\r\n")]),
        ("GET", "/", [("Host", "a"), ("host", "SECRET")]),
    ],
)
@pytest.mark.anyio
async def test_request_smuggling_is_refused_without_showing_the_request(
    method: str, target: str, headers: Sequence[tuple[str, str]]
) -> None:
    async def handler(peer: Peer) -> None:
        raise AssertionError

    async with serve(handler) as server, wire_with() as wire:
        request = Request(method, server.origin, target, headers)
        for call in (wire.send(request), wire.fetch(request, memoryview(bytearray(1)))):
            with pytest.raises(InvalidConfig) as caught:
                await call
            assert "SECRET" not in str(caught.value)
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None
        with pytest.raises(InvalidConfig):
            async with wire.stream(request):
                pass


def make_response(status: int, **headers: str) -> Response:
    return Response(status, [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()])


@pytest.mark.parametrize(
    ("response", "start", "total"),
    [
        (make_response(206, content_range="bytes 5-9/100"), 5, 100),
        (make_response(206, content_range="Bytes 5-9/10"), 5, 10),
        (make_response(206, content_range="bytes 5-9/*"), 5, None),
        (make_response(200, content_range="bytes 5-9/100", content_length="5"), 5, 100),
        (make_response(200, content_length="5"), 0, 5),
        (make_response(200, transfer_encoding="chunked"), 0, 5),
    ],
)
def test_the_right_range(response: Response, start: int, total: int | None) -> None:
    assert check_range(response, start, 5) == total


@pytest.mark.parametrize(
    "response",
    [
        make_response(206),
        make_response(206, content_range="bytes 4-8/100"),
        make_response(206, content_range="bytes 5-10/100"),
        make_response(206, content_range="bytes 5-9/9"),
        make_response(206, content_range="bytes 5-9"),
        make_response(206, content_range="bytes */100"),
        make_response(206, content_range="items 5-9/100"),
        make_response(206, content_range="bytes 5-9/100, bytes 5-9/100"),
        make_response(206, content_type="multipart/byteranges"),
        make_response(200),
        make_response(200, content_length="5"),
        make_response(200, content_range="bytes 0-4/100"),
        make_response(204, content_range="bytes 5-9/100"),
    ],
)
def test_the_wrong_range(response: Response) -> None:
    with pytest.raises(TransportError, match="requested bytes 5-9") as caught:
        check_range(response, 5, 5)
    assert caught.value.retryable


def test_a_whole_object_of_another_length() -> None:
    with pytest.raises(TransportError):
        check_range(make_response(200, content_length="6"), 0, 5)


@pytest.mark.parametrize(
    "value",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun,  6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 nov 1994 08:49:37 gmt",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun, 06 Nov 1994 10:49:37 +0200",
    ],
)
def test_forms_of_a_date(value: bytes) -> None:
    assert Response(200, [(b"date", value)]).time("date") == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["GMT", "-0000", ""])  # some servers omit the zone; HTTP dates are always UTC
def test_a_date_without_a_time_zone_is_utc(zone: str) -> None:
    response = Response(200, [(b"last-modified", f"Tue, 01 Sep 2020 10:20:30 {zone}".rstrip().encode())])
    assert response.time("Last-Modified") == datetime(2020, 9, 1, 10, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize("value", [b"", b"soon", b"Tue, 41 Sep 2020 10:20:30 GMT"])
def test_a_malformed_date(value: bytes) -> None:
    assert Response(200, [(b"last-modified", value)]).time("last-modified") is None
    assert Response(200, []).time("last-modified") is None
