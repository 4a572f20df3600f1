"""The metadata service: who a virtual machine, or a pod with workload identity, is.

Source: https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

import anyio

from ...errors import AccessDenied, StorageError, TransportError
from ...instance import Instance
from ...wire import Origin, Request, Response, Wire
from . import replies
from .access_token import Grant

__all__ = ["Metadata"]

_HOST = "metadata.google.internal"
_TARGET = "/computeMetadata/v1/instance/service-accounts/default/token"
# Seconds for an answer. Outside of Google's network the service is not there, and in some nothing says so.
_PATIENCE = 1.0
# A new pod is there before its metadata service is:
# https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity#limitations
_PATIENCE_OF_A_POD = 10.0
_PAUSE = 0.2


class Metadata:
    """Asks for tokens.

    Args:
        instance: Of the instance.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._answered = False

    async def token(self) -> Grant:
        """A token.

        Raises:
            AccessDenied: There is no such service here, or it knows no account.
            TransportError: It has answered before, and does not now.
        """
        environ = self._instance.environ
        if environ.get("NO_GCE_CHECK", "").lower() == "true":
            raise _nobody()
        host = environ.get("GCE_METADATA_HOST") or environ.get("GCE_METADATA_ROOT") or _HOST
        request = Request("GET", Origin.of(f"http://{host}"), _TARGET, [("metadata-flavor", "Google")])
        in_pod = "KUBERNETES_SERVICE_HOST" in environ
        # A wire of its own: no proxy ever leads to this service.
        wire = Wire(self._instance.limits, run_blocking=self._instance.disk.run)
        reply: Response | None = None
        try:
            with anyio.move_on_after(_PATIENCE_OF_A_POD if in_pod else _PATIENCE):
                reply = await self._reply(wire, request, insist=in_pod or self._answered)
        finally:
            await wire.aclose()
        if reply is None or reply.header("metadata-flavor") != "Google":
            if self._answered:
                raise TransportError("the metadata service does not answer", retryable=True)
            raise _nobody()
        if reply.status != 200:
            raise _refusal(reply)
        told = replies.body(reply)
        self._answered = True
        return Grant(str(told.get("access_token")), float(told.get("expires_in") or 0))

    async def _reply(self, wire: Wire, request: Request, *, insist: bool) -> Response | None:
        while True:
            try:
                reply = await wire.send(request)
                if reply.status < 500 and reply.status != 429:
                    return reply
            except TransportError:
                if not insist:
                    return None
            await anyio.sleep(_PAUSE)


def _nobody() -> AccessDenied:
    return AccessDenied(
        "no credentials for Google Cloud Storage were found",
        hint="set GOOGLE_APPLICATION_CREDENTIALS, run 'gcloud auth application-default login', "
        "or pass GCSConfig(service_account_key=…) or GCSConfig(anonymous=True)",
    )


def _refusal(reply: Response) -> StorageError:
    code, message = replies.failure(reply)
    why = ": ".join(part for part in (str(reply.status), code, message) if part)
    return AccessDenied(
        f"the metadata service gives no token: {why}",
        hint="give the machine, or the pod's Kubernetes service account, a Google service account",
        status=reply.status,
        code=code,
    )
