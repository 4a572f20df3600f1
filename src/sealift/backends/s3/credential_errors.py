"""Convert errors of the SDK's credential providers to sealift's errors. Loaded with the SDK.

The texts of the SDK are not passed on unseen: they may quote the output of a program, or a token.
"""

import re
import socket
from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - the SDK's
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    MetadataRetrievalError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)

from ...errors import AccessDenied, InvalidConfig, ServiceError, StorageError, TransportError
from ...runtime.start_thread import limit_reached
from ...wire import Origin, Response
from ...wire.service_message import service_message
from .errors import is_transient
from .lazy_sdk import invalid_config

__all__ = ["credential_error"]

# Hosts of errors; the SDK chooses the address.
_METADATA = {
    "container-role": "the container's credential service",
    "iam-role": "the instance metadata service",
}
# The identity provider did not answer:
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
_TRANSIENT = {"IDPCommunicationError"}
# A role or a policy that cannot exist.
_INVALID = {"MalformedPolicyDocument", "ValidationError"}
_EXPIRED = "Credentials were refreshed, but the refreshed credentials are still expired."


def credential_error(error: Exception, profile: str | None) -> StorageError:
    """Return the error for a failure to find or renew credentials.

    Args:
        error: What a provider of the SDK raised.
        profile: The profile that it used; None: the default one.
    """
    option = f" --profile {profile}" if profile not in {None, "default"} else ""
    match error:
        case StorageError():
            return error
        case SSOError() | TokenRetrievalError():
            hint = f"run aws sso login{option}"
            return AccessDenied("the SSO login for S3 is missing or has expired", hint=hint)
        case LoginError():
            return AccessDenied("the login for S3 is missing or has expired", hint=f"run aws login{option}")
        case ClientError():
            return _refused(error)
        case SSLError():
            return TransportError(f"the certificate of {_host(error)}, which provides the credentials, is not valid")
        case ConnectionError() | HTTPClientError():
            host = _host(error)
            hint = "check the region, the endpoint and the network"
            cause = f"{host}, which provides the credentials for S3, cannot be reached or does not answer"
            return TransportError(cause, hint=hint, retryable=not _is_unknown_host(error), host=host)
        case CredentialRetrievalError() | MetadataRetrievalError():
            return _not_retrieved(error)
        case BlockingIOError():  # EAGAIN: the process of credential_process
            return limit_reached("a process")
        case RuntimeError() if str(error) == "can't start new thread":  # asyncio watches processes with threads
            return limit_reached("a thread")
        case OSError() if error.filename:
            return AccessDenied(f"the credentials for S3 cannot be read: {error.filename}: {error.strerror}")
        case BotoCoreError() | ValueError():
            return invalid_config(error)
        case RuntimeError() if str(error) == _EXPIRED:
            cause = "the credentials for S3 have expired, although they have just been renewed"
            return AccessDenied(cause, hint="check this machine's clock, and what provides them")
    cause = f"the credentials for S3 cannot be read: {type(error).__name__}"
    return AccessDenied(cause, hint="check the output of credential_process and the shared files")


def _refused(error: ClientError) -> StorageError:
    """The error for a reply of the token service, of SSO or of the sign-in service."""
    details = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    code, status = details.get("Code") or None, metadata.get("HTTPStatusCode")
    reply = Response(status or 0, [])
    message = service_message(details.get("Message"), reply)
    cause = f"no credentials for S3: {error.operation_name} was refused"
    cause += "".join(f": {part}" for part in (code or str(status or ""), message) if part)
    refusal: StorageError
    if reply.is_transient or is_transient(code) or code in _TRANSIENT:
        refusal = ServiceError(cause, status=status, code=code, retryable=True, host=_service(error))
    elif code in _INVALID:
        refusal = InvalidConfig(cause, hint="check the role and its settings")
        refusal.status, refusal.code = status, code
    else:
        hint = "check the role's trust policy, and the credentials that assume it"
        refusal = AccessDenied(cause, hint=hint, status=status, code=code)
    if request_id := metadata.get("RequestId"):
        refusal.request_ids = {"x-amzn-requestid": str(request_id)}
    return refusal


def _service(error: ClientError) -> str:
    """A name for the service that sent a reply; the SDK does not keep its address."""
    return "the token service of Amazon" if "Role" in error.operation_name else "the sign-in service of Amazon"


def _not_retrieved(error: BotoCoreError) -> StorageError:
    """The error for a metadata service or a program that gave no credentials."""
    provider, text = error.kwargs.get("provider"), str(error.kwargs.get("error_msg", ""))
    message = service_message(text, Response(0, []))
    if provider not in _METADATA:
        by = "credential_process" if provider == "custom-process" else provider or "the instance metadata service"
        hint = "run the program yourself, and check its output" if provider == "custom-process" else None
        return AccessDenied(f"no credentials for S3 from {by}" + (f": {message}" if message else ""), hint=hint)
    service = _METADATA[provider]
    answered = re.search(r"non 200 response (\d{3})", text)
    if answered is None:
        cause = f"no credentials for S3: {service} cannot be reached, or its reply has none"
        return TransportError(cause, retryable=True, host=service)
    status = int(answered[1])
    cause = f"no credentials for S3: {service} answered {status}"
    if Response(status, []).is_transient:
        return ServiceError(cause, status=status, retryable=True, host=service)
    return AccessDenied(cause, hint="check the role of the container", status=status)


def _host(error: BotoCoreError) -> str:
    """Host and port of the service that was asked. The URL itself may have a query."""
    try:
        return Origin.of(str(error.kwargs.get("endpoint_url"))).address
    except InvalidConfig:
        return "the token service of Amazon"


def _is_unknown_host(error: BotoCoreError) -> bool:
    """Whether the host has no address; a failure of the DNS, on the other hand, may pass."""
    return any(isinstance(each, socket.gaierror) and each.errno == socket.EAI_NONAME for each in _causes(error))


def _causes(error: BotoCoreError) -> Iterator[BaseException]:
    pending: list[object] = [error.kwargs.get("error")]
    seen: list[object] = []
    while pending:
        each = pending.pop()
        if isinstance(each, BaseException) and each not in seen:
            seen.append(each)
            yield each
            pending += [getattr(each, "os_error", None), each.__cause__, each.__context__]
