"""Resolve the endpoint and the signature scheme of a bucket with the SDK's endpoint rules.

The SDK evaluates the rules while it builds a request. An event handler captures the result before anything is sent.
"""

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from ...errors import UnsupportedOperation
from ...wire import Origin
from .endpoint import Endpoint, Scheme

__all__ = ["endpoint_from_rules", "register"]

# botocore's names for the schemes.
_SCHEMES: dict[str | None, Scheme] = {"v4": "sigv4", "v4a": "sigv4a", "v4-s3express": "sigv4-s3express"}
_KEY = "k"
# The only attribute that the SDK reads if a handler returns a reply instead of sending the request.
_REPLY = SimpleNamespace(status_code=200)


def register(events: Any) -> None:
    """Prepare the clients of a session for `endpoint_from_rules`. They can no longer send GetObject."""
    events.register("before-call.s3.GetObject", _capture_endpoint)


async def endpoint_from_rules(client: Any, bucket: str) -> Endpoint:
    """Resolve the endpoint of a bucket.

    Args:
        client: An S3 client of a session that `register` prepared.
        bucket: Name of the bucket, or an access point's ARN.

    Raises:
        UnsupportedOperation: The bucket needs a signature that sealift cannot create, or rejects unsigned requests.
        BotoCoreError: The rules do not allow this combination of bucket and configuration.
    """
    endpoint: Endpoint = await client.get_object(Bucket=bucket, Key=_KEY)
    return endpoint


def _capture_endpoint(params: dict[str, Any], context: dict[str, Any], **_: object) -> tuple[SimpleNamespace, Endpoint]:
    bucket, kind = context["input_params"]["Bucket"], context.get("auth_type")
    signing: dict[str, str] = context.get("signing", {})
    if kind == "none":
        rule = context["endpoint_properties"]["authSchemes"][0]
        if rule["name"] != "sigv4" or rule["signingName"] == "s3express":
            raise UnsupportedOperation(
                f"the service accepts no unsigned requests for {bucket}",
                hint="pass credentials instead of anonymous=True",
            )
        kind, signing = "v4", {"region": rule["signingRegion"], "signing_name": rule["signingName"]}
    if kind not in _SCHEMES:
        raise UnsupportedOperation(f"requests for {bucket} need the signature scheme {kind!r}")
    url = params["url"].removesuffix(f"/{_KEY}")
    endpoint = Endpoint(Origin.of(url), urlsplit(url).path, signing["region"], signing["signing_name"], _SCHEMES[kind])
    return _REPLY, endpoint
