"""Presigned URLs equal botocore's."""

from datetime import UTC, datetime
from unittest import mock

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from sealift.backends.s3.access import BucketAccess
from sealift.backends.s3.presign import presigned_url
from sealift.backends.s3.signature import Credentials, quote_key
from sealift.wire import TLS, Origin

KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2099, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001


@given(
    key=KEYS,
    method=st.sampled_from(["GET", "PUT"]),
    seconds=st.integers(1, 604_800),
    token=st.none() | VISIBLE,
    access_key=VISIBLE,
    secret=VISIBLE,
    endpoint=st.sampled_from(["http://127.0.0.1:9000", "https://models.s3.eu-central-1.amazonaws.com"]),
    path=st.sampled_from(["", "/bucket"]),
    now=MOMENTS,
)
def test_the_same_url_as_botocores(
    key: str,
    method: str,
    seconds: int,
    token: str | None,
    access_key: str,
    secret: str,
    endpoint: str,
    path: str,
    now: datetime,
) -> None:
    origin = Origin.of(endpoint)
    access = BucketAccess(origin, path, "sigv4", "eu-central-1", "s3", None, TLS(), None, None, fixed_origin=True)
    url = presigned_url(access, Credentials(access_key, secret, token), key, method, seconds, now)
    request = AWSRequest(method=method, url=f"{endpoint}{path}/{quote_key(key)}")
    signer = auth.S3SigV4QueryAuth(
        BotocoreCredentials(access_key, secret, token), "s3", "eu-central-1", expires=seconds
    )
    with mock.patch.object(auth, "get_current_datetime", return_value=now.replace(tzinfo=None)):
        signer.add_auth(request)
    ours, theirs = (each.partition("?")[2].split("&") for each in (url, request.url))
    assert url.partition("?")[0] == request.url.partition("?")[0]
    assert sorted(ours) == sorted(theirs)
