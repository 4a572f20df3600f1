"""Where the requests for a bucket go and how they are signed, by the endpoint rules that the SDK ships.

The SDK evaluates its rules while it builds a request, and an event handler takes the outcome before anything is sent.
"""

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from ...errors import UnsupportedOperation
from ...wire import Origin
from .endpoint import Endpoint, Scheme

__all__ = ["endpoint_by_rules", "register"]

# botocore's names for the schemes.
_SCHEMES: dict[str | None, Scheme] = {"v4": "sigv4", "v4a": "sigv4a", "v4-s3express": "sigv4-s3express"}
_KEY = "k"
# All that the SDK looks at in the reply of a handler that answers in the service's place.
_REPLY = SimpleNamespace(status_code=200)


def register(events: Any) -> None:
    """Let the clients of a session answer `endpoint_by_rules`; they send no GetObject then."""
    events.register("before-call.s3.GetObject", _resolved)


async def endpoint_by_rules(client: Any, bucket: str) -> Endpoint:
    """Return the endpoint of a bucket; `client` belongs to a session that was passed to `register`.

    Raises:
        UnsupportedOperation: The rules ask for a signature that sealift cannot make, or for one at all.
        BotoCoreError: The rules refuse the combination of bucket and configuration.
    """
    found: Endpoint = await client.get_object(Bucket=bucket, Key=_KEY)
    return found


def _resolved(params: dict[str, Any], context: dict[str, Any], **_: object) -> tuple[SimpleNamespace, Endpoint]:
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
        raise UnsupportedOperation(f"requests for {bucket} would have to be signed by {kind!r}")
    url = params["url"].removesuffix(f"/{_KEY}")
    endpoint = Endpoint(Origin.of(url), urlsplit(url).path, signing["region"], signing["signing_name"], _SCHEMES[kind])
    return _REPLY, endpoint
