"""Endpoints resolved without the SDK equal those of botocore's endpoint rules."""

from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import Session as BotocoreSession

from sealift.backends.s3.endpoint import Endpoint, endpoint_without_sdk
from sealift.backends.s3.settings import Settings, region_of_endpoint
from sealift.wire import TLS, Origin

ENDPOINTS = [
    "http://127.0.0.1:9000", "https://127.0.0.1:9000", "http://127.0.0.1", "https://[::1]:9000", "http://[2001:db8::1]",
    "http://localhost:8333", "http://minio", "https://minio.example.com", "https://minio.example.com:443",
    "http://minio.example.com:80", "https://minio.example.com:8443/", "https://gw.example.com/s3", "http://MinIO:9000",
    "https://gw.example.com/a/b/", "https://storage.googleapis.com", "https://account.r2.cloudflarestorage.com",
    "https://s3.us-west-004.backblazeb2.com", "https://s3.amazonaws.com", "https://s3.eu-west-1.amazonaws.com",
    "https://s3.dualstack.eu-west-1.amazonaws.com", "https://s3-accelerate.amazonaws.com", "https://models.localhost",
    "https://s3-fips.us-gov-west-1.amazonaws.com", "https://s3.cn-north-1.amazonaws.com.cn", "https://1.2.3.example.com",
    "https://bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com", "http://s3.localhost.localstack.cloud:4566",
]  # fmt: skip
BUCKETS = [
    "models", "my-models", "m", "mo", "a" * 63, "a" * 64, "dotted.models", "a.b.c", "a..b", ".models", "models.",
    "-models", "models-", "a-.b", "Models", "my_models", "127.0.0.1", "1.2.3", "xn--models", "models-s3alias",
    "models--ol-s3", "models--use1-az4--x-s3", "models--op-s3", "123", "0x7f.1", "models--table-s3", "amzn-s3-demo-1",
]  # fmt: skip
STYLES = ["auto", "path", "virtual"]
REGIONS = ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "auto", "garage", "aws-global", "fips-us-east-1",
           "us-east-1-fips", "s3-external-1", "us_east_1", "US-EAST-1", "a-1"]  # fmt: skip


@pytest.fixture(scope="module")
def botocore_session() -> BotocoreSession:
    session = BotocoreSession()
    session.set_credentials("AKIAEXAMPLE", "secret")
    return session


def botocore_endpoint(bucket: str, client: Any) -> Endpoint | str:
    try:
        presigned = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    except (BotoCoreError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    url = urlsplit(presigned)
    region, service = parse_qs(url.query)["X-Amz-Credential"][0].split("/")[2:4]
    return Endpoint(Origin.of(presigned), url.path.removesuffix("/k"), region, service)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_endpoint_equals_botocores(
    endpoint: str, botocore_session: BotocoreSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    differences = []
    for style, region in product(STYLES, REGIONS):
        client: Any = None
        for bucket in BUCKETS:
            ours = endpoint_without_sdk(bucket, Settings(region, endpoint, style, TLS(), None))
            if ours is None:
                continue
            if client is None:
                s3 = {} if style == "auto" else {"addressing_style": style}
                client = botocore_session.create_client(
                    "s3", region, endpoint_url=endpoint, config=Config(signature_version="s3v4", s3=s3)
                )
            theirs = botocore_endpoint(bucket, client)
            if ours != theirs:
                differences.append((bucket, style, region, ours, theirs))
    assert differences == []


def test_common_settings_do_not_need_the_sdk() -> None:
    """Otherwise, the test above would compare nothing."""
    plain = [endpoint for endpoint in ENDPOINTS if "amazonaws" not in endpoint]
    for endpoint, bucket, region in product(plain, ["models", "dotted.models", "my_models"], ["us-east-1", "auto"]):
        assert endpoint_without_sdk(bucket, Settings(region, endpoint, "auto", TLS(), None)) is not None


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3-eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://models.s3.eu-west-1.amazonaws.com/", "eu-west-1"),
        ("https://s3.dualstack.us-west-2.amazonaws.com", "us-west-2"),
        ("https://s3-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://s3-fips.dualstack.us-east-2.amazonaws.com", "us-east-2"),
        ("https://s3.cn-north-1.amazonaws.com.cn:443", "cn-north-1"),
        ("https://bucket.vpce-1a2b-3c4d.s3.us-east-2.vpce.amazonaws.com", "us-east-2"),
        ("https://s3.amazonaws.com", None),
        ("https://s3-accelerate.amazonaws.com", None),
        ("https://s3.dualstack.amazonaws.com", None),
        ("https://s3.eu-west-1.example.com", None),
        ("https://eu-west-1.amazonaws.com.example.com", None),
        ("http://127.0.0.1:9000", None),
        (None, None),
    ],
)
def test_the_region_of_an_endpoint(endpoint: str | None, region: str | None) -> None:
    assert region_of_endpoint(endpoint) == region
