"""A request template encodes what `Signer.request` and `encode_request` do, and rejects the same header values."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.backends.s3.request_template import RequestTemplate
from sealift.backends.s3.signature import UNSIGNED_PAYLOAD, Credentials
from sealift.backends.s3.signer import Signer
from sealift.config.user_agent import OWN_USER_AGENT
from sealift.errors import InvalidConfig
from sealift.wire import TLS, Origin
from sealift.wire.head_codec import encode_request

VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def signer(credentials: Credentials | None, path: str = "/bucket") -> Signer:
    access: Any = SimpleNamespace(
        origin=Origin("https", "127.0.0.1", 9000),
        path=path,
        region="us-east-1",
        service="s3",
        scheme="sigv4",
        tls=TLS(),
        headers=(),
        object_headers=(),
    )
    return Signer(access, credentials, NOW)


@given(
    key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    tag=VISIBLE,
    access_key=VISIBLE,
    token=st.none() | VISIBLE,
    path=st.sampled_from(["", "/bucket", "/buck%25et"]),
)
def test_a_get_equals_the_one_of_the_signer(key: str, tag: str, access_key: str, token: str | None, path: str) -> None:
    signing = signer(Credentials(access_key, "secret", token), path)
    headers = [("accept-encoding", "identity"), ("x-amz-checksum-mode", "ENABLED")]
    expected = signing.request("GET", key, [*headers, ("if-match", tag)])
    assert RequestTemplate(signing, "GET", headers, ["if-match"]).encode(key, tag) == encode_request(expected)


@given(key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), crc=VISIBLE, size=st.integers(0, 1 << 20))
def test_a_put_equals_the_one_of_the_signer(key: str, crc: str, size: int) -> None:
    signing = signer(Credentials("key", "secret"))
    names, values = ["content-length", "x-amz-checksum-crc32c"], [str(size), crc]
    template = RequestTemplate(signing, "PUT", [], names, payload=UNSIGNED_PAYLOAD)
    expected = signing.request("PUT", key, list(zip(names, values, strict=True)), payload=UNSIGNED_PAYLOAD)
    assert template.encode(key, *values) == encode_request(expected, size)


def test_a_request_without_credentials_is_not_signed() -> None:
    head = RequestTemplate(signer(None), "GET", [("a", "100%")], ["if-match"]).encode("a b/ü", '"tag%s"')
    fields = f'host: 127.0.0.1:9000\r\nuser-agent: {OWN_USER_AGENT}\r\na: 100%\r\nif-match: "tag%s"\r\n'
    assert head == f"GET /bucket/a%20b/%C3%BC HTTP/1.1\r\n{fields}\r\n".encode()


@pytest.mark.parametrize("value", ['"a"\r\nx: y', '"a\nb"', "ü", " a", "\0"])
def test_a_value_cannot_add_a_header(value: str) -> None:
    template = RequestTemplate(signer(Credentials("key", "secret")), "GET", [], ["if-match"])
    with pytest.raises(InvalidConfig):
        template.encode("key", value)
