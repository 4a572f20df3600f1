"""Requests that fail if the object exists."""

from ...errors import ObjectExists
from ...wire import Response
from .bucket import Query

__all__ = ["condition", "refuse_existing"]


def condition(*, overwrite: bool) -> Query:
    """The query that makes a request fail if the object exists: https://cloud.google.com/storage/docs/request-preconditions."""
    return {} if overwrite else {"ifGenerationMatch": "0"}


def refuse_existing(reply: Response, key: str, *, overwrite: bool) -> None:
    """Raise ObjectExists if a request failed because of its `condition`."""
    if not overwrite and reply.status == 412:
        hint = "choose another destination, or skip or overwrite what exists"
        raise ObjectExists(f"the object {key!r} exists already", hint=hint, status=412)
