"""How a command ends: its exit code, and one line on stderr that says what to do."""

import signal

import click

from ..errors import AccessDenied, InvalidInput, ModelMissingError, StorageError

__all__ = [
    "ACCESS_DENIED",
    "EXIT_CODES",
    "FAILURE",
    "INTERRUPTED",
    "NOT_FOUND",
    "OK",
    "TERMINATED",
    "USAGE",
    "Interrupted",
    "code_of",
    "message_of",
    "printable",
]

OK = 0
FAILURE = 1
USAGE = 2
NOT_FOUND = 3
ACCESS_DENIED = 4
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM

EXIT_CODES = {
    OK: "done",
    FAILURE: "failed",
    USAGE: "wrong usage: an option, an argument, a URI or a configuration",
    NOT_FOUND: "no such object, prefix, bucket or file",
    ACCESS_DENIED: "credentials are wrong, absent, or not allowed to do this",
    INTERRUPTED: "interrupted (Ctrl-C)",
    TERMINATED: "terminated (SIGTERM)",
}


class Interrupted(Exception):
    """A signal ended the command."""


def code_of(error: Exception, signals: list[int]) -> int:
    """The exit code that an exception stands for.

    Args:
        error: What ended the command.
        signals: The SIGTERMs that came.
    """
    match error:
        case Interrupted() | click.Abort():
            return TERMINATED if signals else INTERRUPTED
        case InvalidInput() | click.UsageError():
            return USAGE
        case ModelMissingError():
            return NOT_FOUND
        case AccessDenied():
            return ACCESS_DENIED
    return FAILURE


def message_of(error: Exception) -> str:
    """What to tell the user, in one line."""
    match error:
        case Interrupted() | click.Abort():
            text = "interrupted"
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "sealift"
            text = f"{_begun_small(error.format_message().rstrip('.'))} (see {command} --help)"
        case click.ClickException():
            text = error.format_message()
        case StorageError() | OSError():
            text = str(error)
        case _:
            text = f"unexpected {type(error).__name__}: {error} (--verbose shows where; please report it)"
    return printable(text)


def printable(text: str) -> str:
    """A text without what a terminal would obey, in one line."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _begun_small(text: str) -> str:
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _escaped(character: str) -> str:
    """Keys and messages of servers may hold line ends, and sequences that a terminal would obey."""
    return " " if character in "\r\n\t" else character.encode("unicode_escape", "backslashreplace").decode()
