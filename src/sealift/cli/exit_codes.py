"""Exit codes, and the error line on stderr."""

import signal

import click

from ..errors import AccessDenied, InvalidInput, ModelMissingError, StorageError
from .advice import error_text
from .escaping import printable

__all__ = [
    "ACCESS_DENIED",
    "EXIT_CODES",
    "FAILURE",
    "HUNG_UP",
    "INTERRUPTED",
    "NOT_FOUND",
    "OK",
    "TERMINATED",
    "USAGE",
    "Interrupted",
    "code_of",
    "message_of",
]

OK = 0
FAILURE = 1
USAGE = 2
NOT_FOUND = 3
ACCESS_DENIED = 4
HUNG_UP = 128 + signal.SIGHUP
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM

EXIT_CODES = {
    OK: "success",
    FAILURE: "failure",
    USAGE: "usage error: an invalid option, argument, URI or configuration",
    NOT_FOUND: "not found: object, prefix, bucket or file",
    ACCESS_DENIED: "access denied: credentials are missing, wrong, or lack permission",
    HUNG_UP: "hung up (SIGHUP): the terminal was closed",
    INTERRUPTED: "interrupted (Ctrl-C)",
    TERMINATED: "terminated (SIGTERM)",
}


class Interrupted(Exception):
    """A signal interrupted the command."""


def code_of(error: Exception, signals: list[int]) -> int:
    """Return the exit code for an exception.

    Args:
        error: The exception that ended the command.
        signals: The signals received, other than SIGINT.
    """
    match error:
        case Interrupted() | click.Abort():
            return 128 + signals[0] if signals else INTERRUPTED
        case InvalidInput() | click.UsageError():
            return USAGE
        case ModelMissingError():
            return NOT_FOUND
        case AccessDenied():
            return ACCESS_DENIED
    return FAILURE


def message_of(error: Exception) -> str:
    """Return the error message for the user, in one line."""
    match error:
        case Interrupted() | click.Abort():
            text = "interrupted"
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "sealift"
            text = f"{_lowercase_first(error.format_message().rstrip('.'))} (see {command} --help)"
        case click.ClickException():
            text = error.format_message()
        case StorageError():
            text = error_text(error)
        case OSError():
            text = str(error)
        case _:
            text = f"unexpected {type(error).__name__}: {error} (add --verbose for a traceback; please report it)"
    return printable(text)


def _lowercase_first(text: str) -> str:
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
