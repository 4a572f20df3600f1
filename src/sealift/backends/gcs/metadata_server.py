"""Get access tokens from the metadata server of a virtual machine, or of GKE with Workload Identity.

Source: https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

import asyncio
from contextlib import suppress

from ...errors import AccessDenied, StorageError, TransportError
from ...instance import Instance
from ...runtime.cloud_machine import cloud_of_machine
from ...wire import Origin, Request, Response, Wire
from ...wire.service_message import with_request_ids
from . import replies
from .access_token import AccessToken

__all__ = ["NO_CREDENTIALS", "MetadataServer"]

# The code of the error if neither the environment nor this machine has credentials.
NO_CREDENTIALS = "NoCredentials"

_HOST = "metadata.google.internal"
_TARGET = "/computeMetadata/v1/instance/service-accounts/default/token"
# Seconds during which the server is asked, where there must be one. A new pod starts before its server is ready:
# https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity#limitations
_PATIENCE = 10.0
# Elsewhere, there is usually none, and some networks drop the packets.
_SHORT_PATIENCE = 1.0
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
        patience = _PATIENCE if await self._is_expected() else _SHORT_PATIENCE
        # Use a separate client: requests to the metadata server must not go through a proxy.
        wire = Wire(self._instance.limits, run_blocking=self._instance.disk.run)
        reply: Response | None = None
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(patience, self._instance.limits.patience)):
                    reply = await self._send(wire, request)
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

    async def _is_expected(self) -> bool:
        """Whether there must be a metadata server."""
        environ = self._instance.environ
        named = any(environ.get(name) for name in ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "KUBERNETES_SERVICE_HOST"))
        return named or self._answered or await self._instance.disk.run(cloud_of_machine) == "google"

    async def _send(self, wire: Wire, request: Request) -> Response:
        while True:
            with suppress(TransportError):
                reply = await wire.send(request)
                if not reply.is_transient:
                    return reply
            await asyncio.sleep(_RETRY_INTERVAL)


def _no_credentials() -> AccessDenied:
    return AccessDenied(
        "no credentials for Google Cloud Storage were found",
        code=NO_CREDENTIALS,
        hint="set GOOGLE_APPLICATION_CREDENTIALS, run 'gcloud auth application-default login', "
        "or pass GCSConfig(service_account_key=…) or GCSConfig(anonymous=True)",
    )


def _denied(reply: Response) -> StorageError:
    code, message = replies.error_details(reply)
    reason = ": ".join(part for part in (str(reply.status), code, message) if part)
    error = AccessDenied(
        f"the metadata server did not issue a token: {reason}",
        hint="assign a Google service account to the machine, or to the pod's Kubernetes service account",
        status=reply.status,
        code=code,
    )
    return with_request_ids(error, reply)
