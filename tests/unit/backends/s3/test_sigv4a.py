"""Signatures for several regions pass an independent verification; those of sessions equal botocore's."""

from datetime import UTC, datetime
from unittest import mock

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from sealift.backends.s3 import signature, sigv4a
from sealift.backends.s3.signature import EMPTY_SHA256, UNSIGNED_PAYLOAD, Credentials, quote_key, quote_query
from tests.services.signatures import is_signed, scope
from tests.unit.backends.s3.test_signature import HEADER_NAMES, HEADER_VALUES, KEYS, MOMENTS, VISIBLE

HOST = "mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com"
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]),
    key=KEYS,
    query=st.dictionaries(KEYS.filter(bool), KEYS, max_size=4),
    headers=st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=4),
    token=st.none() | VISIBLE,
    secret=VISIBLE,
    now=MOMENTS,
    payload=st.sampled_from([EMPTY_SHA256, UNSIGNED_PAYLOAD]),
)
def test_a_signature_for_all_regions_is_valid(
    method: str,
    key: str,
    query: dict[str, str],
    headers: dict[str, str],
    token: str | None,
    secret: str,
    now: datetime,
    payload: str,
) -> None:
    target = f"/{quote_key(key)}" + (f"?{quote_query(query)}" if query else "")
    given_headers = [("host", HOST), *headers.items()]
    credentials = Credentials("AKIAEXAMPLE", secret, token)
    signed = sigv4a.sign(
        method, target, given_headers, credentials=credentials, region="*", service="s3", now=now, payload=payload
    )
    sent = dict(signed)
    assert len(sent) == len(signed)
    assert dict(given_headers).items() <= sent.items()
    assert sent["x-amz-region-set"] == "*"
    assert sent["x-amz-content-sha256"] == payload
    assert sent.get("x-amz-security-token") == token
    assert scope(sent) == ("AKIAEXAMPLE", [f"{now:%Y%m%d}", "s3"])
    assert is_signed(method, target, sent, secret)
    assert not is_signed(method, f"{target}x", sent, secret)
    assert not is_signed(method, target, sent, f"{secret}x")


def test_the_same_headers_as_botocores() -> None:
    crt = pytest.importorskip("botocore.crt.auth")
    request = AWSRequest("PUT", f"https://{HOST}/a%20b?partNumber=1&uploadId=u", headers={"x-amz-meta-a": "b  c"})
    request.context["payload_signing_enabled"] = False
    request.context["client_config"] = mock.Mock(s3={"payload_signing_enabled": False})
    with mock.patch.object(crt, "get_current_datetime", return_value=NOW):
        crt.CrtS3SigV4AsymAuth(BotocoreCredentials("AKIA", "secret", "token"), "s3", "*").add_auth(request)
    theirs = {name.lower(): value for name, value in request.headers.items()}
    ours = dict(
        sigv4a.sign(
            "PUT",
            "/a%20b?partNumber=1&uploadId=u",
            [("host", HOST), ("x-amz-meta-a", "b  c")],
            credentials=Credentials("AKIA", "secret", "token"),
            region="*",
            service="s3",
            now=NOW,
            payload=UNSIGNED_PAYLOAD,
        )
    )
    scopes = [headers.pop("authorization").rpartition(", ")[0] for headers in (ours, theirs)]
    assert ours == theirs
    assert scopes[0] == scopes[1]


@pytest.mark.parametrize("payload", [EMPTY_SHA256, UNSIGNED_PAYLOAD])
def test_the_signature_of_a_session_is_botocores(payload: str) -> None:
    host = "models--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com"
    target = "/a%20b?list-type=2&prefix=x%2F"
    request = AWSRequest("GET", f"https://{host}{target}", headers={"x-amz-meta-a": "b  c"})
    if payload == UNSIGNED_PAYLOAD:
        request.context["payload_signing_enabled"] = False
        request.context["client_config"] = mock.Mock(s3={"payload_signing_enabled": False})
    signer = auth.S3ExpressAuth(
        BotocoreCredentials("ASIA", "secret", "token"), "s3express", "us-west-2", identity_cache=None
    )
    with mock.patch.object(auth, "get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        signer.add_auth(request)
    ours = signature.sign(
        "GET",
        target,
        [("host", host), ("x-amz-meta-a", "b  c")],
        credentials=Credentials("ASIA", "secret", "token", token_header="x-amz-s3session-token"),
        region="us-west-2",
        service="s3express",
        now=NOW,
        payload=payload,
    )
    theirs = {name.lower(): value for name, value in request.headers.items()}
    assert {**theirs, "host": host} == dict(ours)
