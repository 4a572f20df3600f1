"""Parse error responses of registries.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
"""

import json

from ...errors import AccessDenied, ModelMissingError, ServiceError, StorageError
from ...uri import Location
from ...wire import Response
from ...wire.service_message import service_message, with_request_ids

__all__ = ["error", "refused"]

_SIGN_IN = "sign in with docker login or podman login, or pass OCIConfig(username=…, password=…)"
_NO_REPOSITORY = {"NAME_UNKNOWN", "NAME_INVALID"}


def error(reply: Response, location: Location, what: str, *, signed_in: bool) -> StorageError:
    """Convert an error response of the registry.

    Args:
        reply: The response.
        location: The image.
        what: What was requested, as the object of a sentence.
        signed_in: Whether the request had credentials.
    """
    return with_request_ids(_error(reply, location, what, signed_in=signed_in), reply)


def _error(reply: Response, location: Location, what: str, *, signed_in: bool) -> StorageError:
    status, (code, message) = reply.status, _first_error(reply)
    text = service_message(message, reply)
    if status in {401, 403}:
        hint = "check the credentials and their permissions" if signed_in else _SIGN_IN
        # Registries do not tell whether a private repository exists.
        cause = f"no permission to read {what}, or it does not exist"
        return AccessDenied(_with(cause, text), hint=hint, status=status, code=code)
    if status == 404:
        missing = f"the repository {location.root}" if code in _NO_REPOSITORY else what
        return ModelMissingError(
            str(location),
            cause=f"the registry does not have {missing}",
            hint="check its name and tag",
            status=status,
            code=code,
        )
    return _service_error(reply, f"the registry answered {status}" + (f" {code}" if code else ""), text, code)


def refused(reply: Response, digest: str) -> StorageError:
    """Convert an error response of the registry's storage. Its body is not quoted: it may contain the signed URL."""
    status = reply.status
    if status in {401, 403}:
        cause = f"the registry's storage denied access to the layer {digest}"
        return with_request_ids(AccessDenied(cause, status=status, host=reply.host), reply)
    if status in {404, 410}:
        cause = f"the registry's storage does not have the layer {digest}"
        return with_request_ids(ModelMissingError(digest, cause=cause, status=status), reply)
    return with_request_ids(_service_error(reply, f"the registry's storage answered {status}", "", None), reply)


def _service_error(reply: Response, cause: str, text: str, code: str | None) -> ServiceError:
    return ServiceError(
        _with(cause, text),
        status=reply.status,
        code=code,
        retryable=reply.is_transient,
        retry_after=reply.retry_after,
        throttled=reply.asks_for_less or code == "TOOMANYREQUESTS",
        host=reply.host,
    )


def _first_error(reply: Response) -> tuple[str | None, str | None]:
    try:
        errors = json.loads(reply.body)["errors"]
        code, message = errors[0].get("code"), errors[0].get("message")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None, None  # not the registry's own format
    return code if isinstance(code, str) else None, message if isinstance(message, str) else None


def _with(cause: str, text: str) -> str:
    return f"{cause}: {text}" if text else cause
