"""Sign requests with AWS Signature Version 4A, which is valid in a set of regions.

Multi-Region Access Points require it, because the region that will answer is not known when the request is signed.
awscrt derives the ECDSA key and signs, in about 30 µs.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/MultiRegionAccessPointRequests.html
"""

from collections.abc import Sequence
from datetime import datetime

from .signature import EMPTY_SHA256, Credentials, is_signed

__all__ = ["sign"]


def sign(
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    *,
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
    payload: str = EMPTY_SHA256,
) -> list[tuple[str, str]]:
    """Sign a request.

    Args:
        method: HTTP method.
        target: Path and query as sent.
        headers: Headers to send, including `host`, with lower-case names. Only those that S3 requires are signed.
        credentials: Credentials to sign with.
        region: The regions in which the signature is valid, separated by commas; "*" means all.
        service: Service name in the signature's scope.
        now: Current time in UTC.
        payload: Lower-case hex SHA-256 of the body, or `UNSIGNED_PAYLOAD`.

    Returns:
        All headers to send: `headers` and those of the signature.
    """
    from awscrt import auth  # noqa: PLC0415 - used only here; the SDK has loaded it already
    from awscrt.http import HttpHeaders, HttpRequest  # noqa: PLC0415

    provider = auth.AwsCredentialsProvider.new_static(credentials.access_key, credentials.secret_key, credentials.token)
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4_ASYMMETRIC,
        signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=provider,
        region=region,
        service=service,
        date=now,
        should_sign_header=lambda name: is_signed(name.lower()),
        # S3 signs a path as it is sent: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
        use_double_uri_encode=False,
        should_normalize_uri_path=False,
        signed_body_value=payload,
        signed_body_header_type=auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
    )
    # With static credentials the signature is computed on this thread, so the result is ready immediately.
    signed = auth.aws_sign_request(HttpRequest(method, target, HttpHeaders(list(headers))), config).result()
    return [(name.lower(), value) for name, value in signed.headers]
