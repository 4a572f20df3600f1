"""Get access tokens from the metadata server of a virtual machine, or of GKE with Workload Identity.

Source: https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

import asyncio
from contextlib import suppress

from ...errors import AccessDenied, TransportError
from ...instance import Instance
from ...wire import Origin, Request, Response, Wire
from . import replies
from .access_token import AccessToken

__all__ = ["MetadataServer"]

_HOST = "metadata.google.internal"
_TARGET = "/computeMetadata/v1/instance/service-accounts/default/token"
# Seconds to wait for a reply. Outside Google Cloud there is no metadata server, and some networks drop the packets.
_TIMEOUT = 1.0
# A new pod starts before its metadata server is ready:
# https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity#limitations
_POD_TIMEOUT = 10.0
_RETRY_INTERVAL = 0.2


class MetadataServer:
    """Requests access tokens from the metadata server.

    Args:
        instance: Provides the environment and the limits.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._answered = False

    async def token(self) -> AccessToken:
        """Request a token.

        Raises:
            AccessDenied: There is no metadata server, or no service account.
            TransportError: The metadata server answered before, but not now.
        """
        environ = self._instance.environ
        if environ.get("NO_GCE_CHECK", "").lower() == "true":
            raise _no_credentials()
        host = environ.get("GCE_METADATA_HOST") or environ.get("GCE_METADATA_ROOT") or _HOST
        headers = [("user-agent", self._instance.user_agent), ("metadata-flavor", "Google")]
        request = Request("GET", Origin.of(f"http://{host}"), _TARGET, headers)
        in_pod = "KUBERNETES_SERVICE_HOST" in environ
        # Use a separate client: requests to the metadata server must not go through a proxy.
        wire = Wire(self._instance.limits, run_blocking=self._instance.disk.run)
        reply: Response | None = None
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_POD_TIMEOUT if in_pod else _TIMEOUT):
                    reply = await self._send(wire, request, retry=in_pod or self._answered)
        finally:
            await wire.aclose()
        if reply is None or reply.header("metadata-flavor") != "Google":
            if self._answered:
                raise TransportError("the metadata server does not answer", retryable=True, host=host)
            raise _no_credentials()
        if reply.status != 200:
            raise _denied(reply)
        fields = replies.json_object(reply)
        self._answered = True
        return AccessToken(str(fields.get("access_token")), float(fields.get("expires_in") or 0))

    async def _send(self, wire: Wire, request: Request, *, retry: bool) -> Response | None:
        while True:
            try:
                reply = await wire.send(request)
                if reply.status < 500 and reply.status != 429:
                    return reply
            except TransportError:
                if not retry:
                    return None
            await asyncio.sleep(_RETRY_INTERVAL)


def _no_credentials() -> AccessDenied:
    return AccessDenied(
        "no credentials for Google Cloud Storage were found",
        hint="set GOOGLE_APPLICATION_CREDENTIALS, run 'gcloud auth application-default login', "
        "or pass GCSConfig(service_account_key=…) or GCSConfig(anonymous=True)",
    )


def _denied(reply: Response) -> AccessDenied:
    code, message = replies.error_details(reply)
    reason = ": ".join(part for part in (str(reply.status), code, message) if part)
    return AccessDenied(
        f"the metadata server did not issue a token: {reason}",
        hint="assign a Google service account to the machine, or to the pod's Kubernetes service account",
        status=reply.status,
        code=code,
    )
