"""The error line of a command with --json."""

from typing import Any

from ..errors import StorageError
from .advice import translated
from .exit_codes import message_of
from .formatting import json_line

__all__ = ["error_json"]

_FACTS = ("operation", "uri", "cause", "hint", "status", "code", "retryable")


def error_json(error: Exception, exit_code: int) -> str:
    """Return an error as a JSON object on one line.

    Args:
        error: The exception that ended the command.
        exit_code: The exit code of the command.

    Returns:
        `{"action": "error", "error": KIND, "message": TEXT, …, "exit_code": N}`; the error's facts are present if it is
        a StorageError, and null where they are unknown.
    """
    facts: dict[str, Any] = {}
    if isinstance(error, StorageError):
        facts = {name: getattr(error, name) for name in _FACTS}
        facts |= {"hint": error.hint and translated(error.hint), "request_ids": dict(error.request_ids)}
    kind = type(error).__name__
    return json_line(action="error", error=kind, message=message_of(error), **facts, exit_code=exit_code)
