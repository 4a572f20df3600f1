"""Run commands: start the event loop, handle signals, and turn exceptions into exit codes."""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

from ..runtime.event_loop import loop_factory
from .error_json import error_json
from .exit_codes import FAILURE, Interrupted, code_of, message_of
from .option_groups import Command, write_options
from .settings import Settings

__all__ = ["CommandGroup", "run"]

T = TypeVar("T")


class CommandGroup(click.Group):
    """A command group that reports an error as one line on stderr and an exit code of `exit_codes.py`."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command line and exit."""
        settings = Settings()
        extra |= {"standalone_mode": False, "obj": settings}
        with _sigterm_as_sigint() as signals:
            try:
                code = super().main(*args, **extra)
            except BrokenPipeError:  # as in `sealift ls … | head`: the reader has exited, so print nothing
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                code = FAILURE
            except Exception as error:  # noqa: BLE001 - print a traceback only with --verbose
                if settings.verbose:
                    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
                code = code_of(error, signals)
                click.echo(error_json(error, code) if settings.as_json else f"error: {message_of(error)}", err=True)
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the requested command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would print an empty line and "Aborted!"
            raise Interrupted from None


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a new event loop. Ctrl-C cancels it and waits for cleanup; a second Ctrl-C does not wait."""
    with asyncio.Runner(loop_factory=loop_factory(os.environ)) as runner:
        return runner.run(work())


@contextmanager
def _sigterm_as_sigint() -> Iterator[list[int]]:
    """Handle SIGTERM, which orchestrators send, like Ctrl-C. Yields the list of SIGTERM signals received."""
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        sigint_handler = signal.getsignal(signal.SIGINT)
        if not callable(sigint_handler):  # SIGINT is ignored, as in a background job of a script
            raise KeyboardInterrupt
        sigint_handler(number, frame)

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, previous)
