"""Signatures equal botocore's for the headers that S3 requires to be signed, whichever other headers are sent."""

from datetime import UTC, datetime
from unittest import mock
from urllib.parse import parse_qsl, quote, unquote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from sealift.backends.s3.signature import EMPTY_SHA256, UNSIGNED_PAYLOAD, Credentials, quote_key, quote_query, sign

HOST = "127.0.0.1:9000"
KEYS = st.text(st.characters(codec="utf-8"), max_size=40)
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
HEADER_NAMES = st.from_regex(r"x-amz-meta-[a-z0-9-]{1,10}|content-md5|content-type", fullmatch=True)
# Proxies and CDNs may rewrite these.
REWRITTEN = st.sampled_from([
    "accept", "accept-encoding", "cache-control", "connection", "expect", "if-match", "if-none-match", "keep-alive",
    "range", "te", "traceparent", "user-agent", "via", "x-forwarded-for",
])  # fmt: skip
HEADER_VALUES = st.lists(VISIBLE, min_size=1, max_size=3).map("  ".join)
MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2099, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001


def botocore_headers(
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    credentials: Credentials,
    region: str,
    now: datetime,
    *,
    unsigned: bool,
) -> dict[str, str]:
    """The headers that botocore sends."""
    request = AWSRequest(method=method, url=f"http://{HOST}{target}", headers=dict(headers))
    request.context["payload_signing_enabled"] = not unsigned
    if unsigned:
        request.context["client_config"] = mock.Mock(s3={"payload_signing_enabled": False})
    signer = auth.S3SigV4Auth(
        BotocoreCredentials(credentials.access_key, credentials.secret_key, credentials.token), "s3", region
    )
    with mock.patch.object(auth, "get_current_datetime", return_value=now.replace(tzinfo=None)):
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]),
    key=KEYS,
    query=st.dictionaries(KEYS.filter(bool), KEYS, max_size=4),
    headers=st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=4),
    others=st.dictionaries(REWRITTEN, HEADER_VALUES, max_size=4),
    token=st.none() | VISIBLE,
    secret=VISIBLE,
    region=st.sampled_from(["us-east-1", "eu-central-1", "auto"]),
    now=MOMENTS,
    unsigned=st.booleans(),
)
def test_the_same_signature_as_botocores(
    method: str,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    others: dict[str, str],
    token: str | None,
    secret: str,
    region: str,
    now: datetime,
    unsigned: bool,
) -> None:
    target = f"/bucket/{quote_key(key)}" + (f"?{quote_query(query)}" if query else "")
    sent = [("host", HOST), *headers.items()]
    credentials = Credentials("AKIAEXAMPLE", secret, token)
    payload = UNSIGNED_PAYLOAD if unsigned else EMPTY_SHA256
    ours = dict(
        sign(
            method,
            target,
            [*sent, *others.items()],
            credentials=credentials,
            region=region,
            service="s3",
            now=now,
            payload=payload,
        )
    )
    assert {name: ours.pop(name) for name in others} == others
    assert ours == botocore_headers(method, target, sent, credentials, region, now, unsigned=unsigned)


def test_the_example_of_the_documentation() -> None:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Example: Get Bucket"
    headers = sign(
        "GET",
        "/?max-keys=2&prefix=J",
        [("host", "examplebucket.s3.amazonaws.com")],
        credentials=Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        region="us-east-1",
        service="s3",
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )
    name, value = headers[-1]
    assert name == "authorization"
    assert value == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


@pytest.mark.parametrize(
    ("key", "quoted"),
    [
        ("a/b", "a/b"), ("a//b", "a//b"), ("/a", "/a"), ("a b", "a%20b"), ("a+b", "a%2Bb"), ("a%b", "a%25b"),
        ("a?b#c", "a%3Fb%23c"), ("-_.~", "-_.~"), ("ü", "%C3%BC"), ("a*'()", "a%2A%27%28%29"), ("\udcff", "%FF"),
    ],
)  # fmt: skip
def test_keys_are_percent_encoded(key: str, quoted: str) -> None:
    assert quote_key(key) == quoted


@given(st.dictionaries(KEYS.filter(bool), KEYS, max_size=5))
def test_a_query_is_sorted_by_its_encoded_names(query: dict[str, str]) -> None:
    text = quote_query(query)
    names = [pair.partition("=")[0] for pair in text.split("&")] if text else []
    assert names == sorted(names)
    assert names == sorted(quote(name, safe="-_.~") for name in query)
    assert {unquote(name): value for name, value in parse_qsl(text, keep_blank_values=True)} == query


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(Credentials("AKIA", "hidden", "hidden"))
