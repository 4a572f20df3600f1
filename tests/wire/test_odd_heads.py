"""Heads of responses that break the rules of HTTP."""

import pytest

from sealift.errors import TransportError

from .scripted import exchange, head

BODY = b"hello world"
LENGTH = f"Content-Length: {len(BODY)}"


@pytest.mark.parametrize("after", [True, False], ids=["after the length", "before it"])
@pytest.mark.parametrize(
    "line",
    [
        "X-Frame-Options : DENY",
        "X-Frame-Options\t: DENY",
        "cache/page: x",
        "X Powered By: x",
        "X-(c): x",
        ": x",
        "cache/page: x\r\n folded",
        "Transfer-Encoding: identity",
        "transfer-encoding:  Identity ",
        "X-Odd : a\r\n folded",
    ],
)
def test_odd_lines_do_no_harm(line: str, *, after: bool) -> None:
    lines = [LENGTH, line] if after else [line, LENGTH]
    data = head(*lines, 'ETag: "e"') + BODY
    for cut in range(1, len(data), 3):
        result, body, connection = exchange(data, [cut], len(BODY))
        assert (result.status, body) == (206, BODY)
        assert result.header("etag") == '"e"'
        assert connection.reusable
        result, _, _ = exchange(data, [cut], None)
        assert result.body == BODY


def test_after_an_informational_response() -> None:
    data = head("Link: x", status="103 Early Hints") + head("X : y", LENGTH) + BODY
    for cut in range(1, len(data)):
        result, body, _ = exchange(data, [cut], len(BODY))
        assert (result.status, body, result.header("x")) == (206, BODY, "y")


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length : 11",),
        (LENGTH, "Transfer-Encoding : chunked"),
        (LENGTH, "Transfer-Encoding\x0b: chunked"),
        (LENGTH, "Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding: identity, chunked",),
        (LENGTH, "Transfer-Encoding: gzip"),
        (LENGTH, "Content-Length (2): 3"),
        (LENGTH, "cache/page: x\r\n Transfer-Encoding: chunked"),
        (LENGTH, "no colon"),
        (LENGTH, "HTTP/1.1 200 OK"),
        (LENGTH, "HTTP/1.1 200: OK"),
        (LENGTH, "X : y\0"),
        ("X : y", LENGTH, "Content-Length: 12"),
    ],
)
def test_a_head_whose_body_could_be_misunderstood_is_an_error(lines: tuple[str, ...]) -> None:
    result, _, connection = exchange(head(*lines) + BODY, [], len(BODY))
    assert isinstance(result, TransportError)
    assert not connection.reusable


def test_an_odd_head_of_any_size_is_an_error() -> None:
    result, _, _ = exchange(head(LENGTH, "X : " + "x" * 70_000, "a/b: c") + BODY, [], len(BODY))
    assert isinstance(result, TransportError)
