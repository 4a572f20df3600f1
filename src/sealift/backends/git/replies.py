"""Errors of Git and LFS servers."""

from ...errors import AccessDenied, ModelMissingError, ServiceError, StorageError
from ...wire import Response
from ...wire.service_message import with_request_ids

__all__ = ["SIGN_IN", "error"]

SIGN_IN = "GitConfig(username=…, password=…), or, over https, GIT_USERNAME and GIT_PASSWORD"


def error(reply: Response, what: str, *, signed_in: bool) -> StorageError:
    """Convert an error response to an exception. Its body is not quoted: it is mostly a web page.

    Args:
        reply: Response with an error status.
        what: What was requested, such as "the Git repository".
        signed_in: Whether credentials were sent.
    """
    return with_request_ids(_error(reply, what, signed_in=signed_in), reply)


def _error(reply: Response, what: str, *, signed_in: bool) -> StorageError:
    status = reply.status
    if status in {401, 403}:
        cause = f"access to {what} is denied ({status})" + (", or it does not exist" if status == 401 else "")
        hint = f"check {SIGN_IN}" if signed_in else f"sign in: {SIGN_IN}"
        return AccessDenied(cause, hint=hint, status=status, host=reply.host)
    if status in {404, 410}:
        hint = "check the URL" if signed_in else f"check the URL; for a private repository: {SIGN_IN}"
        return ModelMissingError(what, cause=f"{what} does not exist ({status})", hint=hint, status=status)
    return ServiceError(
        f"the Git server answered {status}",
        status=status,
        retryable=reply.is_transient,
        retry_after=reply.retry_after,
        throttled=reply.asks_for_less,
        host=reply.host,
    )
