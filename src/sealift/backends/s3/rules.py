"""Where the requests for a bucket go and how they are signed, by the endpoint rules that the SDK ships.

The SDK evaluates its rules while it builds a request, and an event handler takes the outcome before anything is sent.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

from ...errors import UnsupportedOperation

__all__ = ["Endpoint", "Scheme", "endpoint", "register"]

# The names of the endpoint rules.
Scheme = Literal["none", "sigv4", "sigv4a", "sigv4-s3express"]
# botocore's names for them.
_SCHEMES: dict[str | None, Scheme] = {
    "none": "none",
    "v4": "sigv4",
    "s3v4": "sigv4",
    "v4a": "sigv4a",
    "s3v4a": "sigv4a",
    "v4-s3express": "sigv4-s3express",
}
_KEY = "k"
# All that the SDK looks at in the reply of a handler that answers in the service's place.
_REPLY = SimpleNamespace(status_code=200)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one bucket is reached.

    Attributes:
        url: What stands before a key, without a trailing "/".
        scheme: How requests are signed; "none": not at all.
        region: Part of the signature; for "sigv4a" the set of regions, separated by commas.
        service: Part of the signature.
    """

    url: str
    scheme: Scheme
    region: str
    service: str


def register(events: Any) -> None:
    """Let the clients of a session answer `endpoint`; they send no GetObject then."""
    events.register("before-call.s3.GetObject", _resolved)


async def endpoint(client: Any, bucket: str) -> Endpoint:
    """Return the endpoint of a bucket; `client` belongs to a session that was passed to `register`.

    Raises:
        UnsupportedOperation: The rules ask for a signature that sealift cannot make.
        BotoCoreError: The rules refuse the combination of bucket and configuration.
    """
    found: Endpoint = await client.get_object(Bucket=bucket, Key=_KEY)
    return found


def _resolved(params: dict[str, Any], context: dict[str, Any], **_: object) -> tuple[SimpleNamespace, Endpoint]:
    signing = context.get("signing", {})
    scheme = _SCHEMES.get(context.get("auth_type"))
    if scheme is None:
        raise UnsupportedOperation(f"requests that are signed by {context.get('auth_type')!r}")
    found = Endpoint(
        params["url"].removesuffix(f"/{_KEY}"),
        scheme,
        signing.get("region") or context["client_region"],
        signing.get("signing_name") or "s3",
    )
    return _REPLY, found
